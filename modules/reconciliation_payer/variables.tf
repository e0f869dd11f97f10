variable "account_id" {
  description = "The payer account (12 digits)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "Region of the provider: us-east-1 where there is a `focus_export`, for Data Exports is nowhere else."
  type        = string
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = !can(regex("^(cn|us-gov|us-iso|eu-iso|eusc)", var.region))
    error_message = "region must be a commercial one: policies name ARNs of the partition aws, which other partitions do not know."
  }
}

variable "name_prefix" {
  description = "Starts every name. Management and payers must agree on it, since roles are named in each other's policies."
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

variable "hub" {
  description = "The management side, the output `hub` of the module reconciliation: the `role_arn` that may assume the role here, and the `external_id` that it must show."
  type        = object({ role_arn = string, external_id = string })
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@/_-]+$", var.hub.role_arn))
    error_message = "hub.role_arn must be the ARN of a role: no account root, no wildcard."
  }
  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@:/_-]{2,}$", var.hub.external_id)) && length(var.hub.external_id) <= 1224
    error_message = "hub.external_id must be 2 to 1224 letters, digits and + = , . @ : / _ -."
  }
}

variable "reader_arns" {
  description = "Further principals that may assume the role with the same external ID, such as the role of people who run `finops reconcile` themselves."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.reader_arns : can(regex("^arn:aws:iam::[0-9]{12}:(root|(role|user)/[A-Za-z0-9+=,.@/_-]+)$", arn))])
    error_message = "reader_arns must be ARNs of roles, users or account roots, without wildcards."
  }
}

variable "focus_export" {
  description = <<-EOT
    With a value (`{}` for the defaults), the module exports all costs as FOCUS 1.2, by day in Parquet, into a
    bucket of its own: its `bucket_name` (by default made of prefix and account), the `prefix` in it, days that
    exports are kept (`keep_days`), and whether destroying the module deletes them (`force_destroy`).
  EOT
  type = object({
    bucket_name   = optional(string)
    prefix        = optional(string, "exports")
    keep_days     = optional(number, 800)
    force_destroy = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.focus_export == null || var.region == "us-east-1"
    error_message = "focus_export needs the region us-east-1, the only one with Data Exports."
  }
  validation {
    condition     = try(var.focus_export.bucket_name, null) == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.focus_export.bucket_name))
    error_message = "focus_export.bucket_name must be 3 to 63 lower-case letters, digits, dots and hyphens."
  }
  validation {
    condition     = var.focus_export == null || can(regex("^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", var.focus_export.prefix))
    error_message = "focus_export.prefix must be letters, digits, hyphens and underscores, in parts separated by slashes."
  }
  validation {
    condition     = var.focus_export == null || try(var.focus_export.keep_days >= 400, false)
    error_message = "focus_export.keep_days must be at least 400: reports look back for twelve months."
  }
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the role."
  type        = string
  default     = null
}

variable "kms_key_arn" {
  description = <<-EOT
    Customer managed key for the bucket of the export; S3's own key when null. Its policy must allow the principals of
    the bucket's policy to use it: Data Exports to write (`kms:GenerateDataKey`, `kms:Decrypt`), and `hub.role_arn` to
    read (`kms:Decrypt`). The module reconciliation needs it in `costs.exports_key_arns`.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key: another account reads with it, and knows no alias."
  }
}

variable "tags" {
  description = "Tags of every resource that can have some, in addition to the provider's `default_tags`. Objects in buckets have those of the provider alone."
  type        = map(string)
  default     = {}
  nullable    = false
}
