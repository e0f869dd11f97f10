module "invoices" {
  source = "git::https://github.com/example/terraform-aws-finops.git//modules/invoices?ref=v0.1.0"

  account_id  = var.account_id
  region      = var.region
  name_prefix = var.name_prefix
  packages    = var.packages

  validation = {
    confidence = { default = 80, total = 90 }
    rules      = [{ name = "large_amount", expression = "total > 10000", message = "amounts over 10,000 need an approval" }]
  }
}

# For whoever reviews on the command line (docs/invoices.md).
output "reviewer_policy" {
  description = "The policy that a reviewer needs."
  value       = module.invoices.reviewer_policy_json
}
