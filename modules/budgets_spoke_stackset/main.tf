locals {
  stored = [var.packages.code, var.packages.layers["core"]]

  default_thresholds = [
    for threshold in var.notifications.thresholds : { type = threshold.type, percent = tostring(threshold.percent) }
  ]
}

# One stack in each account of the units, and in each that joins them: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-orgs-manage-auto-deployment.html
resource "aws_cloudformation_stack_set" "spokes" {
  name             = "${var.name_prefix}-budgets-spoke"
  description      = "The part of the budgets flow in each account of the organization"
  template_body    = file("${path.module}/budgets_spoke.yaml")
  capabilities     = ["CAPABILITY_NAMED_IAM"]
  permission_model = "SERVICE_MANAGED"
  call_as          = var.stack_set.call_as
  tags             = var.tags

  parameters = {
    NamePrefix              = var.name_prefix
    HubRoleArns             = join(",", var.hub.role_arns)
    ExternalId              = var.hub.external_id
    ResultBusArn            = var.hub.result_bus_arn
    Architecture            = var.packages.code.architecture
    CodeBucket              = var.packages.code.s3_bucket
    CodeKey                 = var.packages.code.s3_key
    CodeVersion             = try(coalesce(var.packages.code.s3_object_version), "")
    CodeSha256              = var.packages.code.sha256_base64
    CoreLayerBucket         = var.packages.layers["core"].s3_bucket
    CoreLayerKey            = var.packages.layers["core"].s3_key
    CoreLayerVersion        = try(coalesce(var.packages.layers["core"].s3_object_version), "")
    SeedBudgetName          = coalesce(var.seed_budget.name, var.name_prefix == "finops" ? "monthly-total" : "${var.name_prefix}-monthly-total")
    SeedBudgetAmount        = var.seed_budget.amount
    SeedBudgetCurrency      = var.seed_budget.currency
    SeedBudgetTimeUnit      = var.seed_budget.time_unit
    DefaultThresholds       = jsonencode(local.default_thresholds)
    DefaultEmails           = jsonencode(var.notifications.emails)
    DriftSchedule           = var.drift_schedule
    KmsKeyArn               = var.kms_key_arn
    PermissionsBoundaryName = var.function_settings.permissions_boundary_name
    Tracing                 = tostring(var.function_settings.tracing)
    LogLevel                = var.function_settings.log_level
    LogRetentionDays        = tostring(var.function_settings.log_retention_days)
    AlarmsEnabled           = tostring(var.alarms.enabled)
    AlarmTopicArns          = join(",", var.alarms.topic_arns)
  }

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = var.stack_set.retain_stacks_on_account_removal
  }

  # Operations that do not conflict run side by side, and the others wait in a queue.
  managed_execution {
    active = true
  }

  operation_preferences {
    failure_tolerance_percentage = var.stack_set.failure_tolerance_percentage
    max_concurrent_percentage    = var.stack_set.max_concurrent_percentage
    region_concurrency_type      = "PARALLEL"
  }

  timeouts {
    update = var.stack_set.timeout
  }

  lifecycle {
    # AWS answers with a role that service-managed sets do not have.
    ignore_changes = [administration_role_arn]
  }
}

# In the provider's own region, which is the hub's.
resource "aws_cloudformation_stack_set_instance" "units" {
  stack_set_name = aws_cloudformation_stack_set.spokes.name
  call_as        = var.stack_set.call_as
  retain_stack   = false

  deployment_targets {
    organizational_unit_ids = var.organizational_unit_ids
  }

  operation_preferences {
    failure_tolerance_percentage = var.stack_set.failure_tolerance_percentage
    max_concurrent_percentage    = var.stack_set.max_concurrent_percentage
    region_concurrency_type      = "PARALLEL"
  }

  timeouts {
    create = var.stack_set.timeout
    update = var.stack_set.timeout
    delete = var.stack_set.timeout
  }
}

# The statement that the bucket of the packages needs: Lambda reads the code as the account that makes the function.
data "aws_iam_policy_document" "packages" {
  statement {
    sid       = "OrganizationReadsPackages"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = [for package in local.stored : "arn:aws:s3:::${package.s3_bucket}/${package.s3_key}"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalOrgID"
      values   = [var.organization_id]
    }
  }
}
