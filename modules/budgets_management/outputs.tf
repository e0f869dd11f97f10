output "budgets_table_name" {
  description = "Name of the table that finance edits."
  value       = aws_dynamodb_table.budgets.name
}

output "budget_status_table_name" {
  description = "Name of the table with the status of each edit."
  value       = aws_dynamodb_table.budget_status.name
}

output "hub_role_arns" {
  description = "ARNs of the roles that write to spoke accounts: the publisher's and the repairer's. Spokes trust only these."
  value       = [module.publish_budget.role_arn, module.repair_budget_drift.role_arn]
}

output "external_id" {
  description = "External id that the spoke roles have to require."
  value       = var.external_id
}

output "result_bus_arn" {
  description = "ARN of the event bus to which spokes report results."
  value       = aws_cloudwatch_event_bus.results.arn
}

output "spoke_role_name" {
  description = "Name of the role that is assumed in each spoke."
  value       = local.spoke_role_name
}

output "function_names" {
  description = "Names of the functions."
  value = {
    publish_budget        = module.publish_budget.function_name
    record_budget_result  = module.record_budget_result.function_name
    expire_pending_budget = module.expire_pending_budget.function_name
    repair_budget_drift   = module.repair_budget_drift.function_name
  }
}

output "failure_queue_urls" {
  description = "URLs of the functions' failure queues."
  value = {
    publish_budget        = module.publish_budget.failure_queue_url
    record_budget_result  = module.record_budget_result.failure_queue_url
    expire_pending_budget = module.expire_pending_budget.failure_queue_url
    repair_budget_drift   = module.repair_budget_drift.failure_queue_url
  }
}

output "deadline_queue_url" {
  description = "URL of the queue of deadlines."
  value       = aws_sqs_queue.deadlines.url
}

output "audit_sender_ids" {
  description = "Unique ids of the functions' roles, which write the stream of this flow: for `senders` of the module audit."
  value = [
    module.expire_pending_budget.role_id,
    module.publish_budget.role_id,
    module.record_budget_result.role_id,
    module.repair_budget_drift.role_id,
  ]
}

output "approver_policy_json" {
  description = "Policy for people who approve raises that wait (`publisher.raises`): to read statuses, and to call the function's URL."
  value       = data.aws_iam_policy_document.approver.json
}
