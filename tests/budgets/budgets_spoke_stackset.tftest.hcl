# Plans only, with a real provider and invented credentials. tests/environments/test_spoke_template.py compares the template
# with the module budgets_spoke.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "000000000000"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  region                  = "eu-west-1"
  organization_id         = "o-a1b2c3d4e5"
  organizational_unit_ids = ["ou-ab12-cd34ef56", "ou-ab12-ef56ab12"]
  hub = {
    role_arns      = ["arn:aws:iam::111111111111:role/finops-publish-budget", "arn:aws:iam::111111111111:role/finops-repair-budget-drift"]
    external_id    = "finops-test"
    result_bus_arn = "arn:aws:events:eu-west-1:111111111111:event-bus/finops-budgets"
  }
  packages = {
    code   = { s3_bucket = "packages", s3_key = "finops/code.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    layers = { core = { s3_bucket = "packages", s3_key = "finops/core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }
}

run "defaults" {
  command = plan
  module { source = "../../modules/budgets_spoke_stackset" }

  assert {
    condition = (
      aws_cloudformation_stack_set.spokes.permission_model == "SERVICE_MANAGED"
      && aws_cloudformation_stack_set.spokes.auto_deployment[0].enabled
      && !aws_cloudformation_stack_set.spokes.auto_deployment[0].retain_stacks_on_account_removal
      && aws_cloudformation_stack_set.spokes.managed_execution[0].active
      && aws_cloudformation_stack_set.spokes.call_as == "SELF"
      && aws_cloudformation_stack_set.spokes.capabilities == toset(["CAPABILITY_NAMED_IAM"])
    )
    error_message = "Accounts that join the units get a spoke without a person, and those that leave lose it."
  }

  assert {
    condition = (
      aws_cloudformation_stack_set_instance.units.deployment_targets[0].organizational_unit_ids == toset(["ou-ab12-cd34ef56", "ou-ab12-ef56ab12"])
      && aws_cloudformation_stack_set_instance.units.call_as == "SELF"
      && !aws_cloudformation_stack_set_instance.units.retain_stack
    )
    error_message = "The set is deployed to the units."
  }

  assert {
    condition = alltrue([for value in values(aws_cloudformation_stack_set.spokes.parameters) : length(value) <= 4096]) && (
      length(aws_cloudformation_stack_set.spokes.template_body) <= 51200
    )
    error_message = "CloudFormation takes templates of 51,200 bytes in a call, and parameters of 4,096."
  }

  assert {
    condition = jsonencode(jsondecode(output.packages_policy_json).Statement) == jsonencode([{
      Sid       = "OrganizationReadsPackages"
      Effect    = "Allow"
      Principal = { AWS = "*" }
      Action    = ["s3:GetObjectVersion", "s3:GetObject"]
      Resource  = ["arn:aws:s3:::packages/finops/core.zip", "arn:aws:s3:::packages/finops/code.zip"]
      Condition = { StringEquals = { "aws:PrincipalOrgID" = "o-a1b2c3d4e5" } }
    }])
    error_message = "The organization, and nobody else, may read the two packages."
  }
}

run "delegated_administrator" {
  command = plan
  module { source = "../../modules/budgets_spoke_stackset" }

  variables {
    stack_set = {
      call_as                          = "DELEGATED_ADMIN"
      retain_stacks_on_account_removal = true
      max_concurrent_percentage        = 25
      failure_tolerance_percentage     = 5
      timeout                          = "12h"
    }
    tags = { project = "finops" }
  }

  assert {
    condition = (
      aws_cloudformation_stack_set.spokes.call_as == "DELEGATED_ADMIN"
      && aws_cloudformation_stack_set_instance.units.call_as == "DELEGATED_ADMIN"
      && aws_cloudformation_stack_set.spokes.auto_deployment[0].retain_stacks_on_account_removal
      && aws_cloudformation_stack_set.spokes.tags == tomap({ project = "finops" })
      && alltrue([
        for one in [aws_cloudformation_stack_set.spokes.operation_preferences[0], aws_cloudformation_stack_set_instance.units.operation_preferences[0]] :
        one.max_concurrent_percentage == 25 && one.failure_tolerance_percentage == 5
      ])
    )
    error_message = "Both resources follow the settings."
  }
}
