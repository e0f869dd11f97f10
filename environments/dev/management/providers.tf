provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = { project = var.name_prefix, environment = "dev" }
  }
}
