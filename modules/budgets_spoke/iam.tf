data "aws_iam_policy_document" "spoke_trust" {
  statement {
    sid     = "HubAssumes"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = var.hub.role_arns
    }

    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.hub.external_id]
    }
  }
}

data "aws_iam_policy_document" "spoke" {
  statement {
    sid       = "WriteBudgetParameters"
    actions   = ["ssm:PutParameter"]
    resources = ["${local.parameters_arn}/*"]
  }

  # AWS checks the path both with and without the trailing slash.
  statement {
    sid       = "ListBudgetParameters"
    actions   = ["ssm:GetParametersByPath"]
    resources = [local.parameters_arn, "${local.parameters_arn}/*"]
  }

  statement {
    sid       = "ReadBudgets"
    actions   = ["budgets:ViewBudget"]
    resources = [local.budgets_arn]
  }
}

data "aws_iam_policy_document" "apply_budget" {
  statement {
    sid       = "ReadBudgetParameters"
    actions   = ["ssm:DeleteParameter", "ssm:GetParameter"]
    resources = ["${local.parameters_arn}/*"]
  }

  statement {
    sid       = "ListBudgetParameters"
    actions   = ["ssm:GetParametersByPath"]
    resources = [local.parameters_arn, "${local.parameters_arn}/*"]
  }

  statement {
    sid       = "WriteFirstBudget"
    actions   = ["ssm:PutParameter"]
    resources = ["${local.parameters_arn}/${local.seed_budget_name}"]
  }

  statement {
    sid = "ManageBudgets"
    actions = [
      "budgets:ListTagsForResource",
      "budgets:ModifyBudget",
      "budgets:TagResource",
      "budgets:ViewBudget",
    ]
    resources = [local.budgets_arn]
  }

  statement {
    sid       = "ReportResults"
    actions   = ["events:PutEvents"]
    resources = [var.hub.result_bus_arn]
  }
}

data "aws_iam_policy_document" "alert_topic" {
  statement {
    sid       = "BudgetsPublish"
    actions   = ["sns:Publish"]
    resources = [local.alert_topic_arn]

    principals {
      type        = "Service"
      identifiers = ["budgets.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:aws:budgets::${var.account_id}:*"]
    }
  }
}
