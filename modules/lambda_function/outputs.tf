output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "name" {
  description = "Name of the function, without waiting for it: what only watches it must not hold back its layers in an upgrade."
  value       = var.function.name
}

output "function_arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "role_arn" {
  description = "ARN of the execution role."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "Name of the execution role."
  value       = aws_iam_role.this.name
}

output "role_id" {
  description = "Unique id of the execution role, by which SQS names a sender. A role that is made again has another one."
  value       = aws_iam_role.this.unique_id
}

output "policy_json" {
  description = "The whole policy of the execution role."
  value       = aws_iam_role_policy.this.policy
}

output "failure_queue_arn" {
  description = "ARN of the failure queue."
  value       = aws_sqs_queue.failures.arn
}

output "failure_queue_url" {
  description = "URL of the failure queue."
  value       = aws_sqs_queue.failures.url
}

output "log_group_name" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "alarm_names" {
  description = "Names of the alarms by what they tell: errors, throttles, duration and failures. Empty where alarms are off."
  value       = { for what, alarm in module.alarms.alarms : what => alarm.alarm_name }
}
