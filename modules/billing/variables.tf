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
    scripts/build_lambdas.py in a clone. Each is a file (`path`, relative to the root module) or an object in S3 (`s3_bucket`, `s3_key` and, with versioning, `s3_object_version`). Layers
    whose `upload` is `s3` go through the bucket.
  EOT
  type = object({
    code   = object({ sha256_base64 = string, architecture = optional(string, "arm64"), release = optional(string), path = optional(string), s3_bucket = optional(string), s3_key = optional(string), s3_object_version = optional(string) })
    layers = map(object({ sha256_base64 = string, path = optional(string), s3_bucket = optional(string), s3_key = optional(string), s3_object_version = optional(string), upload = optional(string, "direct") }))
  })
  nullable = false

  validation {
    condition     = alltrue([for name in ["core", "billing", "duckdb"] : contains(keys(var.packages.layers), name)])
    error_message = "packages.layers must hold the layers core, billing and duckdb."
  }
}

variable "database" {
  description = <<-EOT
    Outputs of the module billing_database: `cluster_arn`, `secret_arn`, `loader_secret_arn`, `reader_secret_arn`, and
    `database_name` as `name`.
  EOT
  type        = object({ cluster_arn = string, secret_arn = string, loader_secret_arn = string, reader_secret_arn = string, name = string })
  nullable    = false

  validation {
    condition     = length(distinct([var.database.secret_arn, var.database.loader_secret_arn, var.database.reader_secret_arn])) == 3
    error_message = "database must name three secrets: each is of another database user."
  }
}

variable "password_rotation_days" {
  description = "Days after which the database users of loaders and readers get new passwords; never when null. RDS rotates the master user's."
  type        = number
  default     = 30

  validation {
    condition     = var.password_rotation_days == null ? true : var.password_rotation_days >= 2 && var.password_rotation_days <= 90
    error_message = "password_rotation_days must be from 2 to 90."
  }
}

variable "bucket" {
  description = <<-EOT
    The bucket: its `name` (by default made of prefix, account and region), how many days it keeps rejected rows
    (`quarantine_days`), whether destroying the module deletes its objects (`force_destroy`), and the web pages from which
    browsers may upload (`upload_origins`, such as `https://finops.example.com`). No rule removes an original.
    `originals_lock` locks each one by S3 Object Lock, in `mode` GOVERNANCE (whoever has s3:BypassGovernanceRetention can
    delete it) or COMPLIANCE (nobody can), to the end of the year it was received in and for `years` more. S3 cannot turn
    Object Lock off again.
  EOT
  type = object({
    name            = optional(string)
    quarantine_days = optional(number, 365)
    force_destroy   = optional(bool, false)
    upload_origins  = optional(list(string), [])
    originals_lock  = optional(object({ mode = string, years = number }))
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.bucket.name == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket.name))
    error_message = "bucket.name must be 3 to 63 lower-case letters, digits, dots and hyphens."
  }
  validation {
    condition     = var.bucket.quarantine_days >= 1
    error_message = "bucket.quarantine_days must be at least 1."
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

variable "loading" {
  description = <<-EOT
    How files are loaded. Files of `large_file_bytes` or more are split into parts of `chunk_bytes`;
    `chunk_concurrency` parts load at once. Smaller files load whole: `maximum_concurrency` functions run at once,
    each with `memory_mb` and `timeout_seconds`. A file is tried `maximum_tries` times.
  EOT
  type = object({
    large_file_bytes    = optional(number, 134217728)
    chunk_bytes         = optional(number, 33554432)
    chunk_concurrency   = optional(number, 8)
    maximum_concurrency = optional(number, 5)
    maximum_tries       = optional(number, 5)
    memory_mb           = optional(number, 1024)
    timeout_seconds     = optional(number, 600)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.loading.large_file_bytes >= 1024 && var.loading.chunk_bytes >= 1024
    error_message = "loading.large_file_bytes and loading.chunk_bytes must be at least 1024."
  }
  validation {
    condition     = var.loading.chunk_concurrency >= 1 && var.loading.chunk_concurrency <= 100
    error_message = "loading.chunk_concurrency must be from 1 to 100."
  }
  validation {
    condition     = var.loading.maximum_concurrency >= 2 && var.loading.maximum_concurrency <= 100
    error_message = "loading.maximum_concurrency must be from 2 (the minimum of SQS) to 100."
  }
  validation {
    condition     = var.loading.maximum_tries >= 3 && var.loading.maximum_tries <= 20
    error_message = "loading.maximum_tries must be from 3 to 20: an event may come twice while its file is being loaded."
  }
  validation {
    condition     = var.loading.memory_mb >= 256 && var.loading.memory_mb <= 10240
    error_message = "loading.memory_mb must be from 256 to 10240."
  }
  validation {
    condition     = var.loading.timeout_seconds >= 120 && var.loading.timeout_seconds <= 900
    error_message = "loading.timeout_seconds must be from 120 to 900: a paused database needs up to a minute to resume."
  }
}

variable "rates" {
  description = <<-EOT
    Which exchange rate converts an amount, in the modules billing and reconciliation alike: the last one on or before its date,
    at most `maximum_age_days` older. `static` names USD for one unit of a currency where there is none, such as
    { CAD = "0.79" }; leave it empty where finance relies on the amounts. Give both modules the same. `ecb` fetches a file of
    the ECB from its https `url` on a `schedule` (in UTC) and loads it like a file that a person drops: `eurofxref-daily.xml`,
    or `eurofxref-hist-90d.xml`, which makes up for days that were missed. Nothing is fetched when null.
  EOT
  type = object({
    maximum_age_days = optional(number, 7)
    static           = optional(map(string), {})
    ecb              = optional(object({ url = string, schedule = optional(string, "cron(0 16,18 * * ? *)") }))
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
  validation {
    condition     = var.rates.ecb == null || can(regex("^https://[^/@\\s]+/\\S*$", var.rates.ecb.url))
    error_message = "rates.ecb.url must be an https URL, such as https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist-90d.xml."
  }
}

variable "datasets" {
  description = <<-EOT
    Formats by dataset (folder under billing/), for what the loader does not guess: `date_formats` in strptime
    notation (such as %d/%m/%Y), `decimal_comma`, and the `thousands` separator. With `replace`, a file corrects bills
    of the same id, and in FOCUS charges of the same month, that another file of the dataset brought; otherwise only a new
    version of the same object does, or a file that `finops billing load --replace` loads.
  EOT
  type = map(object({
    date_formats  = optional(list(string), [])
    decimal_comma = optional(bool, false)
    thousands     = optional(string, "")
    replace       = optional(bool, false)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for one in var.datasets : one.thousands != (one.decimal_comma ? "," : ".")])
    error_message = "The thousands separator of a dataset must differ from its decimal separator."
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
    Customer managed key for bucket, queues, workflow, logs and environment variables. AWS's own keys are used when null.
    The key's policy must allow CloudWatch Logs (with delivery.logs.amazonaws.com, for the workflow), and S3, which sends
    events to the queue.
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
  description = "Alarms, sent to the SNS topics `topic_arns`. One starts when a file waits longer than `maximum_delay_seconds`."
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
