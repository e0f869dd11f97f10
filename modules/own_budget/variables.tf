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

variable "budget" {
  description = <<-EOT
    What the deployment may cost a month: an amount in `usd`, `emails` to tell at 80 % spent and 100 % forecast, and the `name`
    of the AWS Budget, by default name_prefix and `-deployment`. None when null.
  EOT
  type = object({
    usd    = number
    emails = list(string)
    name   = optional(string)
  })
  default = null

  validation {
    condition     = var.budget == null ? true : var.budget.usd > 0
    error_message = "budget.usd must be above 0."
  }
  validation {
    condition     = var.budget == null ? true : length(var.budget.emails) >= 1 && length(var.budget.emails) <= 10
    error_message = "budget.emails must be 1 to 10 addresses, as many as a notification of AWS Budgets takes."
  }
}

variable "tag" {
  description = "The tag of the deployment's resources, which must be active as a cost allocation tag."
  type        = object({ key = string, value = string })
  default     = { key = "project", value = "finops" }
  nullable    = false
}

variable "tags" {
  description = "Tags of every resource that can have some, in addition to the provider's `default_tags`. Objects in buckets have those of the provider alone."
  type        = map(string)
  default     = {}
  nullable    = false
}
