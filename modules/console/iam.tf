locals {
  functions = "arn:aws:lambda:${var.region}:${var.account_id}:function:${var.name_prefix}"
  tables    = "arn:aws:dynamodb:${var.region}:${var.account_id}:table/${var.name_prefix}"
  queues    = "arn:aws:sqs:${var.region}:${var.account_id}:${var.name_prefix}"
  workflow  = "${var.name_prefix}-invoice-workflow"

  invoices = "arn:aws:s3:::${var.flows.invoices_bucket}"
  billing  = "arn:aws:s3:::${var.flows.billing_bucket}"
  reports  = var.flows.reports_bucket == null ? [] : ["arn:aws:s3:::${var.flows.reports_bucket}"]
  trail    = var.flows.audit_bucket == null ? [] : ["arn:aws:s3:::${var.flows.audit_bucket}"]
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

resource "aws_iam_role" "execution" {
  name                 = "${local.name}-execution"
  description          = "Pulls the console's image, and writes its log"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.settings.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "execution" {
  name   = "execution"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

data "aws_iam_policy_document" "execution" {
  #checkov:skip=CKV_AWS_356:a registry's token has no resource to name
  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  dynamic "statement" {
    for_each = var.image.repository_arn == null ? [] : ["ecr"]
    content {
      sid       = "SignInToRegistry"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = var.image.repository_arn == null ? [] : [var.image.repository_arn]
    content {
      sid = "PullImage"
      actions = [
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
      ]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role" "task" {
  name                 = local.name
  description          = "What the pages of the console may do"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.settings.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "task" {
  name   = "console"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.task.json
}

data "aws_iam_policy_document" "task" {
  statement {
    sid     = "FindFlows"
    actions = ["lambda:GetFunctionConfiguration"]
    resources = [
      for name in ["append-audit-entries", "load-billing-file", "receive-invoices", "reconcile-month", "write-audit-head"] :
      "${local.functions}-${name}"
    ]
  }

  statement {
    sid     = "RunFunctions"
    actions = ["lambda:InvokeFunction"]
    resources = [
      for name in ["reconcile-month", "repair-budget-drift", "withdraw-billing-file"] : "${local.functions}-${name}"
    ]
  }

  statement {
    sid = "EditBudgets"
    actions = [
      "dynamodb:BatchWriteItem",
      "dynamodb:DeleteItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:Scan",
      "dynamodb:UpdateItem",
    ]
    resources = ["${local.tables}-budgets"]
  }

  statement {
    sid       = "ReadBudgetStatus"
    actions   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"]
    resources = ["${local.tables}-budget-status"]
  }

  statement {
    sid       = "ApproveRaises"
    actions   = ["dynamodb:UpdateItem"]
    resources = ["${local.tables}-budget-status"]
  }

  statement {
    sid       = "ApplyRaises"
    actions   = ["sqs:GetQueueUrl", "sqs:SendMessage"]
    resources = ["${local.queues}-budget-accounts"]
  }

  statement {
    sid       = "ReviewInvoices"
    actions   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem"]
    resources = ["${local.tables}-invoices"]
  }

  statement {
    sid       = "EditVendors"
    actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem"]
    resources = ["${local.tables}-vendors"]
  }

  statement {
    sid     = "ListInvoices"
    actions = ["dynamodb:Query"]
    resources = [
      for index in ["by_month", "by_status", "search_by_month", "search_by_status"] :
      "${local.tables}-invoices/index/${index}"
    ]
  }

  statement {
    sid       = "ReadDocuments"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = [for folder in ["json", "raw", "textract"] : "${local.invoices}/${folder}/*"]
  }

  # Browsers upload to raw/ with forms that the console signs. textract/ holds records that are too large for the table.
  statement {
    sid       = "WriteDocuments"
    actions   = ["s3:PutObject"]
    resources = ["${local.invoices}/raw/*", "${local.invoices}/textract/*"]
  }

  statement {
    sid       = "ResumeWorkflow"
    actions   = ["states:SendTaskSuccess"]
    resources = ["arn:aws:states:${var.region}:${var.account_id}:stateMachine:${local.workflow}"]
  }

  statement {
    sid       = "ProcessDuplicates"
    actions   = ["states:StartExecution"]
    resources = ["arn:aws:states:${var.region}:${var.account_id}:stateMachine:${local.workflow}"]
  }

  statement {
    sid       = "RedriveWorkflow"
    actions   = ["states:RedriveExecution"]
    resources = ["arn:aws:states:${var.region}:${var.account_id}:execution:${local.workflow}:*"]
  }

  statement {
    sid       = "ReadBillingFiles"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = [for folder in ["billing", "config", "quarantine", "rates"] : "${local.billing}/${folder}/*"]
  }

  statement {
    sid       = "WriteBillingFiles"
    actions   = ["s3:PutObject"]
    resources = ["${local.billing}/billing/*", "${local.billing}/rates/*"]
  }

  statement {
    sid       = "ListRefusedRows"
    actions   = ["s3:ListBucket"]
    resources = [local.billing]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["quarantine/*"]
    }
  }

  statement {
    sid       = "LoadFilesAgain"
    actions   = ["sqs:GetQueueUrl", "sqs:SendMessage"]
    resources = ["${local.queues}-billing-files"]
  }

  statement {
    sid       = "AskDatabase"
    actions   = ["rds-data:ExecuteStatement"]
    resources = [var.flows.database_arn]
  }

  statement {
    sid       = "ReadDatabaseSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.flows.database_secret_arn]
  }

  dynamic "statement" {
    for_each = local.reports
    content {
      sid       = "ListReports"
      actions   = ["s3:ListBucket"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = ["provisional/*", "reports/*"]
      }
    }
  }

  dynamic "statement" {
    for_each = local.reports
    content {
      sid       = "ReadReports"
      actions   = ["s3:GetObject"]
      resources = ["${statement.value}/provisional/*", "${statement.value}/reports/*"]
    }
  }

  dynamic "statement" {
    for_each = local.trail
    content {
      sid       = "ListTrail"
      actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = local.trail
    content {
      sid       = "ReadTrail"
      actions   = ["s3:GetObject", "s3:GetObjectVersion"]
      resources = ["${statement.value}/*"]
    }
  }

  dynamic "statement" {
    for_each = local.trail
    content {
      sid       = "RecordWhatPeopleDo"
      actions   = ["sqs:SendMessage"]
      resources = ["${local.queues}-audit-entries.fifo"]
    }
  }

  dynamic "statement" {
    for_each = var.flows.audit_signing_key_arn == null ? [] : [var.flows.audit_signing_key_arn]
    content {
      sid       = "VerifyTrail"
      actions   = ["kms:Verify"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = length(var.flows.kms_key_arns) == 0 ? [] : ["keys"]
    content {
      sid       = "UseKeys"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = var.flows.kms_key_arns
    }
  }
}
