variable "account_id" {
  description = "The management account (12 digits); any other is refused."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region to deploy to."
  type        = string
  default     = "us-east-1"
  nullable    = false
}

variable "spoke_account_ids" {
  description = "Accounts whose budgets are managed, at most 100; or set organization_id."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "organization_id" {
  description = "Organization whose accounts are all managed, in place of spoke_account_ids."
  type        = string
  default     = null
}

variable "external_id" {
  description = "External id that the spoke roles ask for; the spokes are given the same."
  type        = string
  nullable    = false
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms are sent to."
  type        = list(string)
  nullable    = false
}
