variable "region" {
  description = "Region that the database is deployed to, as in the provider's configuration."
  type        = string
  nullable    = false

  validation {
    condition     = !can(regex("^(cn|us-gov|us-iso|eu-iso|eusc)", var.region))
    error_message = "region must be a commercial one: policies name ARNs of the partition aws, which other partitions do not know."
  }
}

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

variable "database_name" {
  description = "Schema that holds the tables."
  type        = string
  default     = "billing"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,63}$", var.database_name))
    error_message = "database_name must be 1 to 64 lower-case letters, digits and underscores, and start with a letter."
  }
}

variable "engine_version" {
  description = "Aurora MySQL version, at least 3.08, which can scale to 0. AWS supports 3.10 for at least three years, and most others for about one year."
  type        = string
  default     = "8.0.mysql_aurora.3.10.4"
  nullable    = false

  validation {
    condition = can(regex("^8\\.0\\.mysql_aurora\\.3\\.(\\d+)\\.\\d+$", var.engine_version)) && try(
      tonumber(regex("^8\\.0\\.mysql_aurora\\.3\\.(\\d+)\\.", var.engine_version)[0]) >= 8, false
    )
    error_message = "engine_version must be 8.0.mysql_aurora.3.08.0 or later."
  }
}

variable "capacity" {
  description = <<-EOT
    Aurora capacity units (about 2 GiB of memory each), from `minimum` to `maximum`. With a minimum of 0 the
    database pauses after `pause_after_seconds` without use; the next statement then waits about 15 s.
  EOT
  type = object({
    minimum             = optional(number, 0)
    maximum             = optional(number, 8)
    pause_after_seconds = optional(number, 900)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.capacity.minimum >= 0 && var.capacity.minimum <= var.capacity.maximum && floor(var.capacity.minimum * 2) == var.capacity.minimum * 2
    error_message = "capacity.minimum must be from 0 to capacity.maximum, in steps of 0.5."
  }
  validation {
    condition     = var.capacity.maximum >= 1 && var.capacity.maximum <= 256 && floor(var.capacity.maximum * 2) == var.capacity.maximum * 2
    error_message = "capacity.maximum must be from 1 to 256, in steps of 0.5."
  }
  validation {
    condition     = var.capacity.pause_after_seconds >= 300 && var.capacity.pause_after_seconds <= 86400
    error_message = "capacity.pause_after_seconds must be from 300 to 86400."
  }
}

variable "instances" {
  description = "Number of instances. With 2, in different zones, the database survives the loss of one."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.instances >= 1 && var.instances <= 16
    error_message = "instances must be from 1 to 16."
  }
}

variable "network" {
  description = "VPC and private subnets in at least two zones. When null, the module creates a VPC without internet access."
  type        = object({ vpc_id = string, subnet_ids = list(string) })
  default     = null

  validation {
    condition     = var.network == null ? true : length(var.network.subnet_ids) >= 2
    error_message = "network.subnet_ids must name at least two subnets."
  }
}

variable "access" {
  description = <<-EOT
    Where BI tools may connect from: networks (`cidr_blocks`, IPv4) and `security_group_ids`. Nowhere by default.
    The flows use the Data API and need no access.
  EOT
  type = object({
    cidr_blocks        = optional(set(string), [])
    security_group_ids = optional(set(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for one in var.access.cidr_blocks : can(cidrhost(one, 0)) && !endswith(one, "/0")])
    error_message = "Each of access.cidr_blocks must be a network such as 10.0.0.0/16, and not the whole internet."
  }
}

variable "password_rotation_days" {
  description = "Days after which RDS rotates the master user's password. RDS's own default, 7 days, applies when null."
  type        = number
  default     = null

  validation {
    condition     = var.password_rotation_days == null ? true : var.password_rotation_days >= 1 && var.password_rotation_days <= 90
    error_message = "password_rotation_days must be from 1 to 90."
  }
}

variable "backups" {
  description = "How many days backups are kept (`retention_days`, 1 to 35), and the daily `window` in which they are made (UTC, hh:mm-hh:mm)."
  type = object({
    retention_days = optional(number, 14)
    window         = optional(string, "03:00-04:00")
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.backups.retention_days >= 1 && var.backups.retention_days <= 35
    error_message = "backups.retention_days must be from 1 to 35."
  }
  validation {
    condition     = can(regex("^([01]\\d|2[0-3]):[0-5]\\d-([01]\\d|2[0-3]):[0-5]\\d$", var.backups.window))
    error_message = "backups.window must be hh:mm-hh:mm."
  }
}

variable "deletion" {
  description = "Whether the cluster is protected against deletion (`protection`), and leaves a snapshot when it is deleted (`final_snapshot`)."
  type = object({
    protection     = optional(bool, true)
    final_snapshot = optional(bool, true)
  })
  default  = {}
  nullable = false
}

variable "log_exports" {
  description = "Logs that are written and sent to CloudWatch: audit (logins, changes of tables and permissions, and who read or wrote which table), error, general, slowquery."
  type        = set(string)
  default     = ["error", "slowquery"]
  nullable    = false

  validation {
    condition     = alltrue([for one in var.log_exports : contains(["audit", "error", "general", "slowquery"], one)])
    error_message = "log_exports must be any of audit, error, general and slowquery."
  }
}

variable "performance_insights" {
  description = "Whether Performance Insights is on, with the free retention of seven days."
  type        = bool
  default     = true
  nullable    = false
}

variable "kms_key_arn" {
  description = "Customer managed key for storage, Performance Insights and the secrets with the passwords. AWS's own keys are used when null."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource that can have some, in addition to the provider's `default_tags`. Objects in buckets have those of the provider alone."
  type        = map(string)
  default     = {}
  nullable    = false
}
