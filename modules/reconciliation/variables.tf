variable "account_id" {
  description = "Account that the flow is deployed to (12 digits)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "Region that the flow is deployed to, as in the provider's configuration."
  type        = string
  nullable    = false

  validation {
    condition     = !can(regex("^(cn|us-gov|us-iso|eu-iso|eusc)", var.region))
    error_message = "region must be a commercial one: policies name ARNs of the partition aws, which other partitions do not know."
  }
}

variable "name_prefix" {
  description = "First part of every name. The management account and the payers must use the same one, because their policies name each other's roles."
  type        = string
  default     = "finops"
  nullable    = false

  validation {
    condition     = length(var.name_prefix) >= 2 && length(var.name_prefix) <= 20 && can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name_prefix))
    error_message = "name_prefix must be 2 to 20 lower-case letters, digits and single hyphens between them, and begin with a letter."
  }
  validation {
    condition     = !can(regex("^(aws|ssm)", var.name_prefix))
    error_message = "name_prefix must not begin with aws or ssm: it begins names of parameters, where Parameter Store reserves both."
  }
}

variable "packages" {
  description = <<-EOT
    The code and its layers: `packages` as `finops packages publish` writes it for a release, or `packages.json` of
    scripts/build_lambdas.py in a clone. Each is a file (`path`, relative to the root module) or an object in S3 (`s3_bucket`, `s3_key` and, with versioning, `s3_object_version`). Layers
    whose `upload` is `s3` go through the bucket.
  EOT
  type = object({
    code   = object({ sha256_base64 = string, architecture = optional(string, "arm64"), release = optional(string), path = optional(string), s3_bucket = optional(string), s3_key = optional(string), s3_object_version = optional(string) })
    layers = map(object({ sha256_base64 = string, path = optional(string), s3_bucket = optional(string), s3_key = optional(string), s3_object_version = optional(string), upload = optional(string, "direct") }))
  })
  nullable = false

  validation {
    condition     = alltrue([for name in ["core", "reports", "duckdb"] : contains(keys(var.packages.layers), name)])
    error_message = "packages.layers must hold the layers core, reports and duckdb."
  }
}

variable "configuration" {
  description = <<-EOT
    Business units of the accounts, shared costs and budgets, as YAML, such as `file("reconciliation.yaml")`. With
    `organization_tags` in it, the function may list the organization's accounts.
  EOT
  type        = string
  nullable    = false

  validation {
    condition     = can(keys(yamldecode(var.configuration)))
    error_message = "configuration must be a YAML mapping."
  }
}

variable "payers" {
  description = <<-EOT
    Further payer accounts: their `account_ids`, without the own account, and the `external_id` that their roles ask for.
    Deploy the module reconciliation_payer in each; it makes the role that the function assumes.
  EOT
  type = object({
    account_ids = optional(set(string), [])
    external_id = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for payer in var.payers.account_ids : can(regex("^[0-9]{12}$", payer))])
    error_message = "payers.account_ids must be account IDs of 12 digits."
  }
  validation {
    condition     = !contains(var.payers.account_ids, var.account_id)
    error_message = "payers.account_ids must not hold account_id: the function reads its own account without a role."
  }
  validation {
    condition = length(setsubtract(
      toset([for payer in try(yamldecode(var.configuration).payer_accounts, []) : try(format("%012d", payer.id), "")]),
      setunion(var.payers.account_ids, [var.account_id]),
    )) == 0
    error_message = "payers.account_ids must hold all payer_accounts of the configuration, except the own account."
  }
  validation {
    condition     = var.payers.external_id != null || length(var.payers.account_ids) == 0
    error_message = "payers.account_ids needs payers.external_id."
  }
  validation {
    condition     = var.payers.external_id == null || can(regex("^[A-Za-z0-9+=,.@:/_-]{2,}$", var.payers.external_id)) && length(coalesce(var.payers.external_id, "-")) <= 1224
    error_message = "payers.external_id must be 2 to 1224 letters, digits and + = , . @ : / _ -."
  }
}

variable "costs" {
  description = <<-EOT
    Where costs come from. `source` is `ce` (Cost Explorer of the payers), `focus` (FOCUS or CUR exports under
    `exports_uris`, each `s3://bucket/folder`, with the `exports_key_arns` of buckets that are encrypted with customer
    managed keys) or `ledger` (rows of the billing flow in `flows.database`).
    `calls_per_second` limits the calls to Cost Explorer, all payers together. Its pages, at 0.01 USD each, cost at most
    `daily_usd` a day (UTC), those of people's commands included; what is not asked for waits for the next day.

    With `athena` (`{}` for the defaults), Amazon Athena sums up exports whose files have more than `from_mb` MiB (`engine` is
    `auto`, `function` for none or `athena` for all). It scans at most `most_gb_scanned` GiB a query, some three queries a report,
    at the region's `usd_per_tb`. Each of `exports_uris` is then the folder that holds `BILLING_PERIOD=…`. `columns` are those
    of the export, by default those that the module reconciliation_payer exports, with Hive's types for the `format` `parquet`, or
    in the order of the header for `csv`.
  EOT
  type = object({
    source           = optional(string, "ce")
    exports_uris     = optional(list(string), [])
    exports_key_arns = optional(list(string), [])
    calls_per_second = optional(number, 5)
    daily_usd        = optional(number, 50)
    athena = optional(object({
      engine          = optional(string, "auto")
      from_mb         = optional(number, 1024)
      most_gb_scanned = optional(number, 100)
      usd_per_tb      = optional(number, 5)
      format          = optional(string, "parquet")
      columns         = optional(list(object({ name = string, type = optional(string, "string") })))
    }))
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["ce", "focus", "ledger"], var.costs.source)
    error_message = "costs.source must be ce, focus or ledger."
  }
  validation {
    condition     = alltrue([for uri in var.costs.exports_uris : can(regex("^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^,*?$]*)?$", uri))])
    error_message = "costs.exports_uris must be s3://bucket/folder."
  }
  validation {
    condition     = alltrue([for arn in var.costs.exports_key_arns : can(regex("^arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "costs.exports_key_arns must be ARNs of keys."
  }
  validation {
    condition     = var.costs.source != "focus" || length(var.costs.exports_uris) > 0
    error_message = "costs.source focus needs costs.exports_uris."
  }
  validation {
    condition     = var.costs.source != "ledger" || var.flows.database != null
    error_message = "costs.source ledger needs flows.database."
  }
  validation {
    condition     = var.costs.calls_per_second > 0 && var.costs.calls_per_second <= 100
    error_message = "costs.calls_per_second must be above 0 and at most 100."
  }
  validation {
    condition     = length(distinct(var.costs.exports_uris)) == length(var.costs.exports_uris)
    error_message = "costs.exports_uris must not hold a URI twice: its costs would count twice."
  }
  validation {
    condition     = var.costs.athena == null || length(var.costs.exports_uris) > 0
    error_message = "costs.athena needs costs.exports_uris."
  }
  validation {
    condition     = try(contains(["auto", "athena", "function"], var.costs.athena.engine), true)
    error_message = "costs.athena.engine must be auto, athena or function."
  }
  validation {
    condition     = try(contains(["parquet", "csv"], var.costs.athena.format), true)
    error_message = "costs.athena.format must be parquet or csv."
  }
  validation {
    condition     = try(var.costs.athena.from_mb >= 0 && var.costs.athena.usd_per_tb >= 0, true)
    error_message = "costs.athena.from_mb and usd_per_tb must not be negative."
  }
  validation {
    condition     = try(var.costs.athena.most_gb_scanned >= 0.01, true)
    error_message = "costs.athena.most_gb_scanned must be at least 0.01: Athena takes no limit below 10 MB."
  }
  validation {
    condition     = var.costs.daily_usd >= 0.01
    error_message = "costs.daily_usd must pay for a page at least, which is 0.01 USD."
  }
}

variable "rates" {
  description = <<-EOT
    Which exchange rate converts an amount, in the modules billing and reconciliation alike: the last one on or before its date,
    at most `maximum_age_days` older. `static` names USD for one unit of a currency where there is none, such as
    { CAD = "0.79" }; leave it empty where finance relies on the amounts. Give both modules the same.
  EOT
  type = object({
    maximum_age_days = optional(number, 7)
    static           = optional(map(string), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.rates.maximum_age_days >= 0 && var.rates.maximum_age_days <= 366
    error_message = "rates.maximum_age_days must be from 0 to 366."
  }
  validation {
    condition     = alltrue([for code, rate in var.rates.static : can(regex("^[A-Z]{3}$", code)) && try(tonumber(rate) > 0, false)])
    error_message = "rates.static must hold ISO 4217 codes and rates above 0."
  }
}

variable "reporting" {
  description = <<-EOT
    How months are reported. Each run of `schedule_expression` (UTC) reports the open month. Until `watch_until_day`
    it also checks the month before, which it closes from `close_day` on; later changes become new revisions.
    `formats` are any of html, csv, json and xlsx. Links in messages open the report without an account for `link_seconds`,
    but never longer than the function's credentials. With `page_url`, messages link to that page instead, such as the
    console's, where people sign in. `notifications` says who is told of a report, besides the subscribers of the topic:
    `mail_recipients` by SES from `mail_sender`, which SES must have verified, and a Slack-compatible webhook, whose URL is the
    value of the Secrets Manager secret `webhook_secret_arn`.
  EOT
  type = object({
    schedule_expression  = optional(string, "cron(0 6 * * ? *)")
    close_day            = optional(number, 5)
    watch_until_day      = optional(number, 15)
    formats              = optional(list(string), ["html", "csv", "json", "xlsx"])
    link_seconds         = optional(number, 3600)
    page_url             = optional(string)
    memory_mb            = optional(number, 2048)
    ephemeral_storage_mb = optional(number, 2048)

    notifications = optional(object({
      mail_sender        = optional(string)
      mail_recipients    = optional(list(string), [])
      webhook_secret_arn = optional(string)
    }), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = 2 <= var.reporting.close_day && var.reporting.close_day <= var.reporting.watch_until_day && var.reporting.watch_until_day <= 28
    error_message = "reporting.close_day must be at least 2, and reporting.watch_until_day from close_day to 28."
  }
  validation {
    condition = length(var.reporting.formats) > 0 && length(distinct(var.reporting.formats)) == length(var.reporting.formats) && alltrue([
      for format in var.reporting.formats : contains(["html", "csv", "json", "xlsx"], format)
    ])
    error_message = "reporting.formats must be one or more of html, csv, json and xlsx, each once."
  }
  validation {
    condition     = var.reporting.page_url == null || can(regex("^https://[^[:space:]]+$", var.reporting.page_url))
    error_message = "reporting.page_url must be an address such as https://finops.example.com/reports."
  }
  validation {
    condition     = var.reporting.link_seconds >= 60 && var.reporting.link_seconds <= 43200
    error_message = "reporting.link_seconds must be from 60 to 43200: a function's credentials last at most 12 hours."
  }
  validation {
    condition     = var.reporting.memory_mb >= 512
    error_message = "reporting.memory_mb must be at least 512."
  }
  validation {
    condition = alltrue([
      for address in concat(var.reporting.notifications.mail_sender[*], var.reporting.notifications.mail_recipients) :
      can(regex("^[^@,[:space:]]+@[^@,[:space:]]+$", address))
    ])
    error_message = "reporting.notifications.mail_sender and mail_recipients must be addresses such as finops@example.com."
  }
  validation {
    condition     = (var.reporting.notifications.mail_sender == null) == (length(var.reporting.notifications.mail_recipients) == 0)
    error_message = "reporting.notifications.mail_sender and mail_recipients need each other."
  }
  validation {
    condition     = var.reporting.notifications.webhook_secret_arn == null || can(regex("^arn:aws:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+$", var.reporting.notifications.webhook_secret_arn))
    error_message = "reporting.notifications.webhook_secret_arn must be the full ARN of a secret."
  }
}

variable "flows" {
  description = <<-EOT
    The other flows that the function works with, each optional: the budgets (`budgets_table_name` of the module
    budgets_management, and its `budget_status_table_name` for what accounts inherit from defaults and for the report's section
    *AWS Budgets*), the invoices (`table_name` of the module invoices), the billing `database` for its rows and rates
    (`cluster_arn`, `reader_secret_arn` as `secret_arn`, and `database_name` of the module billing_database), and the queue
    of the `audit` trail (`queue_url` and `queue_arn` of the module audit). Without a table, budgets come from the
    configuration only, and invoices from AWS only. Without `audit`, nothing is recorded.
  EOT
  type = object({
    budgets_table_name       = optional(string)
    budget_status_table_name = optional(string)
    invoices_table_name      = optional(string)
    database                 = optional(object({ cluster_arn = string, secret_arn = string, name = string }))
    audit                    = optional(object({ queue_url = string, queue_arn = string }))
  })
  default  = {}
  nullable = false
}

variable "bucket" {
  description = <<-EOT
    The bucket: its `name` (by default made of prefix, account and region), days after which provisional reports
    expire (`provisional_days`), reports move to STANDARD_IA (`archive_days`) and replaced versions expire
    (`noncurrent_days`), and whether destroying the module deletes its objects (`force_destroy`).
  EOT
  type = object({
    name             = optional(string)
    provisional_days = optional(number, 60)
    archive_days     = optional(number, 90)
    noncurrent_days  = optional(number, 365)
    force_destroy    = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.bucket.name == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket.name))
    error_message = "bucket.name must be 3 to 63 lower-case letters, digits, dots and hyphens."
  }
  validation {
    condition     = var.bucket.provisional_days >= 45
    error_message = "bucket.provisional_days must be at least 45, because a month can stay open that long."
  }
  validation {
    condition     = var.bucket.archive_days >= 30
    error_message = "bucket.archive_days must be at least 30, the minimum of S3 for STANDARD_IA."
  }
  validation {
    condition     = var.bucket.noncurrent_days >= 1
    error_message = "bucket.noncurrent_days must be at least 1."
  }
}

variable "kms_key_arn" {
  description = <<-EOT
    Customer managed key for bucket, topic, failure queue, logs and environment variables. AWS's own keys are used
    when null. The key's policy must allow CloudWatch Logs.
  EOT
  type        = string
  default     = null
}

variable "function_settings" {
  description = <<-EOT
    Settings of the function, as in the module lambda_function: `architecture`, `tracing`, `log_level`,
    `log_retention_days`, `permissions_boundary_arn`, and the `network` (`subnet_ids`, `security_group_ids`) where functions
    must run in your VPC.
  EOT
  type = object({
    architecture             = optional(string)
    tracing                  = optional(bool, true)
    log_level                = optional(string, "INFO")
    log_retention_days       = optional(number, 30)
    permissions_boundary_arn = optional(string)
    network = optional(object({
      subnet_ids         = list(string)
      security_group_ids = list(string)
    }))
  })
  default  = {}
  nullable = false
}

variable "alarms" {
  description = "Alarms, sent to the SNS topics `topic_arns`."
  type = object({
    enabled    = optional(bool, true)
    topic_arns = optional(list(string), [])
  })
  default  = {}
  nullable = false
}

variable "tags" {
  description = "Tags of every resource that can have some, in addition to the provider's `default_tags`. Objects in buckets have those of the provider alone."
  type        = map(string)
  default     = {}
  nullable    = false
}
