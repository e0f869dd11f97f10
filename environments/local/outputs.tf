output "budgets" {
  description = "Names and ARNs of the budgets flow, for the command line, the demo and the tests."
  value = {
    account_id         = "111111111111"
    region             = var.region
    budgets_table      = module.budgets_management.budgets_table_name
    status_table       = module.budgets_management.budget_status_table_name
    functions          = module.budgets_management.function_names
    failure_queue_urls = module.budgets_management.failure_queue_urls
    deadline_queue_url = module.budgets_management.deadline_queue_url
    hub_role_arns      = module.budgets_management.hub_role_arns
    external_id        = module.budgets_management.external_id
    result_bus_arn     = module.budgets_management.result_bus_arn
    spoke_role_name    = module.budgets_management.spoke_role_name
    approver_policy    = module.budgets_management.approver_policy_json
    spoke_account_ids  = ["222222222222", "333333333333"]
    spoke_failure_queues = {
      "222222222222" = module.budgets_spoke_222222222222.failure_queue_url
      "333333333333" = module.budgets_spoke_333333333333.failure_queue_url
    }
  }
}

output "billing" {
  description = "Names and ARNs of the billing flow, for the command line, the demo and the tests."
  value = {
    account_id          = "111111111111"
    region              = var.region
    bucket              = module.billing.bucket_name
    queue_url           = module.billing.queue_url
    workflow_arn        = module.billing.workflow_arn
    functions           = module.billing.function_names
    failure_queue_urls  = module.billing.failure_queue_urls
    database_arn        = module.billing_database.cluster_arn
    database_secret_arn = module.billing_database.secret_arn
    loader_secret_arn   = module.billing_database.loader_secret_arn
    reader_secret_arn   = module.billing_database.reader_secret_arn
    database_name       = module.billing_database.database_name
  }
}

output "invoices" {
  description = "Names and ARNs of the invoice flow, for the command line, the demo and the tests."
  value = {
    account_id         = "111111111111"
    region             = var.region
    bucket             = module.invoices.bucket_name
    table              = module.invoices.table_name
    queue_urls         = module.invoices.queue_urls
    workflow_arn       = module.invoices.workflow_arn
    topic_arns         = module.invoices.topic_arns
    functions          = module.invoices.function_names
    failure_queue_urls = module.invoices.failure_queue_urls
    reviewer_policy    = module.invoices.reviewer_policy_json
    vendors_table      = module.invoices.vendors_table_name
    vendor_policy      = module.invoices.vendor_manager_policy_json
  }
}

output "reconciliation" {
  description = "Names and ARNs of reconciliation, for the command line, the demo and the tests."
  value = {
    account_id         = "111111111111"
    region             = var.region
    bucket             = module.reconciliation.bucket_name
    topic_arn          = module.reconciliation.topic_arn
    functions          = { reconcile_month = module.reconciliation.function_name }
    failure_queue_urls = { reconcile_month = module.reconciliation.failure_queue_url }
    environment        = module.reconciliation.environment
    exports_uris       = [module.reconciliation_payer_555555555555.export_uri]
    athena_export_uri  = "s3://${aws_s3_bucket.exports.bucket}/exports/focus/data"
  }
}

output "audit" {
  description = "Names and ARNs of the audit trail, for the command line and the tests."
  value = {
    account_id         = "111111111111"
    region             = var.region
    bucket             = module.audit.bucket_name
    queue_url          = module.audit.queue_url
    signing_key_arn    = module.audit.signing_key_arn
    functions          = module.audit.function_names
    failure_queue_urls = module.audit.failure_queue_urls
  }
}

output "observability" {
  description = "Where operators look, for the tests and the picture of the dashboard."
  value = {
    account_id       = "111111111111"
    region           = var.region
    dashboard_name   = module.observability.dashboard_name
    topic_arn        = module.observability.topic_arn
    composite_alarms = module.observability.composite_alarms
  }
}
