variable "account_id" {
  description = "The payer account (12 digits); any other is refused."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region to deploy to; exports need us-east-1."
  type        = string
  default     = "us-east-1"
  nullable    = false
}

variable "deploy_role_name" {
  description = "Role in the payer account that Terraform assumes; null when the credentials are the payer's own."
  type        = string
  default     = null
}

variable "management_account_id" {
  description = "The account with the module reconciliation (12 digits)."
  type        = string
  nullable    = false
}

variable "external_id" {
  description = "External id that the role asks for, as given to the management root."
  type        = string
  nullable    = false
}

variable "focus_export" {
  description = "Export of all costs as FOCUS 1.2, as in the module reconciliation_payer; none when null."
  type = object({
    bucket_name   = optional(string)
    prefix        = optional(string)
    keep_days     = optional(number)
    force_destroy = optional(bool)
  })
  default = null
}
