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
  description = "The spoke account (12 digits)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "Region of the spoke account's resources, as in the provider's configuration: the management account's."
  type        = string
  nullable    = false

  validation {
    condition     = !can(regex("^(cn|us-gov|us-iso|eu-iso|eusc)", var.region))
    error_message = "region must be a commercial one: policies name ARNs of the partition aws, which other partitions do not know."
  }
}

variable "hub" {
  description = <<-EOT
    The management account, from the outputs of budgets_management: the `role_arns` that may assume the spoke role,
    the `external_id` that they have to pass, and the `result_bus_arn` to which results are reported.
  EOT
  type = object({
    role_arns      = list(string)
    external_id    = string
    result_bus_arn = string
  })
  nullable = false

  validation {
    condition = length(var.hub.role_arns) > 0 && alltrue([
      for arn in var.hub.role_arns : can(regex("^arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@/_-]+$", arn))
    ])
    error_message = "hub.role_arns must hold the ARN of at least one role, without account roots and wildcards."
  }
  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@:/_-]{2,}$", var.hub.external_id)) && length(var.hub.external_id) <= 1224
    error_message = "hub.external_id must be 2 to 1224 letters, digits and + = , . @ : / _ -."
  }
  validation {
    condition     = can(regex("^arn:aws:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._-]+$", var.hub.result_bus_arn))
    error_message = "hub.result_bus_arn must be the ARN of an event bus."
  }
  validation {
    condition     = try(split(":", var.hub.result_bus_arn)[3], "") == var.region
    error_message = "region must be the one of hub.result_bus_arn: the management account writes parameters in its own region, and a bus is reached in its own region only."
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

variable "seed_budget" {
  description = <<-EOT
    The account's budget until finance enters one: `amount` in `currency` per `time_unit`. It is written once, in an
    account without that parameter. Its `name` is by default `monthly-total`, and with another
    name_prefix than `finops` begins with that: two deployments of one account would share a budget otherwise.
  EOT
  type = object({
    name      = optional(string)
    amount    = optional(string, "100.00")
    currency  = optional(string, "USD")
    time_unit = optional(string, "MONTHLY")
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.seed_budget.name == null || can(regex("^[A-Za-z0-9_.-]{1,100}$", var.seed_budget.name))
    error_message = "seed_budget.name must be 1 to 100 letters, digits, dots, hyphens and underscores."
  }
  validation {
    condition     = can(regex("^[0-9]{1,12}(\\.[0-9]{1,2})?$", var.seed_budget.amount)) && try(tonumber(var.seed_budget.amount) > 0, false)
    error_message = "seed_budget.amount must be a positive decimal number such as \"250.00\"."
  }
  validation {
    condition     = var.seed_budget.currency == "USD"
    error_message = "seed_budget.currency must be USD, the currency of AWS Budgets."
  }
  validation {
    condition     = contains(["MONTHLY", "QUARTERLY", "ANNUALLY"], var.seed_budget.time_unit)
    error_message = "seed_budget.time_unit must be MONTHLY, QUARTERLY or ANNUALLY."
  }
}

variable "notifications" {
  description = <<-EOT
    The default alerts, for budgets whose row names none: `thresholds` in percent of the limit, for `ACTUAL` or
    `FORECASTED` cost, and `emails`. The alert topic is always notified too.
  EOT
  type = object({
    thresholds = optional(list(object({ type = string, percent = number })), [
      { type = "ACTUAL", percent = 80 },
      { type = "ACTUAL", percent = 100 },
      { type = "FORECASTED", percent = 100 },
    ])
    emails = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition = length(var.notifications.thresholds) >= 1 && length(var.notifications.thresholds) <= 10 && (
      length(distinct(var.notifications.thresholds)) == length(var.notifications.thresholds)
    )
    error_message = "notifications.thresholds must be 1 to 10 different thresholds."
  }
  validation {
    condition     = alltrue([for threshold in var.notifications.thresholds : contains(["ACTUAL", "FORECASTED"], threshold.type)])
    error_message = "notifications.thresholds must have the type ACTUAL or FORECASTED."
  }
  validation {
    condition     = alltrue([for threshold in var.notifications.thresholds : threshold.percent > 0 && threshold.percent <= 1000])
    error_message = "notifications.thresholds must have a percent above 0 and at most 1000."
  }
  validation {
    condition = length(var.notifications.emails) <= 10 && alltrue([
      for email in var.notifications.emails : can(regex("^[^@ ]+@[^@ ]+[.][^@ ]+$", email))
    ])
    error_message = "notifications.emails must be at most 10 addresses: AWS allows 11 subscribers, and one is the topic."
  }
}

variable "drift_schedule" {
  description = "How often the account's budgets are compared with their parameters: rate(…) or cron(…) in UTC."
  type        = string
  default     = "rate(15 minutes)"
  nullable    = false
}

variable "kms_key_arn" {
  description = "Customer managed key for the failure queue, logs, environment and alert topic; AWS's own keys when null. Its policy must allow CloudWatch Logs, EventBridge and AWS Budgets to use it."
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
  description = "Alarms of the function apply-budget in this account, sent to the SNS topics `topic_arns`. The management account's `budgets-accounts-failing` tells of every account whose budgets are not right."
  type = object({
    enabled    = optional(bool, false)
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
