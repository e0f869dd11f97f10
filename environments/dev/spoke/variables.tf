variable "account_id" {
  description = "The spoke account (12 digits). Terraform refuses credentials of another account."
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
  description = "First part of every name and path. A second deployment in the account needs another one; the management root needs the same one."
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

variable "deploy_role_name" {
  description = "Role in the spoke account that Terraform assumes, such as AWSControlTowerExecution. Null if the credentials are those of the spoke."
  type        = string
  default     = null
}

variable "management_account_id" {
  description = "The management account (12 digits)."
  type        = string
  nullable    = false
}

variable "external_id" {
  description = "External ID that the spoke role requires, the same as in the management root."
  type        = string
  nullable    = false
}

variable "budget_emails" {
  description = "Addresses that get the alerts of budgets whose row names none."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "alarm_topic_arns" {
  description = "SNS topics that alarms of this account are sent to; without any there are no alarms here, and the management account's alarm budgets-accounts-failing tells of it."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "kms_key_arn" {
  description = "Customer managed key in the spoke account. AWS's own keys are used when null. The key's policy must allow CloudWatch Logs, EventBridge and AWS Budgets."
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
