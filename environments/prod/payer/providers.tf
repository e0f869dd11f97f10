provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  dynamic "assume_role" {
    for_each = var.deploy_role_name[*]
    content {
      role_arn     = "arn:aws:iam::${var.account_id}:role/${assume_role.value}"
      session_name = "finops-deploy"
    }
  }

  default_tags {
    tags = { project = var.name_prefix, environment = "prod" }
  }
}
