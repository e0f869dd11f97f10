variable "name_prefix" {
  description = "Prefix of every name. Management account and spokes need the same one, since policies name the other side's roles."
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

variable "account_id" {
  description = "The management account (12 digits)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "Region of the management account's resources, as in the provider's configuration."
  type        = string
  nullable    = false

  validation {
    condition     = !can(regex("^(cn|us-gov|us-iso|eu-iso|eusc)", var.region))
    error_message = "region must be a commercial one: policies name ARNs of the partition aws, which other partitions do not know."
  }
}

variable "spoke_account_ids" {
  description = "Accounts whose budgets are managed. Policies list their ids, so at most 100; for more, set organization_id instead."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.spoke_account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "spoke_account_ids must be account IDs of 12 digits."
  }
  validation {
    condition     = length(var.spoke_account_ids) <= 100
    error_message = "spoke_account_ids must be at most 100, because more do not fit into a policy. Set organization_id instead."
  }
}

variable "organization_id" {
  description = "Organization whose accounts are all managed (o-…), instead of `spoke_account_ids`."
  type        = string
  default     = null

  validation {
    condition     = var.organization_id == null || can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "organization_id must be o- followed by 10 to 32 lower-case letters or digits."
  }
  validation {
    condition     = (var.organization_id == null) == (length(var.spoke_account_ids) > 0)
    error_message = "Set either spoke_account_ids or organization_id."
  }
}

variable "external_id" {
  description = "External id that the spoke roles require. Both sides agree on it; it is not a secret, since the policies show it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@:/_-]{2,}$", var.external_id)) && length(var.external_id) <= 1224
    error_message = "external_id must be 2 to 1224 letters, digits and + = , . @ : / _ -."
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
    condition     = contains(keys(var.packages.layers), "core")
    error_message = "packages.layers must hold the layer core."
  }
}

variable "publisher" {
  description = <<-EOT
    How edits are published: `batch_size` rows per invocation, `parallelization_factor` batches per shard at once (each
    assumes the roles itself), `concurrency` spokes at once within an invocation. A row that fails is retried up to
    `maximum_retries` times and for `maximum_age_seconds`. `memory_mb` in MB, `timeout_seconds` per invocation.
    By `drift_schedule`, rate(…) or cron(…) in UTC, all accounts are compared with the table and repaired, by
    `drift_workers` invocations at once.
    A budget that is raised by more than `raises.percent` of what it was when the month began, or by more than `raises.usd` a
    month, waits until two people have approved it. Sessions of roles may approve only where `raises.personal_session_roles`
    names the role, by a pattern: their sessions have their person's name for certain.
  EOT
  type = object({
    batch_size             = optional(number, 100)
    parallelization_factor = optional(number, 1)
    concurrency            = optional(number, 16)
    maximum_retries        = optional(number, 3)
    maximum_age_seconds    = optional(number, 3600)
    memory_mb              = optional(number, 512)
    timeout_seconds        = optional(number, 60)
    drift_schedule         = optional(string, "rate(15 minutes)")
    drift_workers          = optional(number, 5)
    raises = optional(object({
      percent                = optional(number)
      usd                    = optional(number)
      personal_session_roles = optional(list(string), ["AWSReservedSSO_*"])
    }))
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.publisher.drift_workers >= 2 && var.publisher.drift_workers <= 1000
    error_message = "publisher.drift_workers must be from 2 to 1000, as Lambda takes them from a queue."
  }
  validation {
    condition = var.publisher.raises == null || (
      try(coalesce(var.publisher.raises.percent, var.publisher.raises.usd), null) != null
      && try(coalesce(var.publisher.raises.percent, 0), 0) >= 0 && try(coalesce(var.publisher.raises.usd, 0), 0) >= 0
    )
    error_message = "publisher.raises needs percent or usd, neither below 0."
  }
  validation {
    condition = alltrue([
      for one in try(var.publisher.raises.personal_session_roles, []) : can(regex("^[A-Za-z0-9+=,.@_-]{4,}\\*?$", one))
    ])
    error_message = "publisher.raises.personal_session_roles must be names of roles, of four characters or more, with a * at most at the end."
  }
  validation {
    condition     = var.publisher.batch_size >= 1 && var.publisher.batch_size <= 10000
    error_message = "publisher.batch_size must be from 1 to 10000."
  }
  validation {
    condition     = var.publisher.parallelization_factor >= 1 && var.publisher.parallelization_factor <= 10
    error_message = "publisher.parallelization_factor must be from 1 to 10."
  }
  validation {
    condition     = var.publisher.concurrency >= 1 && var.publisher.concurrency <= 50
    error_message = "publisher.concurrency must be from 1 to 50."
  }
  validation {
    condition     = var.publisher.maximum_retries >= 0 && var.publisher.maximum_retries <= 10
    error_message = "publisher.maximum_retries must be from 0 to 10: while a row is retried, the rows of its batch wait."
  }
  validation {
    condition     = var.publisher.maximum_age_seconds >= 60 && var.publisher.maximum_age_seconds <= 86400
    error_message = "publisher.maximum_age_seconds must be from 60 to 86400, the time that a stream keeps records."
  }
}

variable "removal_policy" {
  description = "What happens to the AWS Budget when its row is removed: keep or delete."
  type        = string
  default     = "keep"
  nullable    = false

  validation {
    condition     = contains(["keep", "delete"], var.removal_policy)
    error_message = "removal_policy must be keep or delete."
  }
}

variable "tables" {
  description = "Protection of the tables: `deletion_protection`, and `point_in_time_recovery` over 35 days."
  type = object({
    deletion_protection    = optional(bool, true)
    point_in_time_recovery = optional(bool, true)
  })
  default  = {}
  nullable = false
}

variable "audit" {
  description = "Queue of the audit trail: the outputs `queue_url` and `queue_arn` of the module audit. Nothing is recorded when null."
  type        = object({ queue_url = string, queue_arn = string })
  default     = null
}

variable "kms_key_arn" {
  description = "Customer managed key for tables, queues, the event bus, logs and environments; AWS's own keys when null. Its policy must allow CloudWatch Logs and EventBridge to use it; the bus needs `kms:DescribeKey`, too."
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
  description = "Alarms, sent to the SNS topics `topic_arns`; `maximum_delay_seconds` is how long an edit, or a deadline that has passed, may wait before an alarm."
  type = object({
    enabled               = optional(bool, true)
    topic_arns            = optional(list(string), [])
    maximum_delay_seconds = optional(number, 300)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.alarms.maximum_delay_seconds >= 60
    error_message = "alarms.maximum_delay_seconds must be at least 60: a batch of edits may take that long to publish."
  }
}

variable "tags" {
  description = "Tags of every resource that can have some, in addition to the provider's `default_tags`. Objects in buckets have those of the provider alone."
  type        = map(string)
  default     = {}
  nullable    = false
}
