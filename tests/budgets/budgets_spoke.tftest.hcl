# Plans only, with a real provider and invented credentials: policies are compared whole, so that a
# statement that is missing, wider or new fails here.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "000000000000"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  account_id = "222222222222"
  region     = "eu-west-1"
  hub = {
    role_arns = [
      "arn:aws:iam::111111111111:role/finops-publish-budget",
      "arn:aws:iam::111111111111:role/finops-repair-budget-drift",
    ]
    external_id    = "finops-test"
    result_bus_arn = "arn:aws:events:eu-west-1:111111111111:event-bus/finops-budgets"
  }
  packages = {
    code   = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    layers = { core = { path = "core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }
}

run "defaults" {
  command = plan
  module { source = "../../modules/budgets_spoke" }

  # spoke role
  assert {
    condition = jsonencode([
      for s in jsondecode(aws_iam_role.spoke.assume_role_policy).Statement :
      [s.Sid, s.Effect, s.Action, sort(flatten([s.Principal.AWS])), s.Condition, keys(s.Principal)]
      ]) == jsonencode([[
        "HubAssumes", "Allow", "sts:AssumeRole",
        ["arn:aws:iam::111111111111:role/finops-publish-budget", "arn:aws:iam::111111111111:role/finops-repair-budget-drift"],
        { StringEquals = { "sts:ExternalId" = "finops-test" } },
        ["AWS"],
    ]])
    error_message = "The two hub roles, showing the external id, and nobody else may assume the spoke role."
  }

  assert {
    condition = jsonencode({
      for s in jsondecode(aws_iam_role_policy.spoke.policy).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      ListBudgetParameters = ["Allow", ["ssm:GetParametersByPath"], [
        "arn:aws:ssm:eu-west-1:222222222222:parameter/finops/budgets",
        "arn:aws:ssm:eu-west-1:222222222222:parameter/finops/budgets/*",
      ], null]
      ReadBudgets           = ["Allow", ["budgets:ViewBudget"], ["arn:aws:budgets::222222222222:budget/*"], null]
      WriteBudgetParameters = ["Allow", ["ssm:PutParameter"], ["arn:aws:ssm:eu-west-1:222222222222:parameter/finops/budgets/*"], null]
    })
    error_message = "The hub may write budget parameters, and see parameters and budgets."
  }

  assert {
    condition     = aws_iam_role.spoke.name == "finops-budgets-spoke"
    error_message = "The management account knows the role by its name."
  }

  # apply budget policy
  assert {
    condition = jsonencode({
      for s in jsondecode(module.apply_budget.policy_json).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      ListBudgetParameters = ["Allow", ["ssm:GetParametersByPath"], [
        "arn:aws:ssm:eu-west-1:222222222222:parameter/finops/budgets",
        "arn:aws:ssm:eu-west-1:222222222222:parameter/finops/budgets/*",
      ], null]
      ManageBudgets        = ["Allow", ["budgets:ListTagsForResource", "budgets:ModifyBudget", "budgets:TagResource", "budgets:ViewBudget"], ["arn:aws:budgets::222222222222:budget/*"], null]
      ReadBudgetParameters = ["Allow", ["ssm:DeleteParameter", "ssm:GetParameter"], ["arn:aws:ssm:eu-west-1:222222222222:parameter/finops/budgets/*"], null]
      ReportResults        = ["Allow", ["events:PutEvents"], ["arn:aws:events:eu-west-1:111111111111:event-bus/finops-budgets"], null]
      SendFailures         = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:222222222222:finops-apply-budget-failures"], null]
      WriteFirstBudget     = ["Allow", ["ssm:PutParameter"], ["arn:aws:ssm:eu-west-1:222222222222:parameter/finops/budgets/monthly-total"], null]
      WriteLogs            = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:222222222222:log-group:/aws/lambda/finops-apply-budget:*"], null]
      WriteTraces          = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The applier reads parameters, changes budgets and reports home."
  }

  # alert topic
  assert {
    condition = jsonencode([
      for s in jsondecode(aws_sns_topic.budget_alerts.policy).Statement :
      [s.Sid, s.Effect, s.Principal, s.Action, s.Resource, s.Condition]
      ]) == jsonencode([[
        "BudgetsPublish", "Allow", { Service = "budgets.amazonaws.com" }, "sns:Publish",
        "arn:aws:sns:eu-west-1:222222222222:finops-budget-alerts",
        {
          ArnLike      = { "aws:SourceArn" = "arn:aws:budgets::222222222222:*" }
          StringEquals = { "aws:SourceAccount" = "222222222222" }
        },
    ]])
    error_message = "AWS Budgets, for this account, may publish to the alert topic: nobody else."
  }

  # reconcile on deployment
  assert {
    condition     = aws_lambda_invocation.reconcile.lifecycle_scope == "CRUD" && aws_lambda_invocation.reconcile.terraform_key == "tf"
    error_message = "Terraform calls the applier on create, update and destroy."
  }
}

run "seed_budget" {
  command = plan
  module { source = "../../modules/budgets_spoke" }

  variables {
    seed_budget   = { amount = "250.50", time_unit = "QUARTERLY" }
    notifications = { thresholds = [{ type = "ACTUAL", percent = 75.5 }, { type = "FORECASTED", percent = 100 }], emails = ["finops@example.com"] }
  }

  assert {
    condition = jsonencode(local.seed_budget) == jsonencode({
      amount      = "250.50"
      budget_name = "monthly-total"
      currency    = "USD"
      time_unit   = "QUARTERLY"
    })
    error_message = "The applier writes the first budget from this row."
  }

  assert {
    condition = (
      jsonencode(local.default_thresholds) == jsonencode([{ percent = "75.5", type = "ACTUAL" }, { percent = "100", type = "FORECASTED" }])
      && aws_lambda_invocation.reconcile.triggers["emails"] == "[\"finops@example.com\"]"
    )
    error_message = "The applier gets the same defaults, and applies them again when they change."
  }
}

run "second_deployment_in_the_account" {
  command = plan
  module { source = "../../modules/budgets_spoke" }

  variables {
    name_prefix = "other"
  }

  assert {
    condition = (
      local.parameter_prefix == "/other/budgets"
      && local.seed_budget.budget_name == "other-monthly-total"
      && toset([for arn in flatten([for s in jsondecode(aws_iam_role_policy.spoke.policy).Statement : s.Resource]) : arn if strcontains(arn, ":ssm:")]) == toset([
        "arn:aws:ssm:eu-west-1:222222222222:parameter/other/budgets",
        "arn:aws:ssm:eu-west-1:222222222222:parameter/other/budgets/*",
      ])
    )
    error_message = "Its budget has a name of its own, and its parameters are below its own prefix, and nowhere else."
  }
}
