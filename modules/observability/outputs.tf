output "topic_arn" {
  description = "ARN of the topic that hears of every composite alarm. Subscribe to it."
  value       = local.topic_arn
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "composite_alarms" {
  description = "Rules of the composite alarms, by name."
  value = merge(
    { for alarm in aws_cloudwatch_composite_alarm.impact : alarm.alarm_name => alarm.alarm_rule },
    { for alarm in aws_cloudwatch_composite_alarm.late : alarm.alarm_name => alarm.alarm_rule },
  )
}

output "function_names" {
  description = "Names of the functions: the notifier, where there is a webhook."
  value       = { for notifier in module.notifier : "notify_operators" => notifier.function_name }
}

output "failure_queue_urls" {
  description = "URLs of the functions' failure queues."
  value       = { for notifier in module.notifier : "notify_operators" => notifier.failure_queue_url }
}

output "policy_json" {
  description = "The whole policy of each function's role."
  value       = { for notifier in module.notifier : "notify_operators" => notifier.policy_json }
}
