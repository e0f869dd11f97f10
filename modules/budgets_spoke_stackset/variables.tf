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

variable "region" {
  description = "Region of the stacks, as in the provider's configuration: the management account's."
  type        = string
  nullable    = false

  validation {
    condition     = !can(regex("^(cn|us-gov|us-iso|eu-iso|eusc)", var.region))
    error_message = "region must be a commercial one: policies name ARNs of the partition aws, which other partitions do not know."
  }
}

variable "organization_id" {
  description = "The organization (o-…) whose accounts read the packages."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "organization_id must be that of an AWS organization, such as o-a1b2c3d4e5."
  }
}

variable "organizational_unit_ids" {
  description = "Units whose accounts get a spoke, now and when they join, with the units below them: ou-…, or the root r-… for all accounts. AWS leaves the management account out."
  type        = set(string)
  nullable    = false

  validation {
    condition = length(var.organizational_unit_ids) > 0 && alltrue([
      for id in var.organizational_unit_ids : can(regex("^(ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|r-[a-z0-9]{4,32})$", id))
    ])
    error_message = "organizational_unit_ids must hold at least one id such as ou-ab12-cd34ef56 or r-ab12."
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
    The code and its layers as objects in S3 (`s3_bucket`, `s3_key` and, with versioning, `s3_object_version`), as
    `finops packages publish` writes them: in the stacks' region, and readable by the accounts (`packages_policy_json`).
  EOT
  type = object({
    code   = object({ sha256_base64 = string, architecture = optional(string, "arm64"), release = optional(string), s3_bucket = string, s3_key = string, s3_object_version = optional(string) })
    layers = map(object({ sha256_base64 = string, s3_bucket = string, s3_key = string, s3_object_version = optional(string) }))
  })
  nullable = false

  validation {
    condition     = contains(keys(var.packages.layers), "core")
    error_message = "packages.layers must hold the layer core."
  }
  validation {
    condition     = contains(["arm64", "x86_64"], var.packages.code.architecture)
    error_message = "packages.code.architecture must be arm64 or x86_64."
  }
  validation {
    condition     = var.packages.code.release == null || var.packages.code.release == "0.1.0"
    error_message = "The modules are of release 0.1.0, the packages of ${coalesce(var.packages.code.release, "none")}. Publish the packages of the release that ?ref= of the module's source names."
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

  validation {
    condition     = can(regex("^(rate|cron)\\(.+\\)$", var.drift_schedule))
    error_message = "drift_schedule must be rate(…) or cron(…)."
  }
}

variable "kms_key_arn" {
  description = "Customer managed key for the failure queues, logs, environments and alert topics of all accounts; AWS's own keys when empty. Its policy must allow the accounts, and CloudWatch Logs, EventBridge and AWS Budgets in them, to use it."
  type        = string
  default     = ""
  nullable    = false
}

variable "function_settings" {
  description = <<-EOT
    Settings of the function in each account, as in budgets_spoke: `tracing`, `log_level`, `log_retention_days`. Each account
    has a boundary of its own: `permissions_boundary_name` is the policy's name with its path.
  EOT
  type = object({
    tracing                   = optional(bool, true)
    log_level                 = optional(string, "INFO")
    log_retention_days        = optional(number, 30)
    permissions_boundary_name = optional(string, "")
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARN", "ERROR"], var.function_settings.log_level)
    error_message = "function_settings.log_level must be DEBUG, INFO, WARN or ERROR."
  }
  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.function_settings.log_retention_days,
    )
    error_message = "function_settings.log_retention_days must be a retention that CloudWatch Logs offers, such as 30, 90, 365 or 731."
  }
}

variable "alarms" {
  description = "Alarms of the function apply-budget in each account (four, 0.40 USD per month and account), sent to the SNS topics `topic_arns`. The management account's `budgets-accounts-failing` tells of every account whose budgets are not right."
  type = object({
    enabled    = optional(bool, false)
    topic_arns = optional(list(string), [])
  })
  default  = {}
  nullable = false
}

variable "stack_set" {
  description = <<-EOT
    How CloudFormation works. `call_as` is `SELF` in the organization's management account, `DELEGATED_ADMIN` in a delegated
    administrator's. `retain_stacks_on_account_removal` keeps the spoke, and its budgets, in an account that leaves the units.
    At most `max_concurrent_percentage` of the accounts change at once, an operation stops when more than
    `failure_tolerance_percentage` have failed, and Terraform waits `timeout` for it.
  EOT
  type = object({
    call_as                          = optional(string, "SELF")
    retain_stacks_on_account_removal = optional(bool, false)
    max_concurrent_percentage        = optional(number, 10)
    failure_tolerance_percentage     = optional(number, 10)
    timeout                          = optional(string, "6h")
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["SELF", "DELEGATED_ADMIN"], var.stack_set.call_as)
    error_message = "stack_set.call_as must be SELF or DELEGATED_ADMIN."
  }
  validation {
    condition     = var.stack_set.max_concurrent_percentage >= 1 && var.stack_set.max_concurrent_percentage <= 100
    error_message = "stack_set.max_concurrent_percentage must be from 1 to 100."
  }
  validation {
    condition     = var.stack_set.failure_tolerance_percentage >= 0 && var.stack_set.failure_tolerance_percentage <= 100
    error_message = "stack_set.failure_tolerance_percentage must be from 0 to 100."
  }
}

variable "tags" {
  description = "Tags of the stack set and of every resource of its stacks that can have some, in addition to the provider's `default_tags`."
  type        = map(string)
  default     = {}
  nullable    = false
}
