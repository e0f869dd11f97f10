# make build writes this file. Its paths are relative to the repository.
locals {
  built = jsondecode(file("../../../build/lambda/packages.json"))
  packages = {
    code   = merge(local.built.code, { path = "../../../${local.built.code.path}" })
    layers = { for name, layer in local.built.layers : name => merge(layer, { path = "../../../${layer.path}" }) }
  }

  audit = { queue_url = module.audit.queue_url, queue_arn = module.audit.queue_arn }

  # Bills and reports convert by the same rates.
  rates = { maximum_age_days = 7 }

  database = {
    cluster_arn       = module.billing_database.cluster_arn
    secret_arn        = module.billing_database.secret_arn
    loader_secret_arn = module.billing_database.loader_secret_arn
    reader_secret_arn = module.billing_database.reader_secret_arn
    name              = module.billing_database.database_name
  }

  # Reports only read. Each secret is of another user of the database.
  database_to_read = merge(local.database, { secret_arn = module.billing_database.reader_secret_arn })
}

module "budgets_management" {
  source = "../../../modules/budgets_management"

  account_id        = var.account_id
  region            = var.region
  spoke_account_ids = var.spoke_account_ids
  organization_id   = var.organization_id
  external_id       = var.external_id
  packages          = local.packages
  audit             = local.audit
  tables            = { deletion_protection = false }
  alarms            = { topic_arns = var.alarm_topic_arns }
}

module "billing_database" {
  source = "../../../modules/billing_database"

  account_id = var.account_id
  region     = var.region
  network    = var.database_access.network
  access     = { cidr_blocks = var.database_access.cidr_blocks, security_group_ids = var.database_access.security_group_ids }
  capacity   = { minimum = 0, maximum = 4 }
  backups    = { retention_days = 1 }
  deletion   = { protection = false, final_snapshot = false }
}

module "billing" {
  source = "../../../modules/billing"

  account_id = var.account_id
  region     = var.region
  packages   = local.packages
  audit      = local.audit
  database   = local.database
  datasets   = var.billing_datasets
  rates      = local.rates
  bucket     = { quarantine_days = 30, force_destroy = true }
  alarms     = { topic_arns = var.alarm_topic_arns }
}

module "invoices" {
  source = "../../../modules/invoices"

  account_id  = var.account_id
  region      = var.region
  packages    = local.packages
  audit       = local.audit
  validation  = var.invoice_validation
  mail_sender = var.invoice_mail_sender
  bucket      = { force_destroy = true }
  table       = { deletion_protection = false }
  alarms      = { topic_arns = var.alarm_topic_arns }
}

# Deploy the root ../payer to the other payers, after this one.
module "reconciliation" {
  source = "../../../modules/reconciliation"

  account_id    = var.account_id
  region        = var.region
  packages      = local.packages
  configuration = file(var.reconciliation.configuration_file)
  payers        = { account_ids = var.reconciliation.payers, external_id = var.external_id }
  costs         = var.reconciliation.costs
  rates         = local.rates
  notifications = var.reconciliation.notifications
  bucket        = { noncurrent_days = 30, force_destroy = true }
  alarms        = { topic_arns = var.alarm_topic_arns }

  flows = {
    budgets_table_name  = module.budgets_management.budgets_table_name
    invoices_table_name = module.invoices.table_name
    database            = local.database_to_read
    audit               = local.audit
  }
}

module "audit" {
  source = "../../../modules/audit"

  account_id = var.account_id
  region     = var.region
  packages   = local.packages
  bucket     = { lock_days = 1, force_destroy = true }
  alarms     = { topic_arns = var.alarm_topic_arns }
}

# What this deployment itself costs, by its tag `project`, once the tag is active as a cost allocation tag:
# https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html
# Requests to Textract and Cost Explorer have no tags. The invoices module limits Textract by day.
resource "aws_budgets_budget" "own" {
  for_each = { for budget in var.own_budget[*] : budget.name => budget }

  name         = each.key
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_unit   = "USD"
  limit_amount = tostring(each.value.usd)

  cost_filter {
    name   = "TagKeyValue"
    values = ["user:project$finops"]
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }
    content {
      notification_type          = notification.key
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = each.value.emails
    }
  }
}
