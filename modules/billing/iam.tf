# What each function may do. lambda_function adds logs, traces, its failure queue and the key.
data "aws_iam_policy_document" "run_statements" {
  statement {
    sid = "RunStatements"
    actions = [
      "rds-data:BeginTransaction",
      "rds-data:CommitTransaction",
      "rds-data:ExecuteStatement",
      "rds-data:RollbackTransaction",
    ]
    resources = [var.database.cluster_arn]
  }
}

# The secret decides which user of the database a function is.
data "aws_iam_policy_document" "use_database" {
  source_policy_documents = [data.aws_iam_policy_document.run_statements.json]

  statement {
    sid       = "ReadDatabaseSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.database.loader_secret_arn]
  }
}

data "aws_iam_policy_document" "migrate_billing_database" {
  source_policy_documents = [data.aws_iam_policy_document.run_statements.json]

  statement {
    sid       = "ReadDatabaseSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.database.secret_arn]
  }

  statement {
    sid       = "KeepUsersSecrets"
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
    resources = [var.database.loader_secret_arn, var.database.reader_secret_arn]
  }
}

data "aws_iam_policy_document" "quarantine_rows" {
  source_policy_documents = [data.aws_iam_policy_document.use_database.json]

  statement {
    sid       = "QuarantineRows"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = ["${local.bucket_arn}/quarantine/*"]
  }
}

data "aws_iam_policy_document" "load_billing_file" {
  source_policy_documents = [
    data.aws_iam_policy_document.quarantine_rows.json,
    data.aws_iam_policy_document.record_audit_entries.json,
  ]

  statement {
    sid       = "ReadFiles"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.bucket_arn}/billing/*", "${local.bucket_arn}/rates/*", local.settings_arn]
  }

  dynamic "statement" {
    for_each = var.bucket.originals_lock[*]
    content {
      sid       = "LockOriginals"
      actions   = ["s3:GetObjectRetention", "s3:PutObjectRetention"]
      resources = ["${local.bucket_arn}/billing/*", "${local.bucket_arn}/rates/*"]
    }
  }

  # Without these S3 answers AccessDenied for an object that is gone. The request has no prefix to limit them by.
  statement {
    sid       = "TellMissingObjects"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = [local.bucket_arn]
  }

  statement {
    sid = "ConsumeFiles"
    actions = [
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
    ]
    resources = [local.queue_arn]
  }

  statement {
    sid       = "StartWorkflow"
    actions   = ["states:StartExecution"]
    resources = [local.workflow_arn]
  }

  statement {
    sid       = "SeeWorkflow"
    actions   = ["states:DescribeExecution"]
    resources = ["${replace(local.workflow_arn, ":stateMachine:", ":execution:")}:*"]
  }
}

# Files that people dropped have other keys, so none of them is written over.
data "aws_iam_policy_document" "fetch_billing_rates" {
  statement {
    sid       = "WriteRates"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arn}/rates/ecb/*"]
  }
}

data "aws_iam_policy_document" "plan_billing_chunks" {
  source_policy_documents = [data.aws_iam_policy_document.use_database.json]

  statement {
    sid       = "ReadFiles"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.bucket_arn}/billing/*", local.settings_arn]
  }

  # Without these S3 answers AccessDenied for an object that is gone. The request has no prefix to limit them by.
  statement {
    sid       = "TellMissingObjects"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = [local.bucket_arn]
  }

  statement {
    sid       = "WriteChunks"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = ["${local.bucket_arn}/chunks/*"]
  }
}

data "aws_iam_policy_document" "load_billing_chunk" {
  source_policy_documents = [data.aws_iam_policy_document.quarantine_rows.json]

  statement {
    sid       = "ReadFiles"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.bucket_arn}/billing/*", "${local.bucket_arn}/chunks/*", local.settings_arn]
  }
}

# For the last steps of the workflow, which record the result of a file.
data "aws_iam_policy_document" "end_billing_file" {
  source_policy_documents = [
    data.aws_iam_policy_document.use_database.json,
    data.aws_iam_policy_document.record_audit_entries.json,
  ]
}

# A move copies a file to another folder, where no other file may be.
data "aws_iam_policy_document" "withdraw_billing_file" {
  source_policy_documents = [
    data.aws_iam_policy_document.use_database.json,
    data.aws_iam_policy_document.record_audit_entries.json,
  ]

  statement {
    sid       = "ReadFiles"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.bucket_arn}/billing/*"]
  }

  statement {
    sid       = "CopyFiles"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = ["${local.bucket_arn}/billing/*"]
  }

  # Without it S3 answers AccessDenied for a key that is free.
  statement {
    sid       = "TellMissingObjects"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]
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

data "aws_iam_policy_document" "queue" {
  statement {
    sid       = "BucketTellsOfFiles"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arn]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.bucket_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
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
      for name in ["fail-billing-file", "finish-billing-file", "load-billing-chunk", "plan-billing-chunks"] :
      "arn:aws:lambda:${var.region}:${var.account_id}:function:${var.name_prefix}-${name}"
    ]
  }

  statement {
    sid       = "ReadPlans"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/chunks/*"]
  }

  # A Distributed Map starts child executions of its own workflow.
  statement {
    sid       = "StartMapRuns"
    actions   = ["states:StartExecution"]
    resources = [local.workflow_arn]
  }

  # The ARN that AWS documents (…:*), and the ARNs of child executions (…/LABEL:*):
  # https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
  statement {
    sid     = "FollowMapRuns"
    actions = ["states:DescribeExecution", "states:StopExecution"]
    resources = [
      for separator in ["/", ":"] :
      "${replace(local.workflow_arn, ":stateMachine:", ":execution:")}${separator}*"
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
