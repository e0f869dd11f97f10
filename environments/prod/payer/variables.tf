variable "account_id" {
  description = "The payer account (12 digits). Terraform refuses credentials of another account."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region to deploy to. Exports need us-east-1."
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
  description = "Role in the payer account that Terraform assumes. Null if the credentials are those of the payer."
  type        = string
  default     = null
}

variable "management_account_id" {
  description = "The account with the module reconciliation (12 digits)."
  type        = string
  nullable    = false
}

variable "external_id" {
  description = "External ID that the role requires, the same as in the management root."
  type        = string
  nullable    = false
}

variable "focus_export" {
  description = "Export of all costs as FOCUS 1.2, as in the module reconciliation_payer. No export when null."
  type = object({
    bucket_name   = optional(string)
    prefix        = optional(string)
    keep_days     = optional(number)
    force_destroy = optional(bool)
  })
  default = null
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the role."
  type        = string
  default     = null
}

variable "kms_key_arn" {
  description = "Customer managed key for the bucket of the export, as in the module reconciliation_payer. S3's own key when null."
  type        = string
  default     = null
}
