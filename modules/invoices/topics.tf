# Topics with the results of invoices, for people and programs, and a topic of Textract's completions for the flow itself.
resource "aws_sns_topic" "this" {
  #checkov:skip=CKV_AWS_26:a customer managed key is a setting; AWS's own key for SNS would lock Textract out
  for_each = local.topics

  name              = each.value
  kms_master_key_id = var.kms_key_arn
  tags              = var.tags
}

resource "aws_sns_topic_subscription" "extractions" {
  topic_arn = aws_sns_topic.this["extractions"].arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.this["extractions"].arn
}

# Textract publishes as this role: https://docs.aws.amazon.com/textract/latest/dg/api-async-roles.html
locals {
  completion_role_name = "${var.name_prefix}-invoice-extractions"
}

resource "aws_iam_role" "completion" {
  name                 = local.completion_role_name
  description          = "Lets Textract publish that a document is read"
  assume_role_policy   = data.aws_iam_policy_document.completion_trust.json
  permissions_boundary = var.function_settings.permissions_boundary_arn
  tags                 = var.tags
}

data "aws_iam_policy_document" "completion_trust" {
  statement {
    sid     = "TextractAssumes"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["textract.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

resource "aws_iam_role_policy" "completion" {
  name   = local.completion_role_name
  role   = aws_iam_role.completion.name
  policy = data.aws_iam_policy_document.completion.json
}

data "aws_iam_policy_document" "completion" {
  statement {
    sid       = "TellOfCompletions"
    actions   = ["sns:Publish"]
    resources = [local.topic_arns["extractions"]]
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
