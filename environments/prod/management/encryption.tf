# One key for tables, the database, files, queues, logs and environment variables. Not for the audit trail: its entries are
# locked for years and must stay readable when this key is deleted. IAM policies of the account say who
# may use it. This policy also allows the services that do not act for a principal.
resource "aws_kms_key" "finops" {
  count = var.kms_key_arn == null ? 1 : 0

  description         = "FinOps data of the management account"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
  tags                = var.tags
}

resource "aws_kms_alias" "finops" {
  count = length(aws_kms_key.finops)

  name          = "alias/${var.name_prefix}"
  target_key_id = aws_kms_key.finops[0].key_id
}

moved {
  from = aws_kms_key.finops
  to   = aws_kms_key.finops[0]
}

moved {
  from = aws_kms_alias.finops
  to   = aws_kms_alias.finops[0]
}

locals {
  kms_key_arn = var.kms_key_arn == null ? aws_kms_key.finops[0].arn : var.kms_key_arn
}

data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:in a key's policy * is the key alone
  #checkov:skip=CKV_AWS_111:in a key's policy * is the key alone
  #checkov:skip=CKV_AWS_356:in a key's policy * is the key alone
  statement {
    sid       = "AccountDecides"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${var.account_id}:root"]
    }
  }

  statement {
    sid       = "LogsEncrypt"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values = [
        "arn:aws:logs:${var.region}:${var.account_id}:log-group:/aws/lambda/${var.name_prefix}-*",
        "arn:aws:logs:${var.region}:${var.account_id}:log-group:/aws/vendedlogs/states/${var.name_prefix}-*",
        "arn:aws:logs:${var.region}:${var.account_id}:log-group:/ecs/${var.name_prefix}-*",
      ]
    }
  }

  # Encrypted state machines deliver their logs:
  # https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
  statement {
    sid       = "WorkflowsDeliverLogs"
    actions   = ["kms:Decrypt"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["delivery.logs.amazonaws.com"]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }

  # Event rules send undelivered events to the encrypted failure queues, and the event bus encrypts results:
  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-key-policy.html
  statement {
    sid       = "EventsSendUndelivered"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    # For topics AWS says that EventBridge tells a key neither its account nor its ARN, for queues no page says anything:
    # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html. Where it tells an account, it must be this one.
    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }

  # Buckets send events to encrypted queues.
  statement {
    sid       = "BucketsTellQueues"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }

  # A topic sends completions to its queue. SNS is told by the topic's ARN.
  statement {
    sid       = "TopicsTellQueues"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:aws:sns:${var.region}:${var.account_id}:${var.name_prefix}-*"]
    }
  }

  # Alarms tell an encrypted topic. Where CloudWatch tells the key an account, it must be this one.
  statement {
    sid       = "AlarmsTellTopics"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}
