output "bucket_name" {
  description = "Bucket to drop invoices into: documents under raw/, JSON under json/."
  value       = module.bucket.bucket_name
}

output "table_name" {
  description = "Table of the invoices."
  value       = aws_dynamodb_table.invoices.name
}

output "vendors_table_name" {
  description = "Table of the vendors."
  value       = aws_dynamodb_table.vendors.name
}

output "workflow_arn" {
  description = "ARN of the workflow."
  value       = aws_sfn_state_machine.this.arn
}

output "topic_arns" {
  description = "ARNs of the topics to subscribe to: success, failure and review."
  value       = { for name in ["success", "failure", "review"] : name => aws_sns_topic.this[name].arn }
}

output "queue_urls" {
  description = "URLs of the queues of files and of extractions."
  value       = { for name, queue in aws_sqs_queue.this : name => queue.url }
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
  description = "The whole policies of the roles of each function, of the workflow and of Textract."
  value = merge(
    { for name, function in module.function : replace(name, "-", "_") => function.policy_json },
    { workflow = aws_iam_role_policy.workflow.policy, completion = aws_iam_role_policy.completion.policy },
  )
}

output "audit_sender_ids" {
  description = "Unique ids of the functions' roles, which write the stream of this flow: for `senders` of the module audit."
  value       = [for function in module.function : function.role_id]
}

output "reviewer_policy_json" {
  description = "Policy for people who decide about invoices on the command line: they read invoices, and call the function that records who decides. Keep from them lambda:InvokeFunction without its condition, dynamodb:PutItem on the table and states:SendTaskSuccess."
  value       = data.aws_iam_policy_document.reviewer.json
}

output "vendor_manager_policy_json" {
  description = "Policy for people who change vendors on the command line. Accounts are learned from approved invoices, and no command enters one; who may write the table can. Record its data events in CloudTrail."
  value       = data.aws_iam_policy_document.vendor_manager.json
}
