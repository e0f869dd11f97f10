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
}

variable "name_prefix" {
  description = "Starts every name, as in the modules of the flows: the console finds their functions and tables by it."
  type        = string
  default     = "finops"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.name_prefix))
    error_message = "name_prefix takes 1 to 20 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "environment" {
  description = "What the deployment is called on the pages, such as `prod`. Not `local`: there anybody may say who they are."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.environment)) && var.environment != "local"
    error_message = "environment takes 1 to 20 lower-case letters, digits and hyphens, and is not `local`."
  }
}

variable "image" {
  description = "The console's image, best by its digest: built from console/Dockerfile, in a registry that the task may pull from."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9].*[:@].+$", var.image))
    error_message = "image must name a tag or a digest, such as 111111111111.dkr.ecr.us-east-1.amazonaws.com/finops-console@sha256:…"
  }
}

variable "image_repository_arn" {
  description = "ARN of the ECR repository of the image; null where it is in another registry that lets everybody pull."
  type        = string
  default     = null
}

variable "domain_name" {
  description = "Where people open the console, such as `finops.example.com`. Point it at the load balancer (`dns_name`, `zone_id`)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", var.domain_name))
    error_message = "domain_name must be a host name in lower case."
  }
}

variable "certificate_arn" {
  description = "ARN of the ACM certificate for domain_name, in this region."
  type        = string
  nullable    = false
}

variable "login_domain" {
  description = "Prefix of the Cognito domain of the login page: unique in the region, such as `example-finops`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$", var.login_domain))
    error_message = "login_domain takes 1 to 63 lower-case letters, digits and hyphens."
  }
}

variable "network" {
  description = <<-EOT
    The VPC, two or more public subnets for the load balancer, private ones for the container (with a way to AWS's APIs:
    a NAT gateway or endpoints), and from where browsers may come (`ingress_cidrs`). With `internal` the load balancer
    has private addresses only, and `public_subnet_ids` may be private.
  EOT
  type = object({
    vpc_id             = string
    public_subnet_ids  = list(string)
    private_subnet_ids = list(string)
    ingress_cidrs      = list(string)
    internal           = optional(bool, false)
  })
  nullable = false

  validation {
    condition     = length(var.network.public_subnet_ids) >= 2 && length(var.network.private_subnet_ids) >= 1
    error_message = "network needs two public subnets or more, and a private one."
  }
  validation {
    condition     = alltrue([for cidr in var.network.ingress_cidrs : can(cidrhost(cidr, 0))])
    error_message = "network.ingress_cidrs must be CIDR blocks, such as 203.0.113.0/24."
  }
}

variable "flows" {
  description = <<-EOT
    What the pages work on, as the modules of the flows name it: buckets, the database, and optionally the audit trail
    with its signing key and the reports. `kms_key_arns` are the keys that any of it is encrypted with.
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
  description = "The container: CPU units, MiB of memory, its processor (`ARM64` or `X86_64`), and how many run. Sessions stay with the one that they began on."
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
    error_message = "container.architecture is ARM64 or X86_64."
  }
}

variable "own_invoices" {
  description = "Whether an approver may approve an invoice that they submitted."
  type        = bool
  default     = false
  nullable    = false
}

variable "multi_factor" {
  description = "Whether everybody signs in with a second factor (`ON`), who wants to (`OPTIONAL`), or nobody (`OFF`)."
  type        = string
  default     = "ON"
  nullable    = false

  validation {
    condition     = contains(["ON", "OPTIONAL", "OFF"], var.multi_factor)
    error_message = "multi_factor is ON, OPTIONAL or OFF."
  }
}

variable "deletion_protection" {
  description = "Whether load balancer and user pool refuse to be destroyed."
  type        = bool
  default     = true
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that the container's log is kept."
  type        = number
  default     = 365
  nullable    = false
}

variable "log_kms_key_arn" {
  description = "Key for the log; null uses AWS's own."
  type        = string
  default     = null
}

variable "alarm_topic_arns" {
  description = "SNS topics that the alarms tell."
  type        = list(string)
  default     = []
  nullable    = false
}
