# What each function may do. lambda_function adds logs, traces, its failure queue and the key.
locals {
  spoke_role_arns = var.organization_id == null ? [
    for id in sort(setunion(var.spoke_account_ids, [var.account_id])) : "arn:aws:iam::${id}:role/${local.spoke_role_name}"
  ] : ["arn:aws:iam::*:role/${local.spoke_role_name}"]
}

data "aws_iam_policy_document" "publish_budget" {
  source_policy_documents = [
    data.aws_iam_policy_document.reach_spokes.json,
    data.aws_iam_policy_document.record_audit_entries.json,
  ]

  statement {
    sid = "ReadBudgetStream"
    actions = [
      "dynamodb:DescribeStream",
      "dynamodb:GetRecords",
      "dynamodb:GetShardIterator",
      "dynamodb:ListStreams",
    ]
    resources = ["${local.budgets_table_arn}/stream/*"]
  }

  statement {
    sid       = "WriteBudgetStatus"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [local.status_table_arn]
  }

  # An account whose row is removed has a default again.
  statement {
    sid       = "ReadDefaults"
    actions   = ["dynamodb:Query", "dynamodb:Scan"]
    resources = [local.budgets_table_arn]
  }

  statement {
    sid       = "HandOnDefaults"
    actions   = ["sqs:SendMessage"]
    resources = [local.account_queue_arn]
  }
}

data "aws_iam_policy_document" "repair_budget_drift" {
  source_policy_documents = [
    data.aws_iam_policy_document.reach_spokes.json,
    data.aws_iam_policy_document.record_audit_entries.json,
  ]

  statement {
    sid       = "ReadBudgets"
    actions   = ["dynamodb:Query", "dynamodb:Scan"]
    resources = [local.budgets_table_arn]
  }

  statement {
    sid = "WriteBudgetStatus"
    actions = [
      "dynamodb:GetItem",
      "dynamodb:Query",
      "dynamodb:Scan",
      "dynamodb:UpdateItem",
    ]
    resources = [local.status_table_arn]
  }

  # To name the accounts without a budget. The action knows no resource.
  dynamic "statement" {
    for_each = var.organization_id[*]
    content {
      sid       = "ListAccounts"
      actions   = ["organizations:ListAccounts"]
      resources = ["*"]
    }
  }

  statement {
    sid = "WorkThroughAccounts"
    actions = [
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
      "sqs:SendMessage",
    ]
    resources = [local.account_queue_arn]
  }
}

# What a person needs who approves raises on the command line: to read statuses, and the function's URL. Whoever may invoke
# the function itself can repair drift; whoever may write the tables can do without approvals.
data "aws_iam_policy_document" "approver" {
  statement {
    sid       = "FindApprovals"
    actions   = ["lambda:GetFunctionUrlConfig"]
    resources = [local.drift_function_arn]
  }

  statement {
    sid       = "ReadStatus"
    actions   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"]
    resources = [local.budgets_table_arn, local.status_table_arn]
  }

  statement {
    sid       = "Approve"
    actions   = ["lambda:InvokeFunctionUrl"]
    resources = [local.drift_function_arn]

    condition {
      test     = "StringEquals"
      variable = "lambda:FunctionUrlAuthType"
      values   = ["AWS_IAM"]
    }
  }

  # URLs made since October 2025 need both: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
  statement {
    sid       = "ApproveByUrlOnly"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.drift_function_arn]

    condition {
      test     = "Bool"
      variable = "lambda:InvokedViaFunctionUrl"
      values   = ["true"]
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn[*]
    content {
      sid       = "ReadEncrypted"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

data "aws_iam_policy_document" "record_budget_result" {
  source_policy_documents = [data.aws_iam_policy_document.record_audit_entries.json]

  statement {
    sid       = "WriteBudgetStatus"
    actions   = ["dynamodb:UpdateItem"]
    resources = [local.status_table_arn]
  }
}

data "aws_iam_policy_document" "expire_pending_budget" {
  source_policy_documents = [data.aws_iam_policy_document.record_audit_entries.json]

  statement {
    sid       = "WriteBudgetStatus"
    actions   = ["dynamodb:UpdateItem"]
    resources = [local.status_table_arn]
  }

  statement {
    sid       = "ConsumeDeadlines"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [local.deadline_queue_arn]
  }
}

# For the functions that record what they did.
data "aws_iam_policy_document" "record_audit_entries" {
  dynamic "statement" {
    for_each = var.audit[*]
    content {
      sid       = "RecordAuditEntries"
      actions   = ["sqs:SendMessage"]
      resources = [statement.value.queue_arn]
    }
  }
}

# Shared by the two hub roles: the publisher and the repairer.
data "aws_iam_policy_document" "reach_spokes" {
  statement {
    sid       = "AssumeSpokeRoles"
    actions   = ["sts:AssumeRole"]
    resources = local.spoke_role_arns

    dynamic "condition" {
      for_each = var.organization_id[*]
      content {
        test     = "StringEquals"
        variable = "aws:ResourceOrgID"
        values   = [condition.value]
      }
    }
  }

  # To tell an account that is not in the organization apart from one whose spoke is not deployed.
  dynamic "statement" {
    for_each = var.organization_id[*]
    content {
      sid       = "DescribeAccounts"
      actions   = ["organizations:DescribeAccount"]
      resources = ["arn:aws:organizations::*:account/${statement.value}/*"]
    }
  }

  # To tell who inherits which default. DescribeOrganization, which names the management account, knows no resource.
  dynamic "statement" {
    for_each = var.organization_id[*]
    content {
      sid       = "DescribeOrganization"
      actions   = ["organizations:DescribeOrganization"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = var.organization_id[*]
    content {
      sid = "ListUnits"
      actions = [
        "organizations:ListAccountsForParent",
        "organizations:ListOrganizationalUnitsForParent",
        "organizations:ListParents",
      ]
      resources = [
        "arn:aws:organizations::*:account/${statement.value}/*",
        "arn:aws:organizations::*:ou/${statement.value}/*",
      ]
    }
  }

  statement {
    sid       = "SetDeadlines"
    actions   = ["sqs:SendMessage"]
    resources = [local.deadline_queue_arn]
  }
}

# Spokes may only report results. AWS sets the account field of each event, so a spoke cannot report for another.
data "aws_iam_policy_document" "results_bus" {
  statement {
    sid       = "SpokesReportResults"
    actions   = ["events:PutEvents"]
    resources = [local.result_bus_arn]

    principals {
      type = "AWS"
      identifiers = var.organization_id == null ? [
        for id in sort(var.spoke_account_ids) : "arn:aws:iam::${id}:root"
      ] : ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "events:source"
      values   = [local.result_source]
    }

    condition {
      test     = "StringEquals"
      variable = "events:detail-type"
      values   = [local.result_type]
    }

    dynamic "condition" {
      for_each = var.organization_id[*]
      content {
        test     = "StringEquals"
        variable = "aws:PrincipalOrgID"
        values   = [condition.value]
      }
    }
  }
}
