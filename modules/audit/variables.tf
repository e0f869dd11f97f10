variable "account_id" {
  description = "Account that the trail is deployed to (12 digits)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "Region that the trail is deployed to, as in the provider's configuration."
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
    condition     = contains(keys(var.packages.layers), "core")
    error_message = "packages.layers must hold the layer core."
  }
}

variable "bucket" {
  description = <<-EOT
    The bucket: its `name` (by default made of prefix, account and region) and how long each object is locked
    (`lock_days`). `lock_mode` is COMPLIANCE (nobody can delete a locked object) or GOVERNANCE (only a principal
    with s3:BypassGovernanceRetention can). With `force_destroy`, which needs GOVERNANCE, destroying the module
    deletes the trail.
  EOT
  type = object({
    name          = optional(string)
    lock_mode     = optional(string, "GOVERNANCE")
    lock_days     = optional(number, 365)
    force_destroy = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.bucket.name == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket.name))
    error_message = "bucket.name must be 3 to 63 lower-case letters, digits, dots and hyphens."
  }
  validation {
    condition     = contains(["COMPLIANCE", "GOVERNANCE"], var.bucket.lock_mode)
    error_message = "bucket.lock_mode must be COMPLIANCE or GOVERNANCE."
  }
  validation {
    condition     = var.bucket.lock_days >= 1 && var.bucket.lock_days <= 36500
    error_message = "bucket.lock_days must be from 1 to 36500."
  }
  validation {
    condition     = !(var.bucket.force_destroy && var.bucket.lock_mode == "COMPLIANCE")
    error_message = "bucket.force_destroy cannot be used with COMPLIANCE: nobody can delete objects that it protects."
  }
}

variable "appending" {
  description = <<-EOT
    How entries are written: at most `maximum_concurrency` functions run at once, each with `memory_mb` and
    `timeout_seconds`. One stream is always written by one function at a time. An entry is tried `maximum_tries`
    times, at most 15 minutes apart: 500 tries take five days.
  EOT
  type = object({
    maximum_concurrency = optional(number, 5)
    maximum_tries       = optional(number, 500)
    memory_mb           = optional(number, 256)
    timeout_seconds     = optional(number, 120)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.appending.maximum_concurrency >= 2 && var.appending.maximum_concurrency <= 100
    error_message = "appending.maximum_concurrency must be from 2 (the minimum of SQS) to 100."
  }
  validation {
    condition     = var.appending.maximum_tries >= 3 && var.appending.maximum_tries <= 1000
    error_message = "appending.maximum_tries must be from 3 to 1000: more tries take longer than the 14 days that the queue keeps an entry."
  }
  validation {
    condition     = var.appending.memory_mb >= 128 && var.appending.memory_mb <= 10240
    error_message = "appending.memory_mb must be from 128 to 10240."
  }
  validation {
    condition     = var.appending.timeout_seconds >= 60 && var.appending.timeout_seconds <= 900
    error_message = "appending.timeout_seconds must be from 60 to 900."
  }
}

variable "heads" {
  description = <<-EOT
    How often a head is written (`schedule_expression`). A head protects the entries before it: without one, the
    newest entries could be cut off unnoticed once their lock ends. With `sign`, a KMS key of the module signs heads, which
    only the writer of heads may use. `signing_key_arn` is a key of your own instead, best in another account: asymmetric
    (ECC_NIST_P256, SIGN_VERIFY). Without either, heads are not signed.
  EOT
  type = object({
    schedule_expression = optional(string, "rate(1 hour)")
    sign                = optional(bool, false)
    signing_key_arn     = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = !(var.heads.sign && var.heads.signing_key_arn != null)
    error_message = "heads.sign makes a key, and heads.signing_key_arn names one: choose."
  }
  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.heads.schedule_expression))
    error_message = "heads.schedule_expression must be rate(…) or cron(…)."
  }
}

variable "senders" {
  description = <<-EOT
    Who may send entries, by the unique ids of roles and users. `streams` are the outputs `audit_sender_ids` of the flows'
    modules by stream, and of the module console the one of the stream `console`. `people` use the command line, or a role of
    IAM Identity Center, or redrive the queue of failures: they may write every stream (`aws sts get-caller-identity --query
    UserId`, up to the colon). The queue refuses all others, an entry of another stream's sender is marked, and an alarm is
    raised. When null, everybody whom IAM allows may write every stream.
  EOT
  type = object({
    streams = map(list(string))
    people  = optional(list(string), [])
  })
  default = null

  validation {
    condition = alltrue([
      for id in concat(try(var.senders.people, []), flatten(values(try(var.senders.streams, {})))) : can(regex("^(A[A-Z0-9]{15,}|[0-9]{12})$", id))
    ])
    error_message = "senders must be unique ids such as AROAEXAMPLEEXAMPLE123, without a session's name, or an account for its root user."
  }
  validation {
    condition     = length(try(var.senders.people, [])) <= 60
    error_message = "senders.people may be 60: a function has 4 KB of environment. Let people take roles."
  }
  validation {
    condition     = alltrue([for stream in keys(try(var.senders.streams, {})) : can(regex("^[a-z][a-z0-9-]*$", stream))])
    error_message = "senders.streams must have names of streams, such as budgets."
  }
}

variable "kms_key_arn" {
  description = <<-EOT
    Customer managed key for queues, logs and environment variables. AWS's own keys are used when null. The key's policy
    must allow CloudWatch Logs. Flows that send entries must use the same key. The bucket has S3's own key in any case: an
    entry must stay readable as long as it is locked, and a key can be scheduled for deletion.
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
  description = <<-EOT
    Alarms, sent to the SNS topics `topic_arns`: when an entry waits longer than `maximum_delay_seconds`, or the
    newest head is older than `maximum_head_age_hours`.
  EOT
  type = object({
    enabled                = optional(bool, true)
    topic_arns             = optional(list(string), [])
    maximum_delay_seconds  = optional(number, 900)
    maximum_head_age_hours = optional(number, 3)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.alarms.maximum_delay_seconds >= 60
    error_message = "alarms.maximum_delay_seconds must be at least 60."
  }
  validation {
    condition     = var.alarms.maximum_head_age_hours >= 1 && var.alarms.maximum_head_age_hours <= 24
    error_message = "alarms.maximum_head_age_hours must be from 1 to 24."
  }
}

variable "tags" {
  description = "Tags of every resource that can have some, in addition to the provider's `default_tags`. Objects in buckets have those of the provider alone."
  type        = map(string)
  default     = {}
  nullable    = false
}
