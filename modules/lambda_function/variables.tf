variable "account_id" {
  description = "Account that the function is deployed to (12 digits)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "Region that the function is deployed to, as in the provider's configuration."
  type        = string
  nullable    = false

  validation {
    condition     = !can(regex("^(cn|us-gov|us-iso|eu-iso|eusc)", var.region))
    error_message = "region must be a commercial one: policies name ARNs of the partition aws, which other partitions do not know."
  }
}

variable "function" {
  description = <<-EOT
    The function: its `name`, `handler` (module.function) and limits. `memory_mb` and `ephemeral_storage_mb` (of
    `/tmp`) are in MB, `timeout_seconds` in seconds. `reserved_concurrency` -1 means unreserved.
  EOT
  type = object({
    name                 = string
    description          = optional(string, "")
    handler              = string
    runtime              = optional(string, "python3.13")
    memory_mb            = optional(number, 256)
    ephemeral_storage_mb = optional(number, 512)
    timeout_seconds      = optional(number, 30)
    reserved_concurrency = optional(number, -1)
  })
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,55}$", var.function.name))
    error_message = "function.name must be 1 to 55 letters, digits, hyphens and underscores: with \"-schedule\" appended it names a role, and role names have at most 64 characters."
  }
  validation {
    condition     = can(regex("^[A-Za-z0-9_.]+\\.[A-Za-z0-9_]+$", var.function.handler))
    error_message = "function.handler must be module.function."
  }
  validation {
    condition     = var.function.memory_mb >= 128 && var.function.memory_mb <= 10240
    error_message = "function.memory_mb must be from 128 to 10240."
  }
  validation {
    condition     = var.function.ephemeral_storage_mb >= 512 && var.function.ephemeral_storage_mb <= 10240
    error_message = "function.ephemeral_storage_mb must be from 512 to 10240."
  }
  validation {
    condition     = var.function.timeout_seconds >= 1 && var.function.timeout_seconds <= 900
    error_message = "function.timeout_seconds must be from 1 to 900."
  }
  validation {
    condition     = var.function.reserved_concurrency >= -1
    error_message = "function.reserved_concurrency must be -1 (unreserved) or more."
  }
}

# Not part of `function`: these come from other resources, and everything that needs only the name would wait for them.
variable "package" {
  description = <<-EOT
    Zip with the code, and its hash by which a change is detected: a file (`path`, as seen from the root module) or an object
    in S3 (`s3_bucket`, `s3_key` and, with versioning, `s3_object_version`). `architecture` is the processor that the layers
    are built for, `release` the release that code and layers belong to, null where they were built from a clone. The
    provider uploads files one after the other and waits five seconds for each function; functions from S3 are created in
    parallel.
  EOT
  type = object({
    sha256_base64     = string
    architecture      = optional(string, "arm64")
    release           = optional(string)
    path              = optional(string)
    s3_bucket         = optional(string)
    s3_key            = optional(string)
    s3_object_version = optional(string)
  })
  nullable = false

  validation {
    condition     = (var.package.path == null) != (var.package.s3_bucket == null || var.package.s3_key == null)
    error_message = "package must have either a path, or an s3_bucket and an s3_key."
  }
  validation {
    condition     = contains(["arm64", "x86_64"], var.package.architecture)
    error_message = "package.architecture must be arm64 or x86_64."
  }
  validation {
    condition     = var.package.release == null || var.package.release == "0.1.0"
    error_message = "The modules are of release 0.1.0, the packages of ${coalesce(var.package.release, "none")}. Publish the packages of the release that ?ref= of the module's source names."
  }
}

variable "layer_arns" {
  description = "ARNs of layer versions, at most 5."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.layer_arns) <= 5
    error_message = "layer_arns must be at most 5, the limit of Lambda."
  }
}

variable "environment" {
  description = "Environment variables, in addition to those of Powertools, to CODE_SHA256, the hash of the code, and to AWS_DATA_PATH, the models of young AWS services in the core layer."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "policy_json" {
  description = "What the function may do, from one aws_iam_policy_document. The module adds logs, traces, the failure queue and the key."
  type        = string
  nullable    = false
}

variable "settings" {
  description = <<-EOT
    Settings that the functions of one deployment share: X-Ray `tracing`, `log_level` of what the functions say (metrics
    and uncaught exceptions are always logged), `log_retention_days`, and a `permissions_boundary_arn` for the roles. With
    `network`, functions run in these subnets with these security groups, and reach AWS by your VPC's endpoints or NAT alone.
    `architecture` is that of the packages; naming another one is refused.
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

  validation {
    condition     = var.settings.architecture == null || var.settings.architecture == var.package.architecture
    error_message = "The architecture is set to ${coalesce(var.settings.architecture, "none")}, but the layers are built for ${var.package.architecture}, and would not load. Use packages for the other processor, and leave architecture out."
  }
  validation {
    condition     = contains(["DEBUG", "INFO", "WARN", "ERROR"], var.settings.log_level)
    error_message = "settings.log_level must be DEBUG, INFO, WARN or ERROR."
  }
  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.settings.log_retention_days,
    )
    error_message = "settings.log_retention_days must be a retention that CloudWatch Logs offers, such as 30, 90, 365 or 731."
  }
  validation {
    condition     = var.settings.network == null || try(length(var.settings.network.subnet_ids) > 0 && length(var.settings.network.security_group_ids) > 0, false)
    error_message = "settings.network must name at least one subnet and one security group."
  }
}

variable "kms_key_arn" {
  description = "Customer managed key for the log group, the environment and the failure queue; AWS's own keys when null. Its policy must allow CloudWatch Logs and, with an event rule, EventBridge to use it."
  type        = string
  default     = null
}

variable "async_invocation" {
  description = <<-EOT
    How long an asynchronous event is retried before it goes to the failure queue: `maximum_retries` (0 to 2) and
    `maximum_age_seconds` (60 to 21600).
  EOT
  type = object({
    maximum_retries     = optional(number, 2)
    maximum_age_seconds = optional(number, 3600)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains([0, 1, 2], var.async_invocation.maximum_retries)
    error_message = "async_invocation.maximum_retries must be 0, 1 or 2."
  }
  validation {
    condition     = var.async_invocation.maximum_age_seconds >= 60 && var.async_invocation.maximum_age_seconds <= 21600
    error_message = "async_invocation.maximum_age_seconds must be from 60 to 21600."
  }
}

variable "event_rule" {
  description = <<-EOT
    EventBridge rule that invokes the function: the events on the bus `bus_name` that match `pattern_json`.
    Undelivered events go to the failure queue.
  EOT
  type = object({
    pattern_json = string
    bus_name     = optional(string, "default")
  })
  default = null
}

variable "schedule" {
  description = "Schedule that invokes the function with `input_json`: `expression` is rate(…) or cron(…) in UTC. Failed invocations go to the failure queue."
  type = object({
    expression = string
    input_json = string
  })
  default = null

  validation {
    condition     = var.schedule == null || can(regex("^(rate|cron)\\(.+\\)$", var.schedule.expression))
    error_message = "schedule.expression must be rate(…) or cron(…)."
  }
}

variable "alarms" {
  description = "Alarms on errors, throttles, duration (`duration_percent` of the timeout) and messages in the failure queue, sent to `topic_arns`."
  type = object({
    enabled          = optional(bool, true)
    topic_arns       = optional(list(string), [])
    duration_percent = optional(number, 80)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.alarms.duration_percent > 0 && var.alarms.duration_percent <= 100
    error_message = "alarms.duration_percent must be above 0 and at most 100."
  }
}

variable "tags" {
  description = "Tags of every resource that can have some, in addition to the provider's `default_tags`. Objects in buckets have those of the provider alone."
  type        = map(string)
  default     = {}
  nullable    = false
}
