variable "account_id" {
  description = "Account that the console is deployed to (12 digits): the management account."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "Region that the console is deployed to, as in the provider's configuration."
  type        = string
  nullable    = false

  validation {
    condition     = !can(regex("^(cn|us-gov|us-iso|eu-iso|eusc)", var.region))
    error_message = "region must be a commercial one: policies name ARNs of the partition aws, which other partitions do not know."
  }
}

variable "name_prefix" {
  description = "First part of every name, the same as in the modules of the flows: the console finds their functions and tables by it."
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

variable "environment" {
  description = "Name of the deployment on the pages, such as `prod`. It cannot be `local`, where people choose their own user name and role."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.environment)) && var.environment != "local"
    error_message = "environment must be 1 to 20 lower-case letters, digits and hyphens, and not `local`."
  }
}

variable "image" {
  description = "The console's image: its `uri` with a tag or, better, a digest, and the ARN of its ECR repository (`repository_arn`), which the task may then pull from. Leave the ARN out for a registry that is open to all."
  type = object({
    uri            = string
    repository_arn = optional(string)
  })
  nullable = false

  validation {
    condition     = can(regex("^[a-z0-9].*[:@].+$", var.image.uri))
    error_message = "image.uri must name a tag or a digest, such as 111111111111.dkr.ecr.us-east-1.amazonaws.com/finops-console@sha256:…"
  }
}

variable "address" {
  description = "Where people open the console: the `domain_name`, such as `finops.example.com`, and the ARN of its ACM certificate in this region (`certificate_arn`). Point the name at the load balancer (outputs `dns_name` and `zone_id`)."
  type        = object({ domain_name = string, certificate_arn = string })
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", var.address.domain_name))
    error_message = "address.domain_name must be a host name such as finops.example.com."
  }
}

variable "login" {
  description = <<-EOT
    The login page: the prefix of its Cognito domain (`domain`, unique in the region, by default made of prefix and account),
    and who signs in with a second factor (`multi_factor`): everybody (`ON`), those who want to (`OPTIONAL`) or nobody (`OFF`).
    A session ends after `session_hours`, and after `idle_minutes` without use (0: never): whoever goes on signs in again, and
    their role is looked up again.
  EOT
  type = object({
    domain        = optional(string)
    multi_factor  = optional(string, "ON")
    session_hours = optional(number, 10)
    idle_minutes  = optional(number, 60)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.login.domain == null || can(regex("^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$", var.login.domain))
    error_message = "login.domain must be 1 to 63 lower-case letters, digits and hyphens."
  }
  validation {
    condition     = !can(regex("aws|amazon|cognito", coalesce(var.login.domain, var.name_prefix)))
    error_message = "login.domain must not contain aws, amazon or cognito, which Cognito reserves. It is made of name_prefix where it is null: then set it."
  }
  validation {
    condition     = contains(["ON", "OPTIONAL", "OFF"], var.login.multi_factor)
    error_message = "login.multi_factor must be ON, OPTIONAL or OFF."
  }
  validation {
    condition     = contains(range(1, 25), var.login.session_hours)
    error_message = "login.session_hours must be a whole number from 1 to 24: Cognito's tokens last a day at most."
  }
  validation {
    condition     = var.login.idle_minutes == 0 || (var.login.idle_minutes == floor(var.login.idle_minutes) && var.login.idle_minutes >= 5 && var.login.idle_minutes <= 1440)
    error_message = "login.idle_minutes must be a whole number from 5 to 1440, or 0 for no end."
  }
}

variable "network" {
  description = <<-EOT
    The VPC, at least two public subnets for the load balancer, private subnets for the container, and the networks that
    browsers connect from (`ingress_cidrs`). The private subnets need a default route, as to a NAT gateway: the container
    asks the login's domain for tokens, which no VPC endpoint offers. A plan with subnets that have endpoints only is
    refused. With `internal`, the load balancer has private addresses only, and `public_subnet_ids` may be private.
    Each request is logged in the bucket `access_logs_bucket`, which must let Elastic Load Balancing write to it.
  EOT
  type = object({
    vpc_id             = string
    public_subnet_ids  = list(string)
    private_subnet_ids = list(string)
    ingress_cidrs      = list(string)
    internal           = optional(bool, false)
    access_logs_bucket = optional(string)
  })
  nullable = false

  validation {
    condition     = length(var.network.public_subnet_ids) >= 2 && length(var.network.private_subnet_ids) >= 1
    error_message = "network needs at least two public subnets and one private subnet."
  }
  validation {
    condition     = alltrue([for cidr in var.network.ingress_cidrs : can(cidrhost(cidr, 0))])
    error_message = "network.ingress_cidrs must be CIDR blocks, such as 203.0.113.0/24."
  }
}

variable "flows" {
  description = <<-EOT
    What the pages work with, from the outputs of the flows' modules: buckets, the database with its `reader_secret_arn`, and
    optionally the reports and the audit trail with its signing key. `kms_key_arns` are all keys that encrypt any of these.
  EOT
  type = object({
    invoices_bucket       = string
    billing_bucket        = string
    database_arn          = string
    database_secret_arn   = string
    reports_bucket        = optional(string)
    audit_bucket          = optional(string)
    audit_signing_key_arn = optional(string)
    kms_key_arns          = optional(list(string), [])
  })
  nullable = false
}

variable "container" {
  description = "The container: CPU units, memory in MiB, processor (`ARM64` or `X86_64`), and number of containers. A session stays with its container."
  type = object({
    cpu           = optional(number, 512)
    memory        = optional(number, 2048)
    architecture  = optional(string, "ARM64")
    desired_count = optional(number, 1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["ARM64", "X86_64"], var.container.architecture)
    error_message = "container.architecture must be ARM64 or X86_64."
  }
}

variable "deletion_protection" {
  description = "Whether the load balancer and the user pool are protected against deletion."
  type        = bool
  default     = true
  nullable    = false
}

variable "settings" {
  description = "How long the container's log is kept (`log_retention_days`), and the `permissions_boundary_arn` of the roles."
  type = object({
    log_retention_days       = optional(number, 365)
    permissions_boundary_arn = optional(string)
  })
  default  = {}
  nullable = false
}

variable "kms_key_arn" {
  description = "Customer managed key for the container's log; AWS's own key when null. Its policy must allow CloudWatch Logs. Keys of what the pages read are `flows.kms_key_arns`."
  type        = string
  default     = null
}

variable "alarms" {
  description = "Whether there are alarms (`enabled`), sent to the SNS topics `topic_arns`."
  type = object({
    enabled    = optional(bool, true)
    topic_arns = optional(list(string), [])
  })
  default  = {}
  nullable = false
}

variable "tags" {
  description = "Tags of every resource that can have some, in addition to the provider's `default_tags`. Objects in buckets have those of the provider alone."
  type        = map(string)
  default     = {}
  nullable    = false
}
