variable "management_account_id" {
  description = "The account of budgets_management (12 digits)."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of budgets_management, which has to be the one of Account Factory's provider: Control Tower's home region."
  type        = string
  nullable    = false
}

variable "name_prefix" {
  description = "That of budgets_management."
  type        = string
  default     = "finops"
  nullable    = false
}

variable "external_id" {
  description = "External id of budgets_management."
  type        = string
  nullable    = false
}

variable "budget_emails" {
  description = "Addresses that get the alerts of budgets whose row names none."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "packages" {
  description = "Where the packages are, as `finops packages publish` writes it to packages.auto.tfvars.json."
  type = object({
    code   = object({ sha256_base64 = string, architecture = string, release = string, s3_bucket = string, s3_key = string, s3_object_version = optional(string) })
    layers = map(object({ sha256_base64 = string, s3_bucket = string, s3_key = string, s3_object_version = optional(string) }))
  })
  nullable = false
}
