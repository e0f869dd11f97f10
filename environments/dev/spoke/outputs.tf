output "spoke_role_arn" {
  description = "ARN of the role that the management account assumes."
  value       = module.budgets_spoke.spoke_role_arn
}

output "alert_topic_arn" {
  description = "ARN of the topic that receives the alerts of budgets."
  value       = module.budgets_spoke.alert_topic_arn
}

output "failure_queue_url" {
  description = "URL of the failure queue of apply-budget."
  value       = module.budgets_spoke.failure_queue_url
}
