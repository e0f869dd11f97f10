output "reconciliation" {
  description = "The role that the management account assumes, and the export to name in its `costs.exports_uris`."
  value = {
    role_arn   = module.reconciliation_payer.role_arn
    export_uri = module.reconciliation_payer.export_uri
  }
}
