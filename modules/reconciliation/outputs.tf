output "bucket_name" {
  description = "Bucket of the reports: reports/ (closed months) and provisional/ (open ones)."
  value       = module.bucket.bucket_name
}

output "topic_arn" {
  description = "ARN of the topic to subscribe to, which tells of each report."
  value       = aws_sns_topic.reports.arn
}

output "function_name" {
  description = "Name of the function; invoke it with {\"month\": \"2026-10\"} for a month of your choice."
  value       = module.reconcile_month.function_name
}

output "failure_queue_url" {
  description = "URL of the queue that holds the runs that failed."
  value       = module.reconcile_month.failure_queue_url
}

output "hub" {
  description = "What the module reconciliation_payer is given as `hub` in each payer account."
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
  description = "What the function is told beside what lambda_function tells it; the command line takes it for its own settings."
  value       = local.environment
}
