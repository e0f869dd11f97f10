variable "region" {
  description = "Region that the local cloud uses in names."
  type        = string
  default     = "us-east-1"
  nullable    = false
}

variable "packages_file" {
  description = "The packages.json of scripts/build_lambdas.py --target local. Its paths are relative to the repository."
  type        = string
  default     = "../../build/local/packages.json"
  nullable    = false
}

variable "further_spoke_account_ids" {
  description = "Spoke accounts in addition to the two deployed here."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "removal_policy" {
  description = "What happens to a spoke's budget when its row is removed: keep or delete."
  type        = string
  default     = "delete"
  nullable    = false
}

variable "repair_schedule" {
  description = "How often drift is detected and repaired."
  type        = string
  default     = "rate(1 minute)"
  nullable    = false
}

variable "billing_loading" {
  description = "How billing files are loaded, as in the module billing."
  type = object({
    large_file_bytes    = optional(number)
    chunk_bytes         = optional(number)
    chunk_concurrency   = optional(number, 2)
    maximum_concurrency = optional(number, 2)
    timeout_seconds     = optional(number)
  })
  default  = {}
  nullable = false
}

variable "invoice_extraction" {
  description = "How documents are read, as in the module invoices."
  type = object({
    engine          = optional(string, "textract")
    trusted_vendors = optional(list(string), [])
    shadow          = optional(bool, false)
    timeout_seconds = optional(number)
  })
  default  = {}
  nullable = false
}

variable "invoice_review" {
  description = "How long an invoice waits for review, as in the module invoices."
  type = object({
    days                = optional(number)
    maximum_escalations = optional(number)
  })
  default  = {}
  nullable = false
}

variable "reconciliation_costs" {
  description = "Where reconciled costs come from, as in the module reconciliation."
  type = object({
    source           = optional(string, "ce")
    calls_per_second = optional(number, 5)
  })
  default  = {}
  nullable = false
}

variable "reconciliation_webhook_secret_arn" {
  description = "Secret with the URL of a webhook that receives reports."
  type        = string
  default     = null
}
