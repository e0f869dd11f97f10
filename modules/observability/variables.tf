variable "account_id" {
  description = "Account that the flows are deployed to (12 digits)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "Region that the flows are deployed to, as in the provider's configuration."
  type        = string
  nullable    = false

  validation {
    condition     = !can(regex("^(cn|us-gov|us-iso|eu-iso|eusc)", var.region))
    error_message = "region must be a commercial one: ARNs are of the partition aws, which other partitions do not know."
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

variable "flows" {
  description = <<-EOT
    What is deployed: the output `observability` of each module, by the module's name: `audit`, `billing`, `billing_database`,
    `budgets` (of budgets_management), `console`, `invoices` and `reconciliation`. A flow that is not named is neither shown nor
    watched.
  EOT
  type = map(object({
    functions          = optional(map(string), {})
    log_group_names    = optional(list(string), [])
    queue_names        = optional(map(string), {})
    impacts            = optional(map(object({ description = string, alarm_names = list(string) })), {})
    workflow_arn       = optional(string)
    cluster_identifier = optional(string)
    load_balancer      = optional(object({ load_balancer = string, target_group = string }))
  }))
  nullable = false

  validation {
    condition     = length(setsubtract(keys(var.flows), ["audit", "billing", "billing_database", "budgets", "console", "invoices", "reconciliation"])) == 0
    error_message = "flows must be named audit, billing, billing_database, budgets, console, invoices or reconciliation."
  }
  validation {
    condition     = alltrue(flatten([for flow in var.flows : [for impact in flow.impacts : length(impact.alarm_names) <= 100]]))
    error_message = "A composite alarm names at most 100 alarms."
  }
}

variable "objectives" {
  description = <<-EOT
    What the flows promise: of `edits` of budgets, `percent` are applied within `seconds`; of `files` (bills and invoices),
    `percent` are accounted for within `seconds` of their event. An alarm starts when the share that is late would use up the
    allowance of 30 days in two days (an hour and five minutes at 14.4 times the rate) or in five (six hours and half an hour at
    six times), and at least `minimum_late` are late in each of the two times.
  EOT
  type = object({
    edits = optional(object({
      percent      = optional(number, 99)
      seconds      = optional(number, 60)
      minimum_late = optional(number, 2)
    }), {})
    files = optional(object({
      percent      = optional(number, 100)
      seconds      = optional(number, 900)
      minimum_late = optional(number, 1)
    }), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for one in [var.objectives.edits, var.objectives.files] : one.percent >= 95 && one.percent <= 100])
    error_message = "objectives must be from 95 to 100 percent: below, an alarm at 14.4 times the allowed rate could never start."
  }
  validation {
    condition     = alltrue([for one in [var.objectives.edits, var.objectives.files] : one.seconds > 0 && one.minimum_late >= 1])
    error_message = "objectives must have seconds above 0, and minimum_late of 1 or more."
  }
}

variable "alarms" {
  description = <<-EOT
    Whether there are composite alarms and those on `objectives` (`enabled`), and who hears of them besides the subscribers of
    the output `topic_arn`: the SNS topics `topic_arns`, at most four.
  EOT
  type = object({
    enabled    = optional(bool, true)
    topic_arns = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = length(var.alarms.topic_arns) <= 4
    error_message = "alarms.topic_arns must be at most four: an alarm tells five topics, and the module has one of its own."
  }
}

variable "webhook" {
  description = <<-EOT
    Where alarms are posted: the incoming webhook of a chat, whose URL is the value of the Secrets Manager secret `secret_arn`, as
    it is or as `{"url": "…"}`. `format` is `slack` (and what takes its messages) or `teams` (a workflow's webhook). The URL must
    be of https and lead to public addresses, unless a chat of your own has `private_addresses`. Nothing is posted when null.
  EOT
  type = object({
    secret_arn        = string
    format            = optional(string, "slack")
    private_addresses = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.webhook == null || can(regex("^arn:aws:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+$", var.webhook.secret_arn))
    error_message = "webhook.secret_arn must be the full ARN of a secret."
  }
  validation {
    condition     = var.webhook == null || contains(["slack", "teams"], try(var.webhook.format, ""))
    error_message = "webhook.format must be slack or teams."
  }
}

variable "packages" {
  description = <<-EOT
    The code and its layers, from `packages.json` of scripts/build_lambdas.py; `webhook` needs them. Each is a file (`path`,
    relative to the root module) or an object in S3 (`s3_bucket`, `s3_key` and, with versioning, `s3_object_version`).
  EOT
  type = object({
    code = object({
      sha256_base64     = string
      architecture      = optional(string, "arm64")
      release           = optional(string)
      path              = optional(string)
      s3_bucket         = optional(string)
      s3_key            = optional(string)
      s3_object_version = optional(string)
    })
    layers = map(object({
      sha256_base64     = string
      path              = optional(string)
      s3_bucket         = optional(string)
      s3_key            = optional(string)
      s3_object_version = optional(string)
    }))
  })
  default = null

  validation {
    condition     = var.webhook == null || try(contains(keys(var.packages.layers), "core"), false)
    error_message = "webhook needs packages, with the layer core: run make build."
  }
}

variable "function_settings" {
  description = "Settings of the notifier, as in the module lambda_function: `architecture`, `tracing`, `log_level`, `log_retention_days`, `permissions_boundary_arn`, and the `network` (`subnet_ids`, `security_group_ids`) where functions must run in your VPC."
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

variable "prices" {
  description = "List prices in USD by which the dashboard shows what calls cost: `cost_explorer_call`, and in your region `acu_hour` of Aurora Serverless v2 and `athena_tib`, a TiB that Athena scans. What Textract costs is counted by the functions."
  type = object({
    cost_explorer_call = optional(number, 0.01)
    acu_hour           = optional(number, 0.12)
    athena_tib         = optional(number, 5)
  })
  default  = {}
  nullable = false
}

variable "kms_key_arn" {
  description = "Customer managed key for the topic, and for the notifier's logs, environment and failure queue; AWS's own keys when null. Its policy must allow CloudWatch (cloudwatch.amazonaws.com) to use it, or no alarm reaches the topic."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource that can have some, in addition to the provider's `default_tags`."
  type        = map(string)
  default     = {}
  nullable    = false
}
