output "bucket_name" {
  description = "Bucket to drop files into: bills under billing/, exchange rates under rates/."
  value       = module.bucket.bucket_name
}

output "workflow_arn" {
  description = "ARN of the workflow that loads large files."
  value       = aws_sfn_state_machine.this.arn
}

output "queue_url" {
  description = "URL of the queue of files."
  value       = aws_sqs_queue.files.url
}

output "function_names" {
  description = "Names of the functions."
  value       = { for name, function in module.function : replace(name, "-", "_") => function.function_name }
}

output "failure_queue_urls" {
  description = "URLs of the failure queue of each function."
  value       = { for name, function in module.function : replace(name, "-", "_") => function.failure_queue_url }
}

output "policy_json" {
  description = "The whole policies of the roles of each function and of the workflow."
  value = merge(
    { for name, function in module.function : replace(name, "-", "_") => function.policy_json },
    { workflow = aws_iam_role_policy.workflow.policy },
  )
}

output "audit_sender_ids" {
  description = "Unique ids of the functions' roles, which write the stream of this flow: for `senders` of the module audit."
  value       = [for function in module.function : function.role_id]
}
