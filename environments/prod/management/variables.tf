variable "account_id" {
  description = "The management account (12 digits). Terraform refuses credentials of another account."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region to deploy to."
  type        = string
  default     = "us-east-1"
  nullable    = false
}

variable "name_prefix" {
  description = "First part of every name and path. A second deployment in the account needs another one; spokes and payers need the same one."
  type        = string
  default     = "finops"
  nullable    = false
}

variable "tags" {
  description = "Tags of every resource, besides `project` and `environment`."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "spoke_account_ids" {
  description = "Accounts whose budgets are managed, at most 100. For more, set organization_id instead."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "organization_id" {
  description = "Organization whose accounts are all managed, instead of spoke_account_ids."
  type        = string
  default     = null
}

variable "external_id" {
  description = "External ID that the spoke roles require. Use the same in the spokes."
  type        = string
  nullable    = false
}

variable "budget_removal_policy" {
  description = "What happens to an AWS Budget when its row is removed: keep or delete."
  type        = string
  default     = "keep"
  nullable    = false
}

variable "budget_publisher" {
  description = <<-EOT
    How budgets are published and repaired, as in the module budgets_management: concurrency, drift_schedule, drift_workers, and
    the raises that wait for two people, which get the policy `approver_policy` of the output budgets. Nothing waits when raises is null.
  EOT
  type = object({
    concurrency    = optional(number)
    drift_schedule = optional(string)
    drift_workers  = optional(number)
    raises = optional(object({
      percent                = optional(number)
      usd                    = optional(number)
      personal_session_roles = optional(list(string))
    }))
  })
  default  = {}
  nullable = false
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms are sent to."
  type        = list(string)
  nullable    = false
}

variable "observability" {
  description = <<-EOT
    The dashboard and the alarms by impact, as in the module observability: `webhook` of a chat and `objectives`. While it is
    `enabled`, `alarm_topic_arns` hear of impacts, each once; without it, of every single alarm.
  EOT
  type = object({
    enabled = optional(bool, true)
    webhook = optional(object({
      secret_arn        = string
      format            = optional(string, "slack")
      private_addresses = optional(bool, false)
    }))
    objectives = optional(object({
      edits = optional(object({ percent = optional(number, 99), seconds = optional(number, 60), minimum_late = optional(number, 2) }), {})
      files = optional(object({ percent = optional(number, 100), seconds = optional(number, 900), minimum_late = optional(number, 1) }), {})
    }), {})
  })
  default  = {}
  nullable = false
}

variable "billing_datasets" {
  description = "How datasets (folders under billing/) write dates and amounts, and whether files replace one another, as in the module billing."
  type = map(object({
    date_formats  = optional(list(string), [])
    decimal_comma = optional(bool, false)
    thousands     = optional(string, "")
    replace       = optional(bool, false)
  }))
  default  = {}
  nullable = false
}

variable "ecb_rates" {
  description = "Fetches the ECB's rates from the https `url`, on a `schedule` in UTC, as in the module billing. Off by default: that leaves AWS."
  type        = object({ url = string, schedule = optional(string, "cron(0 16,18 * * ? *)") })
  default     = null
}

variable "database_access" {
  description = "Access for BI tools: the `network` of the database, and who may connect (`cidr_blocks`, `security_group_ids`). Nobody by default."
  type = object({
    network            = optional(object({ vpc_id = string, subnet_ids = list(string) }))
    cidr_blocks        = optional(set(string), [])
    security_group_ids = optional(set(string), [])
  })
  default  = {}
  nullable = false
}

variable "invoice_validation" {
  description = "How invoices are checked, as in the module invoices: confidence, tolerance, refuse_past_due, json_currency and your own rules."
  type = object({
    confidence      = optional(map(number))
    tolerance       = optional(number)
    refuse_past_due = optional(bool)
    json_currency   = optional(string)
    rules = optional(list(object({
      name       = string
      expression = string
      message    = string
      severity   = optional(string)
      field      = optional(string)
    })))
  })
  default  = {}
  nullable = false
}

variable "invoice_review" {
  description = "How invoices are reviewed, as in the module invoices: days, maximum_escalations, separation_of_duties, and the roles whose sessions may approve, personal_session_roles."
  type = object({
    days                   = optional(number)
    maximum_escalations    = optional(number)
    separation_of_duties   = optional(bool)
    personal_session_roles = optional(list(string))
  })
  default  = {}
  nullable = false
}

variable "invoice_customer_mail" {
  description = <<-EOT
    Mail to customers whose invoice has been processed, from `sender`, which SES must have verified, to the `recipients` of
    each customer, as in the module invoices. No mail is sent when null.
  EOT
  type        = object({ sender = string, recipients = map(list(string)) })
  default     = null
}

variable "audit_senders" {
  description = <<-EOT
    Who sends audit entries besides the flows' functions, by unique ids: `people` who use the command line (`aws sts
    get-caller-identity --query UserId`, up to the colon), and the role of a `console` that is deployed elsewhere (output
    `audit_sender_ids` of its module). The trail's queue refuses everybody else.
  EOT
  type = object({
    people  = set(string)
    console = optional(set(string), [])
  })
  nullable = false
}

variable "reconciliation" {
  description = <<-EOT
    Costs by business unit: the `configuration_file` with accounts, units and budgets, the `payers` besides this account, and
    `costs` and `notifications` as in the module reconciliation.
  EOT
  type = object({
    configuration_file = optional(string, "reconciliation.yaml")
    payers             = optional(set(string), [])
    costs = optional(object({
      source           = optional(string)
      exports_uris     = optional(list(string))
      exports_key_arns = optional(list(string))
      calls_per_second = optional(number)
      daily_usd        = optional(number)
      athena = optional(object({
        engine          = optional(string)
        from_mb         = optional(number)
        most_gb_scanned = optional(number)
        usd_per_tb      = optional(number)
        format          = optional(string)
        columns         = optional(list(object({ name = string, type = optional(string) })))
      }))
    }), {})
    notifications = optional(object({
      mail_sender        = optional(string)
      mail_recipients    = optional(list(string))
      webhook_secret_arn = optional(string)
    }), {})
  })
  default  = {}
  nullable = false
}

variable "own_budget" {
  description = "What this deployment itself may cost a month, as in the module own_budget: `usd`, `emails` and `name`, by default name_prefix and `-deployment`. No budget when null."
  type = object({
    usd    = number
    emails = list(string)
    name   = optional(string)
  })
  default = null
}

variable "kms_key_arn" {
  description = "Customer managed key of tables, database, files, queues, logs and environments, with the policy that encryption.tf shows. The root makes one when null."
  type        = string
  default     = null
}

variable "function_settings" {
  description = <<-EOT
    Settings of every function, as in the module lambda_function: `tracing`, `log_level`, `log_retention_days`, the
    `permissions_boundary_arn` of every role, and the `network` (`subnet_ids`, `security_group_ids`) where functions must run in
    your VPC.
  EOT
  type = object({
    tracing                  = optional(bool, true)
    log_level                = optional(string, "INFO")
    log_retention_days       = optional(number, 365)
    permissions_boundary_arn = optional(string)
    network = optional(object({
      subnet_ids         = list(string)
      security_group_ids = list(string)
    }))
  })
  default  = {}
  nullable = false
}

variable "console" {
  description = <<-EOT
    The console, as in the module console: where people open it (`domain_name`, with the ARN of its ACM certificate in this
    region), its `image`, the `network` that it runs in, and the Cognito domain of its login page. Without a value there is
    none. It is refused without a domain, a certificate and an image.
  EOT
  type = object({
    domain_name     = string
    certificate_arn = string
    image           = object({ uri = string, repository_arn = optional(string) })
    network = object({
      vpc_id             = string
      public_subnet_ids  = list(string)
      private_subnet_ids = list(string)
      ingress_cidrs      = list(string)
      internal           = optional(bool)
      access_logs_bucket = optional(string)
    })
    login     = optional(object({ domain = optional(string), multi_factor = optional(string), session_hours = optional(number), idle_minutes = optional(number) }), {})
    container = optional(object({ cpu = optional(number), memory = optional(number), architecture = optional(string), desired_count = optional(number) }), {})
  })
  default = null

  validation {
    condition = var.console == null || alltrue([
      for given in [try(var.console.domain_name, null), try(var.console.certificate_arn, null), try(var.console.image.uri, null)] :
      try(length(given) > 0, false)
    ])
    error_message = "console needs a domain_name, a certificate_arn and an image.uri: the load balancer serves HTTPS under that name alone, and the container runs that image."
  }
  validation {
    condition     = var.console == null || can(regex("^arn:aws:acm:${var.region}:[0-9]{12}:certificate/", var.console.certificate_arn))
    error_message = "console.certificate_arn must be the ARN of an ACM certificate in ${var.region}, where the load balancer is."
  }
}
