# What each function may do. lambda_function adds logs, traces, its failure queue and the key.
data "aws_iam_policy_document" "append_audit_entries" {
  statement {
    sid       = "AppendEntries"
    actions   = ["s3:PutObject"]
    resources = local.entries_arns
  }

  statement {
    sid       = "ReadEntries"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = local.entries_arns
  }

  statement {
    sid       = "ListTrail"
    actions   = ["s3:ListBucketVersions"]
    resources = [local.bucket_arn]
  }

  statement {
    sid = "ConsumeEntries"
    actions = [
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
    ]
    resources = [local.queue_arn]
  }
}

data "aws_iam_policy_document" "write_audit_head" {
  statement {
    sid       = "WriteHeads"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arn}/heads/*"]
  }

  statement {
    sid       = "ReadTrail"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.bucket_arn}/heads/*", "${local.bucket_arn}/trail/*"]
  }

  statement {
    sid       = "ListTrail"
    actions   = ["s3:ListBucketVersions"]
    resources = [local.bucket_arn]
  }

  dynamic "statement" {
    for_each = local.heads_are_signed ? ["signed"] : []
    content {
      sid       = "SignHeads"
      actions   = ["kms:Sign"]
      resources = [local.signing_key_arn]
    }
  }
}

# For the functions of the flows that send entries.
data "aws_iam_policy_document" "send" {
  statement {
    sid       = "RecordAuditEntries"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arn]
  }
}

# SQS knows no condition for the stream: the appender tells which sender may write which one.
data "aws_iam_policy_document" "entries_queue" {
  count = var.senders == null ? 0 : 1

  statement {
    sid       = "DenyOtherSenders"
    effect    = "Deny"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arn]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    # A role's sessions have its id and their own name.
    condition {
      test     = "StringNotLike"
      variable = "aws:userid"
      values   = sort(flatten([for id in distinct(flatten(values(local.senders))) : [id, "${id}:*"]]))
    }
  }
}

locals {
  entries_arns = ["${local.bucket_arn}/ids/*", "${local.bucket_arn}/trail/*"]

  # A role's sessions are named too: some AWS-compatible clouds check those instead.
  principals = {
    for role in [local.appender_name, local.head_writer_name] : role => [
      "arn:aws:iam::${var.account_id}:role/${role}",
      "arn:aws:sts::${var.account_id}:assumed-role/${role}/*",
    ]
  }

  # Only this role may write this part.
  writers = {
    Entries = { role = local.appender_name, resources = local.entries_arns }
    Heads   = { role = local.head_writer_name, resources = ["${local.bucket_arn}/heads/*"] }
  }
}

data "aws_iam_policy_document" "bucket" {
  dynamic "statement" {
    for_each = local.writers
    content {
      sid       = "DenyOtherWritersOf${statement.key}"
      effect    = "Deny"
      actions   = ["s3:PutObject"]
      resources = statement.value.resources

      principals {
        type        = "AWS"
        identifiers = ["*"]
      }

      condition {
        test     = "ArnNotLike"
        variable = "aws:PrincipalArn"
        values   = local.principals[statement.value.role]
      }
    }
  }

  dynamic "statement" {
    for_each = var.bucket.force_destroy ? [] : ["kept"]
    content {
      sid    = "DenyRemoval"
      effect = "Deny"
      actions = [
        "s3:BypassGovernanceRetention",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:PutLifecycleConfiguration",
      ]
      resources = [local.bucket_arn, "${local.bucket_arn}/*"]

      principals {
        type        = "AWS"
        identifiers = ["*"]
      }
    }
  }
}
