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
  description = "First part of every name."
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
    scripts/build_lambdas.py in a clone. Each is a file (`path`, relative to the root module) or an object in S3 (`s3_bucket`, `s3_key` and, with versioning, `s3_object_version`).
  EOT
  type = object({
    code   = object({ sha256_base64 = string, architecture = optional(string, "arm64"), release = optional(string), path = optional(string), s3_bucket = optional(string), s3_key = optional(string), s3_object_version = optional(string) })
    layers = map(object({ sha256_base64 = string, path = optional(string), s3_bucket = optional(string), s3_key = optional(string), s3_object_version = optional(string) }))
  })
  nullable = false

  validation {
    condition     = alltrue([for name in ["core", "invoices", "documents"] : contains(keys(var.packages.layers), name)])
    error_message = "packages.layers must hold the layers core, invoices and documents."
  }
}

variable "bucket" {
  description = <<-EOT
    The bucket: its `name` (by default made of prefix, account and region), whether destroying the module deletes its
    objects (`force_destroy`), and the web pages from which browsers may upload (`upload_origins`, such as
    `https://finops.example.com`). No rule removes an original. `originals_lock` locks each one by S3 Object Lock, in `mode`
    GOVERNANCE (whoever has s3:BypassGovernanceRetention can delete it) or COMPLIANCE (nobody can), to the end of the year
    it was received in and for `years` more. S3 cannot turn Object Lock off again.
  EOT
  type = object({
    name           = optional(string)
    force_destroy  = optional(bool, false)
    upload_origins = optional(list(string), [])
    originals_lock = optional(object({ mode = string, years = number }))
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.bucket.name == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket.name))
    error_message = "bucket.name must be 3 to 63 lower-case letters, digits, dots and hyphens."
  }
  validation {
    condition     = var.bucket.originals_lock == null || contains(["COMPLIANCE", "GOVERNANCE"], try(var.bucket.originals_lock.mode, ""))
    error_message = "bucket.originals_lock.mode must be COMPLIANCE or GOVERNANCE."
  }
  validation {
    condition     = var.bucket.originals_lock == null || try(contains(range(1, 100), var.bucket.originals_lock.years), false)
    error_message = "bucket.originals_lock.years must be a whole number from 1 to 99."
  }
  validation {
    condition     = !(var.bucket.force_destroy && try(var.bucket.originals_lock.mode, "") == "COMPLIANCE")
    error_message = "bucket.force_destroy cannot be used with a COMPLIANCE lock: nobody can delete originals that it protects."
  }
  validation {
    condition     = alltrue([for origin in var.bucket.upload_origins : can(regex("^https?://[^/]+$", origin))])
    error_message = "bucket.upload_origins must be origins such as https://finops.example.com, without a path."
  }
}

variable "table" {
  description = "Whether the tables of invoices and of vendors are protected against deletion."
  type        = object({ deletion_protection = optional(bool, true) })
  default     = {}
  nullable    = false
}

variable "extraction" {
  description = <<-EOT
    How documents are received and read. At most `intake.maximum_concurrency` functions receive new files at once, and each
    file's event is tried `intake.maximum_tries` times. With `engine` `textract`, Amazon Textract reads them all. With `text-layer`, PDFs of the
    vendors in `trusted_vendors` are read from their own text, without Textract, if number, date, total and currency
    are found and subtotal plus tax equals the total. `shadow` compares both for each document that Textract reads.
    `price_per_page` is Textract's price in USD. `memory_mb` applies to each function. `timeout_seconds` is how long
    a document with many pages may take before it is requested again. Textract reads at most `daily_pages` and `daily_usd`
    a day (UTC), and a document of more than `pages_without_consent` pages once a person retries it.
  EOT
  type = object({
    engine          = optional(string, "textract")
    trusted_vendors = optional(list(string), [])
    shadow          = optional(bool, false)
    price_per_page  = optional(number, 0.01)
    memory_mb       = optional(number, 512)
    timeout_seconds = optional(number, 3600)

    daily_pages           = optional(number, 5000)
    daily_usd             = optional(number, 50)
    pages_without_consent = optional(number, 100)

    intake = optional(object({
      maximum_concurrency = optional(number, 10)
      maximum_tries       = optional(number, 5)
    }), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.extraction.intake.maximum_concurrency >= 2 && var.extraction.intake.maximum_concurrency <= 100
    error_message = "extraction.intake.maximum_concurrency must be from 2 (the minimum of SQS) to 100."
  }
  validation {
    condition     = var.extraction.intake.maximum_tries >= 3 && var.extraction.intake.maximum_tries <= 20
    error_message = "extraction.intake.maximum_tries must be from 3 to 20."
  }
  validation {
    condition     = contains(["textract", "text-layer"], var.extraction.engine)
    error_message = "extraction.engine must be textract or text-layer."
  }
  validation {
    condition     = var.extraction.price_per_page >= 0
    error_message = "extraction.price_per_page must not be negative."
  }
  validation {
    condition     = alltrue([for most in [var.extraction.daily_pages, var.extraction.pages_without_consent] : most >= 1 && floor(most) == most])
    error_message = "extraction.daily_pages and extraction.pages_without_consent must be whole numbers of at least 1."
  }
  validation {
    condition     = var.extraction.daily_usd >= var.extraction.price_per_page
    error_message = "extraction.daily_usd must pay for a page at least."
  }
  validation {
    condition     = var.extraction.memory_mb >= 256 && var.extraction.memory_mb <= 10240
    error_message = "extraction.memory_mb must be from 256 to 10240."
  }
  validation {
    condition     = var.extraction.timeout_seconds >= 60 && var.extraction.timeout_seconds <= 86400
    error_message = "extraction.timeout_seconds must be from 60 to 86400."
  }
}

variable "validation" {
  description = <<-EOT
    How invoices are checked. `confidence` is the least confidence in percent, by field (vendor, invoice_number,
    invoice_date, due_date, currency, subtotal, tax, total, …), with `default` for all others. `tolerance` is how
    much sums may differ, in minor units (cents). `refuse_past_due` rejects invoices that are past due; otherwise
    they are flagged. `json_currency` is the currency of JSON invoices without one. `rules` are your own: an invoice
    for which the `expression` is true has the issue.
  EOT
  type = object({
    confidence      = optional(map(number), { default = 80 })
    tolerance       = optional(number, 1)
    refuse_past_due = optional(bool, false)
    json_currency   = optional(string, "USD")
    rules = optional(list(object({
      name       = string
      expression = string
      message    = string
      severity   = optional(string, "REVIEW")
      field      = optional(string, "")
    })), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for percent in var.validation.confidence : percent >= 0 && percent <= 100])
    error_message = "validation.confidence must be percentages from 0 to 100."
  }
  validation {
    condition     = var.validation.tolerance >= 0
    error_message = "validation.tolerance must not be negative."
  }
  validation {
    condition     = can(regex("^[A-Z]{3}$", var.validation.json_currency))
    error_message = "validation.json_currency must be an ISO 4217 code such as USD."
  }
  validation {
    condition     = alltrue([for rule in var.validation.rules : contains(["FLAG", "REVIEW", "ERROR"], rule.severity)])
    error_message = "validation.rules must have the severity FLAG, REVIEW or ERROR."
  }
  validation {
    condition     = length(distinct(var.validation.rules[*].name)) == length(var.validation.rules)
    error_message = "validation.rules must have different names."
  }
}

variable "review" {
  description = <<-EOT
    How long an invoice waits for review. After `days` (fractions allowed) a reminder is sent, at most
    `maximum_escalations` times. Then the invoice ends as VALIDATION_FAILED. With `separation_of_duties`, who approves an
    invoice must be somebody who neither submitted nor corrected it, and each corrected invoice needs such an approval.
    Whoever assumes a role may choose the session's name and so be a second person: sessions correct and approve only where their role's
    name matches one of `personal_session_roles`, whose trust policies prescribe `sts:RoleSessionName`, as IAM Identity
    Center's do in effect.
  EOT
  type = object({
    days                   = optional(number, 3)
    maximum_escalations    = optional(number, 4)
    separation_of_duties   = optional(bool, true)
    personal_session_roles = optional(list(string), ["AWSReservedSSO_*"])
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.review.days >= 0.0001 && var.review.days <= 60
    error_message = "review.days must be above 0 and at most 60."
  }
  validation {
    condition     = var.review.maximum_escalations >= 0 && var.review.maximum_escalations * var.review.days <= 300
    error_message = "review.maximum_escalations times review.days must be at most 300 days: a workflow ends after a year."
  }
  validation {
    condition     = alltrue([for one in var.review.personal_session_roles : can(regex("^[A-Za-z0-9+=,.@_-]{4,}\\*?$", one))])
    error_message = "review.personal_session_roles must be names of roles, of four characters or more, with a * at most at the end."
  }
}

variable "customer_mail" {
  description = <<-EOT
    Mail to customers whose invoice has been processed, through SES, which must have verified the address `sender`.
    `recipients` are the addresses of each customer, by the id or name that invoices have. Nobody else gets mail, whatever
    address a document names. No mail is sent when null.
  EOT
  type        = object({ sender = string, recipients = map(list(string)) })
  default     = null

  validation {
    condition     = var.customer_mail == null || can(regex("^[^@[:space:]]+@[^@[:space:]]+$", var.customer_mail.sender))
    error_message = "customer_mail.sender must be an address such as invoices@example.com."
  }
  validation {
    condition     = alltrue([for one in flatten(values(try(var.customer_mail.recipients, {}))) : can(regex("^[^@[:space:]]+@[^@[:space:]]+$", one))])
    error_message = "customer_mail.recipients must be addresses such as ap@example.com."
  }
  validation {
    condition     = alltrue([for all in values(try(var.customer_mail.recipients, {})) : length(all) <= 50])
    error_message = "customer_mail.recipients may have 50 addresses a customer: SES takes no more in one mail."
  }
}

variable "audit" {
  description = <<-EOT
    Queue of the audit trail, which records what the flow does: the outputs `queue_url` and `queue_arn` of the
    module audit. Nothing is recorded when null.
  EOT
  type        = object({ queue_url = string, queue_arn = string })
  default     = null
}

variable "kms_key_arn" {
  description = <<-EOT
    Customer managed key for bucket, table, queues, topics, workflow, logs and environment variables. AWS's own keys are
    used when null. The key's policy must allow CloudWatch Logs (with delivery.logs.amazonaws.com, for the workflow), and
    S3 and SNS, which send messages to encrypted queues.
  EOT
  type        = string
  default     = null
}

variable "function_settings" {
  description = <<-EOT
    Settings of every function, as in the module lambda_function: `architecture`, `tracing`, `log_level`,
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
  description = "Alarms, sent to the SNS topics `topic_arns`. One starts when a message waits longer than `maximum_delay_seconds`."
  type = object({
    enabled               = optional(bool, true)
    topic_arns            = optional(list(string), [])
    maximum_delay_seconds = optional(number, 1800)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.alarms.maximum_delay_seconds >= 60
    error_message = "alarms.maximum_delay_seconds must be at least 60."
  }
}

variable "tags" {
  description = "Tags of every resource that can have some, in addition to the provider's `default_tags`. Objects in buckets have those of the provider alone."
  type        = map(string)
  default     = {}
  nullable    = false
}
