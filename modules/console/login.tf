# Nobody can sign up. An administrator adds users, or connects a directory to the pool.
resource "aws_cognito_user_pool" "this" {
  name                     = local.name
  mfa_configuration        = var.login.multi_factor
  deletion_protection      = var.deletion_protection ? "ACTIVE" : "INACTIVE"
  username_attributes      = ["email"]
  auto_verified_attributes = ["email"]
  tags                     = var.tags

  # A new address counts once its owner has proven it.
  user_attribute_update_settings {
    attributes_require_verification_before_update = ["email"]
  }

  admin_create_user_config {
    allow_admin_create_user_only = true
  }

  password_policy {
    minimum_length                   = 14
    require_lowercase                = true
    require_uppercase                = true
    require_numbers                  = true
    require_symbols                  = true
    temporary_password_validity_days = 3
  }

  dynamic "software_token_mfa_configuration" {
    for_each = var.login.multi_factor == "OFF" ? [] : ["totp"]
    content {
      enabled = true
    }
  }

  account_recovery_setting {
    recovery_mechanism {
      name     = "verified_email"
      priority = 1
    }
  }
}

resource "aws_cognito_user_pool_domain" "this" {
  domain       = coalesce(var.login.domain, "${local.name}-${var.account_id}")
  user_pool_id = aws_cognito_user_pool.this.id
}

# No client secret, which would be in the Terraform state: PKCE binds the code to its session.
resource "aws_cognito_user_pool_client" "console" {
  name                                 = local.name
  user_pool_id                         = aws_cognito_user_pool.this.id
  generate_secret                      = false
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["code"]
  allowed_oauth_scopes                 = ["email", "openid"]
  supported_identity_providers         = ["COGNITO"]
  read_attributes                      = ["email", "email_verified"]
  callback_urls                        = ["${local.url}/oauth2callback"]
  logout_urls                          = [local.url]
  prevent_user_existence_errors        = "ENABLED"
  enable_token_revocation              = true

  # Only the hosted login signs people in, and no token changes an address. By default a client may sign in by password
  # (USER_SRP_AUTH) and write every attribute. An empty list means that default, so it names one that nothing reads:
  # https://github.com/hashicorp/terraform-provider-aws/issues/28684
  explicit_auth_flows = ["ALLOW_REFRESH_TOKEN_AUTH"]
  write_attributes    = ["zoneinfo"]

  # A console session ends with its ID token, and roles are looked up again.
  id_token_validity      = var.login.session_hours
  access_token_validity  = 1
  refresh_token_validity = 1

  token_validity_units {
    id_token      = "hours"
    access_token  = "hours"
    refresh_token = "days"
  }
}

resource "aws_cognito_user_group" "this" {
  for_each     = local.roles
  name         = "${var.name_prefix}-${each.key}"
  description  = each.value
  user_pool_id = aws_cognito_user_pool.this.id
}
