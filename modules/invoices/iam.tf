# What each function may do. lambda_function adds logs, traces, its failure queue and the key.
data "aws_iam_policy_document" "use_table" {
  source_policy_documents = [data.aws_iam_policy_document.record_audit_entries.json]

  statement {
    sid       = "UseTable"
    actions   = ["dynamodb:GetItem", "dynamodb:PutItem"]
    resources = [local.table_arn]
  }

  # Records that are too large for the table.
  statement {
    sid       = "KeepRecords"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket_arn}/textract/*"]
  }
}

# Each function records what it did.
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

data "aws_iam_policy_document" "receive_invoices" {
  source_policy_documents = [data.aws_iam_policy_document.use_table.json]

  statement {
    sid = "ConsumeFiles"
    actions = [
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
    ]
    resources = [local.queue_arns["files"]]
  }

  statement {
    sid       = "StartWorkflow"
    actions   = ["states:StartExecution"]
    resources = [local.workflow_arn]
  }

  dynamic "statement" {
    for_each = var.bucket.originals_lock[*]
    content {
      sid       = "LockOriginals"
      actions   = ["s3:GetObjectRetention", "s3:PutObjectRetention"]
      resources = ["${local.bucket_arn}/json/*", "${local.bucket_arn}/raw/*"]
    }
  }

  # Without these S3 may answer AccessDenied for an original that is gone.
  dynamic "statement" {
    for_each = var.bucket.originals_lock[*]
    content {
      sid       = "TellMissingObjects"
      actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
      resources = [local.bucket_arn]
    }
  }
}

data "aws_iam_policy_document" "extract_invoice" {
  #checkov:skip=CKV_AWS_356:Textract has no resources to name
  #checkov:skip=CKV_AWS_111:Textract has no resources to name
  source_policy_documents = [data.aws_iam_policy_document.use_table.json]

  statement {
    sid       = "ReadSettings"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/${local.settings_key}"]
  }

  statement {
    sid       = "ReadDocuments"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.bucket_arn}/raw/*"]
  }

  # Without these S3 answers AccessDenied for an object that is gone. The request has no prefix to limit them by.
  statement {
    sid       = "TellMissingObjects"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = [local.bucket_arn]
  }

  statement {
    sid = "ReadByTextract"
    actions = [
      "textract:AnalyzeExpense",
      "textract:GetExpenseAnalysis",
      "textract:StartExpenseAnalysis",
    ]
    resources = ["*"]
  }

  # In one transaction with the invoice: what it costs, counted for the day.
  statement {
    sid       = "CountSpending"
    actions   = ["dynamodb:UpdateItem"]
    resources = [local.table_arn]
  }

  statement {
    sid       = "LetTextractTellOfCompletions"
    actions   = ["iam:PassRole"]
    resources = ["arn:aws:iam::${var.account_id}:role/${local.completion_role_name}"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["textract.amazonaws.com"]
    }
  }

  statement {
    sid       = "ResumeWorkflow"
    actions   = ["states:SendTaskSuccess"]
    resources = [local.workflow_arn]
  }
}

data "aws_iam_policy_document" "finish_extraction" {
  #checkov:skip=CKV_AWS_356:Textract has no resources to name
  #checkov:skip=CKV_AWS_111:Textract has no resources to name
  source_policy_documents = [data.aws_iam_policy_document.use_table.json]

  statement {
    sid       = "ReadSettings"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/${local.settings_key}"]
  }

  # For the comparison with the text layer.
  dynamic "statement" {
    for_each = var.extraction.shadow ? ["shadow"] : []
    content {
      sid       = "ReadDocuments"
      actions   = ["s3:GetObject", "s3:GetObjectVersion"]
      resources = ["${local.bucket_arn}/raw/*"]
    }
  }

  # Without these S3 answers AccessDenied for a document that is gone.
  dynamic "statement" {
    for_each = var.extraction.shadow ? ["shadow"] : []
    content {
      sid       = "TellMissingObjects"
      actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
      resources = [local.bucket_arn]
    }
  }

  statement {
    sid = "ConsumeCompletions"
    actions = [
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
    ]
    resources = [local.queue_arns["extractions"]]
  }

  statement {
    sid       = "CollectFromTextract"
    actions   = ["textract:GetExpenseAnalysis"]
    resources = ["*"]
  }

  statement {
    sid       = "ResumeWorkflow"
    actions   = ["states:SendTaskSuccess"]
    resources = [local.workflow_arn]
  }
}

data "aws_iam_policy_document" "validate_invoice" {
  source_policy_documents = [data.aws_iam_policy_document.use_table.json]

  statement {
    sid       = "ReadJsonInvoices"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.bucket_arn}/json/*"]
  }

  # Without these S3 answers AccessDenied for an object that is gone. The request has no prefix to limit them by.
  statement {
    sid       = "TellMissingObjects"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = [local.bucket_arn]
  }

  statement {
    sid       = "ReadRules"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/${local.rules_key}"]
  }

  statement {
    sid       = "KnowVendors"
    actions   = ["dynamodb:GetItem"]
    resources = [local.vendors_table_arn]
  }

  # Each further invoice of a document gets a workflow of its own.
  statement {
    sid       = "StartWorkflow"
    actions   = ["states:StartExecution"]
    resources = [local.workflow_arn]
  }
}

data "aws_iam_policy_document" "review_invoice" {
  source_policy_documents = [data.aws_iam_policy_document.use_table.json]

  statement {
    sid       = "ResumeWorkflow"
    actions   = ["states:SendTaskSuccess"]
    resources = [local.workflow_arn]
  }

  # What is not a duplicate gets a workflow of its own.
  statement {
    sid       = "StartWorkflow"
    actions   = ["states:StartExecution"]
    resources = [local.workflow_arn]
  }
}

# What a person needs who decides about invoices on the command line: to read them, and the function's URL. Whoever may
# invoke the function itself, write the table or resume the workflow can decide in anybody's name.
data "aws_iam_policy_document" "reviewer" {
  statement {
    sid     = "FindFlow"
    actions = ["lambda:GetFunctionConfiguration", "lambda:GetFunctionUrlConfig"]
    resources = [
      for name in ["receive-invoices", "review-invoice"] :
      "arn:aws:lambda:${var.region}:${var.account_id}:function:${var.name_prefix}-${name}"
    ]
  }

  statement {
    sid       = "ReadInvoices"
    actions   = ["dynamodb:GetItem", "dynamodb:Query"]
    resources = [local.table_arn, "${local.table_arn}/index/*"]
  }

  statement {
    sid       = "ReadVendors"
    actions   = ["dynamodb:GetItem", "dynamodb:Scan"]
    resources = [local.vendors_table_arn]
  }

  statement {
    sid       = "ReadKeptAnswers"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/textract/*"]
  }

  statement {
    sid       = "Decide"
    actions   = ["lambda:InvokeFunctionUrl"]
    resources = [local.review_function_arn]

    condition {
      test     = "StringEquals"
      variable = "lambda:FunctionUrlAuthType"
      values   = ["AWS_IAM"]
    }
  }

  # URLs made since October 2025 need both: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
  statement {
    sid       = "DecideByUrlOnly"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.review_function_arn]

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

data "aws_iam_policy_document" "process_invoice" {
  source_policy_documents = [data.aws_iam_policy_document.use_table.json]

  # In one transaction: the number, the claims and the invoice.
  statement {
    sid       = "NumberInvoices"
    actions   = ["dynamodb:UpdateItem"]
    resources = [local.table_arn]
  }

  # In one transaction: a vendor, and by what it is recognised.
  statement {
    sid       = "LearnVendors"
    actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = [local.vendors_table_arn]
  }
}

# What a person needs who changes vendors on the command line.
data "aws_iam_policy_document" "vendor_manager" {
  source_policy_documents = [data.aws_iam_policy_document.record_audit_entries.json]

  statement {
    sid       = "FindFlow"
    actions   = ["lambda:GetFunctionConfiguration"]
    resources = ["arn:aws:lambda:${var.region}:${var.account_id}:function:${var.name_prefix}-receive-invoices"]
  }

  statement {
    sid = "ChangeVendors"
    actions = [
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Scan",
      "dynamodb:UpdateItem",
    ]
    resources = [local.vendors_table_arn]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn[*]
    content {
      sid       = "UseKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
}

data "aws_iam_policy_document" "tell" {
  source_policy_documents = [data.aws_iam_policy_document.use_table.json]

  statement {
    sid       = "TellSubscribers"
    actions   = ["sns:Publish"]
    resources = [for name in ["failure", "review", "success"] : local.topic_arns[name]]
  }
}

data "aws_iam_policy_document" "notify_invoice" {
  source_policy_documents = [data.aws_iam_policy_document.tell.json]

  dynamic "statement" {
    for_each = var.customer_mail[*]
    content {
      sid       = "ReadSettings"
      actions   = ["s3:GetObject"]
      resources = ["${local.bucket_arn}/${local.settings_key}"]
    }
  }

  dynamic "statement" {
    for_each = var.customer_mail[*].sender
    content {
      sid     = "MailCustomers"
      actions = ["ses:SendEmail"]
      # SES also checks the configuration set, and recipients that this account has verified: the sender is what limits.
      resources = [
        for kind in ["identity", "configuration-set"] : "arn:aws:ses:${var.region}:${var.account_id}:${kind}/*"
      ]

      condition {
        test     = "StringEquals"
        variable = "ses:FromAddress"
        values   = [statement.value]
      }
    }
  }
}

data "aws_iam_policy_document" "fail_invoice" {
  source_policy_documents = [data.aws_iam_policy_document.use_table.json]

  statement {
    sid       = "TellSubscribers"
    actions   = ["sns:Publish"]
    resources = [local.topic_arns["failure"]]
  }
}

# The workflow.
resource "aws_iam_role" "workflow" {
  name                 = local.workflow_name
  description          = "Lets the workflow ${local.workflow_name} call its functions"
  assume_role_policy   = data.aws_iam_policy_document.workflow_trust.json
  permissions_boundary = var.function_settings.permissions_boundary_arn
  tags                 = var.tags
}

data "aws_iam_policy_document" "workflow_trust" {
  statement {
    sid     = "StepFunctionsAssumes"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

resource "aws_iam_role_policy" "workflow" {
  name   = local.workflow_name
  role   = aws_iam_role.workflow.name
  policy = data.aws_iam_policy_document.workflow.json
}

data "aws_iam_policy_document" "workflow" {
  #checkov:skip=CKV_AWS_356:log delivery and X-Ray have no resources to name
  #checkov:skip=CKV_AWS_111:log delivery and X-Ray have no resources to name
  #checkov:skip=CKV_AWS_109:log delivery has no resources to name
  statement {
    sid     = "InvokeFunctions"
    actions = ["lambda:InvokeFunction"]
    resources = [
      for name in [
        "extract-invoice", "fail-invoice", "notify-invoice", "process-invoice", "review-invoice", "validate-invoice",
      ] : "arn:aws:lambda:${var.region}:${var.account_id}:function:${var.name_prefix}-${name}"
    ]
  }

  # https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
  statement {
    sid = "DeliverLogs"
    actions = [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }

  dynamic "statement" {
    for_each = var.function_settings.tracing ? ["xray"] : []
    content {
      sid = "WriteTraces"
      actions = [
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
      ]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn[*]
    content {
      sid       = "UseEncryptionKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
}
