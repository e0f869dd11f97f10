output "stack_set_name" {
  description = "Name of the stack set."
  value       = aws_cloudformation_stack_set.spokes.name
}

output "stack_set_arn" {
  description = "ARN of the stack set."
  value       = aws_cloudformation_stack_set.spokes.arn
}

output "spoke_role_name" {
  description = "Name of the role that the management account assumes in each account."
  value       = "${var.name_prefix}-budgets-spoke"
}

output "packages_policy_json" {
  description = "Bucket policy with which the organization's accounts read the packages. Merge it into the policy of the packages' bucket before the first apply."
  value       = data.aws_iam_policy_document.packages.json
}
