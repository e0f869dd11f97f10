output "budgets" {
  description = "The budgets flow: values for the command line and for the spokes."
  value = {
    account_id         = var.account_id
    region             = var.region
    budgets_table      = module.budgets_management.budgets_table_name
    status_table       = module.budgets_management.budget_status_table_name
    functions          = module.budgets_management.function_names
    failure_queue_urls = module.budgets_management.failure_queue_urls
    hub_role_arns      = module.budgets_management.hub_role_arns
    external_id        = module.budgets_management.external_id
    result_bus_arn     = module.budgets_management.result_bus_arn
    approver_policy    = module.budgets_management.approver_policy_json
  }
}

output "billing" {
  description = "The billing flow: where to drop files, and values for BI tools and the command line."
  value = {
    account_id          = var.account_id
    region              = var.region
    bucket              = module.billing.bucket_name
    queue_url           = module.billing.queue_url
    workflow_arn        = module.billing.workflow_arn
    functions           = module.billing.function_names
    failure_queue_urls  = module.billing.failure_queue_urls
    database_arn        = module.billing_database.cluster_arn
    database_secret_arn = module.billing_database.reader_secret_arn
    database_name       = module.billing_database.database_name
    database_cluster    = module.billing_database.cluster_identifier
  }
}

output "invoices" {
  description = "The invoice flow: where to drop documents, topics to subscribe to, and values for the command line."
  value = {
    account_id         = var.account_id
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
  description = "The reconciliation flow: where reports are, the topic to subscribe to, and values for the payers and the command line."
  value = {
    account_id         = var.account_id
    region             = var.region
    bucket             = module.reconciliation.bucket_name
    topic_arn          = module.reconciliation.topic_arn
    functions          = { reconcile_month = module.reconciliation.function_name }
    failure_queue_urls = { reconcile_month = module.reconciliation.failure_queue_url }
    hub                = module.reconciliation.hub
    environment        = module.reconciliation.environment
  }
}

output "audit" {
  description = "The audit trail: values for the command line, and the queue of entries that could not be written."
  value = {
    account_id         = var.account_id
    region             = var.region
    bucket             = module.audit.bucket_name
    queue_url          = module.audit.queue_url
    signing_key_arn    = module.audit.signing_key_arn
    functions          = module.audit.function_names
    failure_queue_urls = module.audit.failure_queue_urls
  }
}

output "console" {
  description = "The console: its address, the load balancer to point the domain at, and the user pool to add people to. Nothing without one."
  value = one([for console in module.console : {
    url          = console.url
    dns_name     = console.dns_name
    zone_id      = console.zone_id
    user_pool_id = console.user_pool_id
    group_names  = console.group_names
  }])
}

output "observability" {
  description = "The dashboard, and the topic that hears of impacts. Nothing without it."
  value       = one([for observability in module.observability : { dashboard_name = observability.dashboard_name, topic_arn = observability.topic_arn }])
}
