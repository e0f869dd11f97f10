# make build writes this file. Its paths are relative to the repository.
locals {
  built = jsondecode(file("../../../build/lambda/packages.json"))
  packages = {
    code   = merge(local.built.code, { path = "../../../${local.built.code.path}" })
    layers = { for name, layer in local.built.layers : name => merge(layer, { path = "../../../${layer.path}" }) }
  }

  audit = { queue_url = module.audit.queue_url, queue_arn = module.audit.queue_arn }

  # Bills and reports convert by the same rates.
  rates = { maximum_age_days = 7, ecb = var.ecb_rates }

  database = {
    cluster_arn       = module.billing_database.cluster_arn
    secret_arn        = module.billing_database.secret_arn
    loader_secret_arn = module.billing_database.loader_secret_arn
    reader_secret_arn = module.billing_database.reader_secret_arn
    name              = module.billing_database.database_name
  }

  # Where browsers upload from, and where messages lead to.
  console_urls = [for console in var.console[*] : "https://${console.domain_name}"]

  # With impacts, people are told once of each, and not of the alarms that it is made of.
  single_alarms = { topic_arns = var.observability.enabled ? [] : var.alarm_topic_arns }

  # Reports only read. Each secret is of another user of the database.
  database_to_read = merge(local.database, { secret_arn = module.billing_database.reader_secret_arn })
}

module "budgets_management" {
  source = "../../../modules/budgets_management"

  name_prefix       = var.name_prefix
  account_id        = var.account_id
  region            = var.region
  spoke_account_ids = var.spoke_account_ids
  organization_id   = var.organization_id
  external_id       = var.external_id
  removal_policy    = var.budget_removal_policy
  publisher         = var.budget_publisher
  packages          = local.packages
  audit             = local.audit
  tables            = { deletion_protection = false }
  alarms            = local.single_alarms
  tags              = var.tags
  kms_key_arn       = var.kms_key_arn
  function_settings = var.function_settings
}

module "billing_database" {
  source = "../../../modules/billing_database"

  name_prefix = var.name_prefix
  region      = var.region
  network     = var.database_access.network
  access      = { cidr_blocks = var.database_access.cidr_blocks, security_group_ids = var.database_access.security_group_ids }
  capacity    = { minimum = 0, maximum = 4 }
  backups     = { retention_days = 1 }
  deletion    = { protection = false, final_snapshot = false }
  tags        = var.tags
  kms_key_arn = var.kms_key_arn
}

module "billing" {
  source = "../../../modules/billing"

  name_prefix       = var.name_prefix
  account_id        = var.account_id
  region            = var.region
  packages          = local.packages
  audit             = local.audit
  database          = local.database
  datasets          = var.billing_datasets
  rates             = local.rates
  bucket            = { quarantine_days = 30, force_destroy = true, upload_origins = local.console_urls }
  alarms            = local.single_alarms
  tags              = var.tags
  kms_key_arn       = var.kms_key_arn
  function_settings = var.function_settings
}

module "invoices" {
  source = "../../../modules/invoices"

  name_prefix       = var.name_prefix
  account_id        = var.account_id
  region            = var.region
  packages          = local.packages
  audit             = local.audit
  validation        = var.invoice_validation
  review            = var.invoice_review
  customer_mail     = var.invoice_customer_mail
  bucket            = { force_destroy = true, upload_origins = local.console_urls }
  table             = { deletion_protection = false }
  alarms            = local.single_alarms
  tags              = var.tags
  kms_key_arn       = var.kms_key_arn
  function_settings = var.function_settings
}

# Deploy the root ../payer to the other payers, after this one.
module "reconciliation" {
  source = "../../../modules/reconciliation"

  name_prefix   = var.name_prefix
  account_id    = var.account_id
  region        = var.region
  packages      = local.packages
  configuration = file(var.reconciliation.configuration_file)
  payers        = { account_ids = var.reconciliation.payers, external_id = var.external_id }
  costs         = var.reconciliation.costs
  rates         = local.rates
  reporting = {
    notifications = var.reconciliation.notifications
    page_url      = one([for url in local.console_urls : "${url}/reports"])
  }
  bucket            = { noncurrent_days = 30, force_destroy = true }
  alarms            = local.single_alarms
  tags              = var.tags
  kms_key_arn       = var.kms_key_arn
  function_settings = var.function_settings

  flows = {
    budgets_table_name       = module.budgets_management.budgets_table_name
    budget_status_table_name = module.budgets_management.budget_status_table_name
    invoices_table_name      = module.invoices.table_name
    database                 = local.database_to_read
    audit                    = local.audit
  }
}

module "audit" {
  source = "../../../modules/audit"

  name_prefix       = var.name_prefix
  account_id        = var.account_id
  region            = var.region
  packages          = local.packages
  bucket            = { lock_days = 1, force_destroy = true }
  alarms            = local.single_alarms
  tags              = var.tags
  kms_key_arn       = var.kms_key_arn
  function_settings = var.function_settings

  senders = {
    streams = {
      billing        = module.billing.audit_sender_ids
      budgets        = module.budgets_management.audit_sender_ids
      console        = concat(tolist(var.audit_senders.console), flatten(module.console[*].audit_sender_ids))
      invoices       = module.invoices.audit_sender_ids
      reconciliation = module.reconciliation.audit_sender_ids
    }
    people = tolist(var.audit_senders.people)
  }
}

module "console" {
  source = "../../../modules/console"
  count  = var.console == null ? 0 : 1

  name_prefix         = var.name_prefix
  account_id          = var.account_id
  region              = var.region
  environment         = "dev"
  image               = var.console.image
  address             = { domain_name = var.console.domain_name, certificate_arn = var.console.certificate_arn }
  login               = var.console.login
  network             = var.console.network
  container           = var.console.container
  deletion_protection = false
  alarms              = local.single_alarms
  tags                = var.tags
  kms_key_arn         = var.kms_key_arn
  settings            = { log_retention_days = var.function_settings.log_retention_days, permissions_boundary_arn = var.function_settings.permissions_boundary_arn }

  flows = {
    invoices_bucket       = module.invoices.bucket_name
    billing_bucket        = module.billing.bucket_name
    database_arn          = module.billing_database.cluster_arn
    database_secret_arn   = module.billing_database.reader_secret_arn
    reports_bucket        = module.reconciliation.bucket_name
    audit_bucket          = module.audit.bucket_name
    audit_signing_key_arn = module.audit.signing_key_arn
    kms_key_arns          = var.kms_key_arn[*]
  }
}

module "observability" {
  source = "../../../modules/observability"
  count  = var.observability.enabled ? 1 : 0

  name_prefix       = var.name_prefix
  account_id        = var.account_id
  region            = var.region
  packages          = local.packages
  webhook           = var.observability.webhook
  objectives        = var.observability.objectives
  alarms            = { topic_arns = var.alarm_topic_arns }
  kms_key_arn       = var.kms_key_arn
  function_settings = var.function_settings
  tags              = var.tags

  flows = merge({
    audit            = module.audit.observability
    billing          = module.billing.observability
    billing_database = module.billing_database.observability
    budgets          = module.budgets_management.observability
    invoices         = module.invoices.observability
    reconciliation   = module.reconciliation.observability
  }, { for console in module.console : "console" => console.observability })
}

module "own_budget" {
  source = "../../../modules/own_budget"

  name_prefix = var.name_prefix
  budget      = var.own_budget
  tag         = { key = "project", value = var.name_prefix }
  tags        = var.tags
}

moved {
  from = aws_budgets_budget.own
  to   = module.own_budget.aws_budgets_budget.this
}
