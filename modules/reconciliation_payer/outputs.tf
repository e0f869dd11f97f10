output "role_arn" {
  description = "ARN of the role that the management account assumes."
  value       = aws_iam_role.cost_reader.arn
}

output "export_uri" {
  description = "URI of the export, for `costs.exports_uris` of the module reconciliation. Null without an export."
  value       = one([for export in local.exports : "s3://${local.bucket_name}/${export.prefix}/${local.export_name}/data"])
}

output "policy_json" {
  description = "The whole policies: of the role, of those who may assume it (`trust`), and of the bucket of exports if there is one."
  value = merge(
    { cost_reader = data.aws_iam_policy_document.cost_reader.json, trust = data.aws_iam_policy_document.trust.json },
    { for bucket in module.exports : "exports" => bucket.policy_json },
  )
}
