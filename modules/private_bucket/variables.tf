variable "name" {
  description = "Name of the bucket."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at each end."
  }
}

variable "force_destroy" {
  description = "Whether destroying the bucket deletes the objects in it."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !(var.force_destroy && try(var.object_lock.mode, "") == "COMPLIANCE")
    error_message = "force_destroy cannot be used with a COMPLIANCE lock: nobody can delete objects that it protects."
  }
}

variable "kms_key_arn" {
  description = "Customer managed key that encrypts the objects. S3 uses its own key (AES256) when null."
  type        = string
  default     = null
}

variable "policy_json" {
  description = "Further statements of the bucket policy, from one aws_iam_policy_document. The module always denies requests without TLS."
  type        = string
  default     = null
}

variable "lifecycle_rules" {
  description = <<-EOT
    Lifecycle rules in order. Each has an `id` and applies to keys that start with `prefix` (all keys when null).
    All other attributes are in days: objects expire (`expiration_days`) or move to STANDARD_IA (`archive_days`),
    replaced versions expire (`noncurrent_days`), and unfinished uploads are aborted (`abort_upload_days`).
  EOT
  type = list(object({
    id                = string
    prefix            = optional(string)
    expiration_days   = optional(number)
    archive_days      = optional(number)
    noncurrent_days   = optional(number)
    abort_upload_days = optional(number)
  }))
  default  = []
  nullable = false

  validation {
    condition     = length(distinct(var.lifecycle_rules[*].id)) == length(var.lifecycle_rules)
    error_message = "lifecycle_rules must have different ids."
  }
  validation {
    condition = alltrue([
      for rule in var.lifecycle_rules :
      length(compact([rule.expiration_days, rule.archive_days, rule.noncurrent_days, rule.abort_upload_days])) > 0
    ])
    error_message = "Each of lifecycle_rules needs at least one number of days."
  }
}

variable "object_lock" {
  description = <<-EOT
    How long each new object is locked: `days` in `mode` COMPLIANCE (nobody can delete it) or GOVERNANCE (only a principal
    with s3:BypassGovernanceRetention can). Without Object Lock when null. S3 cannot turn it off again.
  EOT
  type        = object({ mode = string, days = number })
  default     = null

  validation {
    condition     = var.object_lock == null || contains(["COMPLIANCE", "GOVERNANCE"], try(var.object_lock.mode, ""))
    error_message = "object_lock.mode must be COMPLIANCE or GOVERNANCE."
  }
  validation {
    condition     = var.object_lock == null || try(var.object_lock.days >= 1 && var.object_lock.days <= 36500, false)
    error_message = "object_lock.days must be from 1 to 36500."
  }
}

variable "lock_by_version" {
  description = <<-EOT
    Whether Object Lock is on without a default, so that whoever stores an object can lock that version
    (s3:PutObjectRetention). Can be set for a bucket that exists. S3 cannot turn it off again.
  EOT
  type        = bool
  default     = false
  nullable    = false
}

variable "upload_origins" {
  description = "Origins of the web pages from which browsers may upload files, such as `https://finops.example.com`."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.upload_origins : can(regex("^https?://[^/]+$", origin))])
    error_message = "upload_origins must be origins such as https://finops.example.com, without a path."
  }
}

variable "tags" {
  description = "Tags of every resource that can have some, in addition to the provider's `default_tags`. Objects in buckets have those of the provider alone."
  type        = map(string)
  default     = {}
  nullable    = false
}
