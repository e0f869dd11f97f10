output "bucket_name" {
  description = "Bucket of the reports: reports/ (closed months) and provisional/ (open ones)."
  value       = module.bucket.bucket_name
}

output "topic_arn" {
  description = "ARN of the topic that announces each report. Subscribe to it."
  value       = aws_sns_topic.reports.arn
}

output "function_name" {
  description = "Name of the function. Invoke it with {\"month\": \"2026-10\"} for a month of your choice."
  value       = module.reconcile_month.function_name
}

output "failure_queue_url" {
  description = "URL of the failure queue."
  value       = module.reconcile_month.failure_queue_url
}

output "hub" {
  description = "The variable `hub` of the module reconciliation_payer in each payer account."
  value       = { role_arn = module.reconcile_month.role_arn, external_id = var.payers.external_id }
}

output "payer_role_name" {
  description = "Name of the role that is assumed in each payer account."
  value       = local.payer_role_name
}

output "configuration_key" {
  description = "Key of the configuration in the bucket."
  value       = aws_s3_object.configuration.key
}

output "policy_json" {
  description = "The whole policy of the function's role."
  value       = module.reconcile_month.policy_json
}

output "environment" {
  description = "Environment variables of the function. The command line uses them as its own settings."
  value       = local.environment
}

output "audit_sender_ids" {
  description = "Unique ids of the functions' roles, which write the stream of this flow: for `senders` of the module audit."
  value       = [module.reconcile_month.role_id]
}
