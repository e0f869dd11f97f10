output "spoke_role_arn" {
  description = "ARN of the role that the management account assumes."
  value       = aws_iam_role.spoke.arn
}

output "alert_topic_arn" {
  description = "ARN of the topic that receives budget alerts; subscribe to it."
  value       = aws_sns_topic.budget_alerts.arn
}

output "function_name" {
  description = "Name of the function apply-budget."
  value       = module.apply_budget.function_name
}

output "failure_queue_url" {
  description = "URL of the applier's failure queue."
  value       = module.apply_budget.failure_queue_url
}
