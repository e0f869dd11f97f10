# budgets_management uses the same names. ARNs are built from them, so that policies are known at plan.
locals {
  parameter_prefix = "/${var.name_prefix}/budgets"
  seed_budget_name = coalesce(var.seed_budget.name, var.name_prefix == "finops" ? "monthly-total" : "${var.name_prefix}-monthly-total")

  parameters_arn  = "arn:aws:ssm:${var.region}:${var.account_id}:parameter${local.parameter_prefix}"
  budgets_arn     = "arn:aws:budgets::${var.account_id}:budget/*"
  alert_topic_arn = "arn:aws:sns:${var.region}:${var.account_id}:${var.name_prefix}-budget-alerts"

  # The row of the budget until finance enters one.
  seed_budget = {
    budget_name = local.seed_budget_name
    amount      = var.seed_budget.amount
    currency    = var.seed_budget.currency
    time_unit   = var.seed_budget.time_unit
  }

  # Percentages are sent as text, so that they are compared as decimals.
  default_thresholds = [
    for threshold in var.notifications.thresholds : { type = threshold.type, percent = tostring(threshold.percent) }
  ]
}

resource "aws_sns_topic" "budget_alerts" {
  #checkov:skip=CKV_AWS_26:AWS Budgets cannot publish through the key that AWS manages; a customer managed key is a setting
  name              = "${var.name_prefix}-budget-alerts"
  kms_master_key_id = var.kms_key_arn
  policy            = data.aws_iam_policy_document.alert_topic.json
  tags              = var.tags
}

# apply-budget makes the budget of this parameter, and owns it. AWS refuses budgets to a new member account for up to a day:
# the deployment stands nevertheless, and the drift schedule makes the budget.
removed {
  from = aws_budgets_budget.monthly_total
  lifecycle {
    destroy = false
  }
}

# apply-budget writes it when the spoke is deployed, and the management account afterwards.
removed {
  from = aws_ssm_parameter.monthly_total
  lifecycle {
    destroy = false
  }
}

resource "aws_lambda_layer_version" "core" {
  layer_name        = "${var.name_prefix}-budgets-core"
  filename          = var.packages.layers["core"].path
  s3_bucket         = var.packages.layers["core"].s3_bucket
  s3_key            = var.packages.layers["core"].s3_key
  s3_object_version = var.packages.layers["core"].s3_object_version
  source_code_hash  = var.packages.layers["core"].sha256_base64
}

# Apply: a changed parameter becomes the AWS budget, and the result goes to the management account.
module "apply_budget" {
  source = "../lambda_function"

  account_id  = var.account_id
  region      = var.region
  kms_key_arn = var.kms_key_arn
  settings    = var.function_settings
  alarms      = var.alarms
  policy_json = data.aws_iam_policy_document.apply_budget.json
  package     = var.packages.code
  layer_arns  = [aws_lambda_layer_version.core.arn]
  tags        = var.tags

  environment = {
    ACCOUNT_ID         = var.account_id
    PARAMETER_PREFIX   = local.parameter_prefix
    RESULT_BUS_ARN     = var.hub.result_bus_arn
    ALERT_TOPIC_ARN    = local.alert_topic_arn
    DEFAULT_THRESHOLDS = jsonencode(local.default_thresholds)
    DEFAULT_EMAILS     = jsonencode(var.notifications.emails)
    SEED_BUDGET        = jsonencode(local.seed_budget)
  }

  function = {
    name            = "${var.name_prefix}-apply-budget"
    description     = "Applies the budget parameters to the AWS Budgets of the account"
    handler         = "finops.budgets.handlers.apply_budget"
    memory_mb       = 512
    timeout_seconds = 300
  }

  event_rule = {
    pattern_json = jsonencode({
      source      = ["aws.ssm"]
      detail-type = ["Parameter Store Change"]
      detail = {
        name      = [{ prefix = "${local.parameter_prefix}/" }]
        operation = ["Create", "Update"]
      }
    })
  }

  schedule = {
    expression = var.drift_schedule
    input_json = jsonencode({ source = "finops.drift" })
  }
}

# Writes the first budget, and applies existing parameters and new defaults at once. Destroying it removes the budgets and
# their parameters.
resource "aws_lambda_invocation" "reconcile" {
  function_name   = module.apply_budget.function_name
  lifecycle_scope = "CRUD"
  input           = jsonencode({ source = "finops.terraform" })
  triggers = {
    thresholds = jsonencode(local.default_thresholds)
    emails     = jsonencode(var.notifications.emails)
  }

  depends_on = [module.apply_budget]
}

# The role that the management account assumes. Terraform creates it last and destroys it first, so that nothing is
# written to an incomplete spoke.
resource "aws_iam_role" "spoke" {
  name                 = "${var.name_prefix}-budgets-spoke"
  description          = "Lets the management account write this account's budget parameters"
  assume_role_policy   = data.aws_iam_policy_document.spoke_trust.json
  permissions_boundary = var.function_settings.permissions_boundary_arn
  tags                 = var.tags

  depends_on = [aws_lambda_invocation.reconcile]
}

resource "aws_iam_role_policy" "spoke" {
  name   = "${var.name_prefix}-budgets-spoke"
  role   = aws_iam_role.spoke.name
  policy = data.aws_iam_policy_document.spoke.json
}
