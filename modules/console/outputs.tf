output "url" {
  description = "Where people open the console. Give it to the modules invoices and billing as `bucket.upload_origins`."
  value       = local.url
}

output "dns_name" {
  description = "Name of the load balancer, for an alias record of domain_name."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Hosted zone of the load balancer, for an alias record of domain_name."
  value       = aws_lb.this.zone_id
}

output "user_pool_id" {
  description = "The Cognito user pool. Add users to it, and put them into groups."
  value       = aws_cognito_user_pool.this.id
}

output "group_names" {
  description = "The pool's group of each role."
  value       = { for role, group in aws_cognito_user_group.this : role => group.name }
}

output "task_role_arn" {
  description = "Role of the console's container."
  value       = aws_iam_role.task.arn
}

output "audit_sender_ids" {
  description = "Unique id of the container's role, which writes the stream `console`: for `senders` of the module audit."
  value       = [aws_iam_role.task.unique_id]
}

output "policy_json" {
  description = "The whole policy of the container's role."
  value       = data.aws_iam_policy_document.task.json
}
