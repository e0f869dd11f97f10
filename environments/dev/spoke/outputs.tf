output "spoke_role_arn" {
  description = "ARN of the role that the management account assumes."
  value       = module.budgets_spoke.spoke_role_arn
}

output "alert_topic_arn" {
  description = "ARN of the topic that budgets alert."
  value       = module.budgets_spoke.alert_topic_arn
}

output "failure_queue_url" {
  description = "URL of the queue that holds what the applier could not do."
  value       = module.budgets_spoke.failure_queue_url
}
