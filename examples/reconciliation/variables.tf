variable "account_id" {
  description = "The account (12 digits)."
  type        = string
}

variable "region" {
  description = "Region of every resource."
  type        = string
}

variable "name_prefix" {
  description = "Begins every name. A second deployment in the account needs another one."
  type        = string
  default     = "finops"
}

variable "packages" {
  description = "The packages of the release, from packages.auto.tfvars.json, which `finops packages publish` writes."
  type        = any
}
