locals {
  tags     = { project = "finops", environment = "local" }
  packages = jsondecode(file(var.packages_file))

  # From files in the spokes, which cannot read the management account's bucket.
  spoke_packages = {
    code   = merge(local.packages.code, { path = "../../${local.packages.code.path}" })
    layers = { for name, layer in local.packages.layers : name => merge(layer, { path = "../../${layer.path}" }) }
  }

  # From S3: uploaded once, and functions are made side by side.
  zips = merge(local.packages.layers, { code = local.packages.code })
  stored = { for name, zip in local.zips : name => {
    sha256_base64 = zip.sha256_base64
    s3_bucket     = aws_s3_object.package[name].bucket
    s3_key        = aws_s3_object.package[name].key
  } }
  module_packages = {
    code   = merge(local.stored.code, { architecture = local.packages.code.architecture })
    layers = { for name in keys(local.packages.layers) : name => local.stored[name] }
  }

  # For the demo: rates of currencies that have no dated rate.
  rates = { static = { CAD = "0.79", MXN = "0.05" } }

  # `finops` runs here with the credentials of the account itself.
  command_line = ["arn:aws:iam::111111111111:root"]

  # The local cloud has no X-Ray.
  function_settings = { tracing = false }

  # The console runs on this machine, on any port.
  console_origins = ["http://127.0.0.1:*", "http://localhost:*"]

  exports_bucket = "finops-exports-111111111111"

  originals_bucket = {
    force_destroy  = true
    upload_origins = local.console_origins
    originals_lock = { mode = "GOVERNANCE", years = 1 }
  }

  audit = { queue_url = module.audit.queue_url, queue_arn = module.audit.queue_arn }

  database = {
    cluster_arn       = module.billing_database.cluster_arn
    secret_arn        = module.billing_database.secret_arn
    loader_secret_arn = module.billing_database.loader_secret_arn
    reader_secret_arn = module.billing_database.reader_secret_arn
    name              = module.billing_database.database_name
  }

  # Reports only read. Each secret is of another user of the database.
  database_to_read = merge(local.database, { secret_arn = module.billing_database.reader_secret_arn })

  hub = {
    role_arns      = module.budgets_management.hub_role_arns
    external_id    = module.budgets_management.external_id
    result_bus_arn = module.budgets_management.result_bus_arn
  }
}

resource "aws_s3_bucket" "packages" {
  provider      = aws.management
  bucket        = "finops-packages-111111111111"
  force_destroy = true
}

resource "aws_s3_object" "package" {
  provider = aws.management
  for_each = local.zips

  bucket      = aws_s3_bucket.packages.id
  key         = "${each.key}-${md5(each.value.sha256_base64)}.zip"
  source      = "../../${each.value.path}"
  source_hash = each.value.sha256_base64
}

module "budgets_management" {
  source    = "../../modules/budgets_management"
  providers = { aws = aws.management }

  account_id        = "111111111111"
  region            = var.region
  spoke_account_ids = setunion(["222222222222", "333333333333"], var.further_spoke_account_ids)
  external_id       = "finops-local"
  packages          = local.module_packages
  removal_policy    = var.removal_policy
  publisher         = { drift_schedule = var.repair_schedule, raises = { usd = 10000000 } }
  tables            = { deletion_protection = false }
  audit             = local.audit
  function_settings = local.function_settings
}

# A longer lock would not let the local cloud be destroyed.
module "audit" {
  source    = "../../modules/audit"
  providers = { aws = aws.management }

  account_id        = "111111111111"
  region            = var.region
  packages          = local.module_packages
  function_settings = local.function_settings
  bucket            = { lock_days = 1, force_destroy = true }
  heads             = { sign = true }
  appending         = { maximum_concurrency = 2 }

  senders = {
    streams = {
      billing        = module.billing.audit_sender_ids
      budgets        = module.budgets_management.audit_sender_ids
      invoices       = module.invoices.audit_sender_ids
      reconciliation = module.reconciliation.audit_sender_ids
    }
    people = ["111111111111"] # whoever works here, at the console too, has the account itself
  }
}

module "budgets_spoke_222222222222" {
  source    = "../../modules/budgets_spoke"
  providers = { aws = aws.spoke_222222222222 }

  account_id        = "222222222222"
  region            = var.region
  hub               = local.hub
  packages          = local.spoke_packages
  drift_schedule    = var.repair_schedule
  function_settings = local.function_settings
}

module "budgets_spoke_333333333333" {
  source    = "../../modules/budgets_spoke"
  providers = { aws = aws.spoke_333333333333 }

  account_id        = "333333333333"
  region            = var.region
  hub               = local.hub
  packages          = local.spoke_packages
  drift_schedule    = var.repair_schedule
  function_settings = local.function_settings
}

# The management account's own spoke, for budgets of accounts without one (delivery = "payer").
module "budgets_spoke_111111111111" {
  source    = "../../modules/budgets_spoke"
  providers = { aws = aws.management }

  account_id        = "111111111111"
  region            = var.region
  hub               = local.hub
  packages          = local.module_packages
  drift_schedule    = var.repair_schedule
  function_settings = local.function_settings
}

module "billing_database" {
  source    = "../../modules/billing_database"
  providers = { aws = aws.management }

  region   = var.region
  deletion = { protection = false, final_snapshot = false }
}

module "billing" {
  source    = "../../modules/billing"
  providers = { aws = aws.management }

  account_id        = "111111111111"
  region            = var.region
  packages          = local.module_packages
  audit             = local.audit
  database          = local.database
  function_settings = local.function_settings
  bucket            = local.originals_bucket
  loading           = var.billing_loading
  # Nothing is fetched from here: a host of this name never exists (RFC 2606), and tests name a server of their own.
  rates = merge(local.rates, { ecb = { url = "https://rates.invalid/eurofxref-daily.xml", schedule = "cron(0 0 1 1 ? 2099)" } })

  datasets = {
    werke = { date_formats = ["%d.%m.%Y"], decimal_comma = true, thousands = "." }
  }
}

# SES must know the sender. No mail leaves this machine.
resource "aws_ses_email_identity" "invoices" {
  provider = aws.management
  email    = "invoices@example.com"
}

# Whoever works on a local cloud is alone there: one person may correct and approve.
module "invoices" {
  source    = "../../modules/invoices"
  providers = { aws = aws.management }

  account_id        = "111111111111"
  region            = var.region
  packages          = local.module_packages
  audit             = local.audit
  function_settings = local.function_settings
  bucket            = local.originals_bucket
  table             = { deletion_protection = false }
  extraction        = merge(var.invoice_extraction, { intake = { maximum_concurrency = 2 } })
  review            = merge(var.invoice_review, { separation_of_duties = false })
  # A customer of the tests.
  customer_mail = {
    sender     = aws_ses_email_identity.invoices.email
    recipients = { "C-mailed" = ["payables@customers.example.com"] }
  }

  validation = {
    rules = [{
      name       = "large_amount"
      expression = "currency == 'USD' and total > 50000"
      message    = "above 50,000 USD a second person looks"
      field      = "total"
    }]
  }
}

resource "aws_ses_email_identity" "reports" {
  provider = aws.management
  email    = "finops@example.com"
}

# Exports that tests and people put there, which Athena may read.
resource "aws_s3_bucket" "exports" {
  provider = aws.management

  bucket        = local.exports_bucket
  force_destroy = true
}

module "reconciliation" {
  source    = "../../modules/reconciliation"
  providers = { aws = aws.management }

  account_id        = "111111111111"
  region            = var.region
  packages          = local.module_packages
  configuration     = file("reconciliation.yaml")
  payers            = { account_ids = ["555555555555", "666666666666"], external_id = "finops-local" }
  costs             = merge(var.reconciliation_costs, { exports_uris = ["s3://${local.exports_bucket}/exports/focus/data"], athena = {} })
  rates             = local.rates
  function_settings = local.function_settings
  bucket            = { force_destroy = true }

  flows = {
    budgets_table_name       = module.budgets_management.budgets_table_name
    budget_status_table_name = module.budgets_management.budget_status_table_name
    invoices_table_name      = module.invoices.table_name
    database                 = local.database_to_read
    audit                    = local.audit
  }

  reporting = {
    notifications = {
      mail_sender        = aws_ses_email_identity.reports.email
      mail_recipients    = ["finance@example.com"]
      webhook_secret_arn = var.reconciliation_webhook_secret_arn
    }
  }
}

module "reconciliation_payer_555555555555" {
  source    = "../../modules/reconciliation_payer"
  providers = { aws = aws.payer_555555555555 }

  account_id   = "555555555555"
  region       = var.region
  hub          = module.reconciliation.hub
  reader_arns  = local.command_line
  focus_export = { force_destroy = true }
}

module "reconciliation_payer_666666666666" {
  source    = "../../modules/reconciliation_payer"
  providers = { aws = aws.payer_666666666666 }

  account_id  = "666666666666"
  region      = var.region
  hub         = module.reconciliation.hub
  reader_arns = local.command_line
}

# Nothing is posted: a chat would hear of every test that breaks a flow.
module "observability" {
  source    = "../../modules/observability"
  providers = { aws = aws.management }

  account_id = "111111111111"
  region     = var.region

  flows = {
    audit            = module.audit.observability
    billing          = module.billing.observability
    billing_database = module.billing_database.observability
    budgets          = module.budgets_management.observability
    invoices         = module.invoices.observability
    reconciliation   = module.reconciliation.observability
  }
}
