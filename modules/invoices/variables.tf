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
}

variable "name_prefix" {
  description = "Starts every name."
  type        = string
  default     = "finops"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.name_prefix))
    error_message = "name_prefix takes 1 to 20 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "packages" {
  description = "Code zip and layers from scripts/build_lambdas.py (packages.json): each is a file (`path`, as seen from the root module) or an object in S3 (`s3_bucket`, `s3_key` and, with versioning, `s3_object_version`)."
  type = object({
    code   = object({ sha256_base64 = string, path = optional(string), s3_bucket = optional(string), s3_key = optional(string), s3_object_version = optional(string) })
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
    The bucket: its `name` (made of prefix, account and region when null), days that replaced versions are kept
    (`noncurrent_days`), whether destroying takes its objects along, and from which web pages (`upload_origins`, such
    as `https://finops.example.com`) browsers may upload.
  EOT
  type = object({
    name            = optional(string)
    noncurrent_days = optional(number, 365)
    force_destroy   = optional(bool, false)
    upload_origins  = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.bucket.name == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket.name))
    error_message = "bucket.name takes 3 to 63 lower-case letters, digits, dots and hyphens."
  }
  validation {
    condition     = var.bucket.noncurrent_days >= 1
    error_message = "bucket.noncurrent_days must be at least 1."
  }
  validation {
    condition     = alltrue([for origin in var.bucket.upload_origins : can(regex("^https?://[^/]+$", origin))])
    error_message = "bucket.upload_origins are origins such as https://finops.example.com, without a path."
  }
}

variable "table" {
  description = "The table of invoices: whether it is protected against deletion."
  type        = object({ deletion_protection = optional(bool, true) })
  default     = {}
  nullable    = false
}

variable "intake" {
  description = "How dropped files are taken in: by at most `maximum_concurrency` functions at once, `maximum_tries` times before a file's event is given up."
  type = object({
    maximum_concurrency = optional(number, 10)
    maximum_tries       = optional(number, 5)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.intake.maximum_concurrency >= 2 && var.intake.maximum_concurrency <= 100
    error_message = "intake.maximum_concurrency must be from 2 (SQS's own least) to 100."
  }
  validation {
    condition     = var.intake.maximum_tries >= 3 && var.intake.maximum_tries <= 20
    error_message = "intake.maximum_tries must be from 3 to 20."
  }
}

variable "extraction" {
  description = <<-EOT
    How documents are read. `engine` is `textract`, or `text-layer`: then the text in a PDF of a vendor on `trusted_vendors`
    is read without Textract where number, date, total and currency are found and subtotal and tax make the total.
    `shadow` compares both for each document that Textract reads. `price_per_page` is in USD, `memory_mb` is of each function,
    `timeout_seconds` is how long a document of many pages may take before it is asked for again.
  EOT
  type = object({
    engine          = optional(string, "textract")
    trusted_vendors = optional(list(string), [])
    shadow          = optional(bool, false)
    price_per_page  = optional(number, 0.01)
    memory_mb       = optional(number, 512)
    timeout_seconds = optional(number, 3600)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["textract", "text-layer"], var.extraction.engine)
    error_message = "extraction.engine must be textract or text-layer."
  }
  validation {
    condition     = var.extraction.price_per_page >= 0
    error_message = "extraction.price_per_page must not be negative."
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
    What is asked of invoices. `confidence` is the percent with which a field must have been read, by field (vendor,
    invoice_number, invoice_date, due_date, currency, subtotal, tax, total, …), `default` for the others; `tolerance` is how
    much sums may differ, in minor units (cents); `refuse_past_due` refuses what else is flagged; `json_currency` is the
    currency of JSON invoices that name none. `rules` are your own: where an `expression` is true, the invoice has the issue.
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
    error_message = "validation.confidence takes percents, from 0 to 100."
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
    error_message = "A rule's severity must be FLAG, REVIEW or ERROR."
  }
  validation {
    condition     = length(distinct(var.validation.rules[*].name)) == length(var.validation.rules)
    error_message = "Rules must have names of their own."
  }
}

variable "review" {
  description = "How long an invoice waits for a person: after `days` (a fraction is a part of a day) a reminder goes out, at most `maximum_escalations` times, then it is given up as VALIDATION_FAILED."
  type = object({
    days                = optional(number, 3)
    maximum_escalations = optional(number, 4)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.review.days >= 0.0001 && var.review.days <= 60
    error_message = "review.days must be above 0 and at most 60."
  }
  validation {
    condition     = var.review.maximum_escalations >= 0 && var.review.maximum_escalations * var.review.days <= 300
    error_message = "review.maximum_escalations times review.days must stay below 300 days: an execution lives for a year."
  }
}

variable "mail_sender" {
  description = "Address from which the customer named in an invoice is told by SES that it is processed; nobody is when null. SES must have verified it."
  type        = string
  default     = null

  validation {
    condition     = var.mail_sender == null || can(regex("^[^@[:space:]]+@[^@[:space:]]+$", var.mail_sender))
    error_message = "mail_sender must be an address such as invoices@example.com."
  }
}

variable "audit" {
  description = "Queue of the audit trail that the flow records in what it did: the outputs `queue_url` and `queue_arn` of the module audit. Nothing is recorded when null."
  type        = object({ queue_url = string, queue_arn = string })
  default     = null
}

variable "kms_key_arn" {
  description = "Customer managed key for bucket, table, queues, topics, logs and environments; AWS's own keys when null. Its policy must admit logs, s3 and sns, which write into encrypted queues."
  type        = string
  default     = null
}

variable "function_settings" {
  description = "Settings of every function, as in the module lambda_function: architecture, tracing, log_level, log_retention_days, permissions_boundary_arn."
  type = object({
    architecture             = optional(string, "arm64")
    tracing                  = optional(bool, true)
    log_level                = optional(string, "INFO")
    log_retention_days       = optional(number, 30)
    permissions_boundary_arn = optional(string)
  })
  default  = {}
  nullable = false
}

variable "alarms" {
  description = "Alarms, sent to the SNS topics `topic_arns`; `maximum_delay_seconds` is how long a message may wait before it alarms."
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
