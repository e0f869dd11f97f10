variable "account_id" {
  description = "The spoke account (12 digits); any other is refused."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region to deploy to."
  type        = string
  default     = "us-east-1"
  nullable    = false
}

variable "deploy_role_name" {
  description = "Role in the spoke account that Terraform assumes, such as AWSControlTowerExecution; null when the credentials are the spoke's own."
  type        = string
  default     = null
}

variable "management_account_id" {
  description = "The management account (12 digits)."
  type        = string
  nullable    = false
}

variable "external_id" {
  description = "External id that the spoke role asks for, as given to the management root."
  type        = string
  nullable    = false
}

variable "budget_emails" {
  description = "Addresses that budgets warn, unless a budget's own row says otherwise."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms are sent to."
  type        = list(string)
  default     = []
  nullable    = false
}
