# Queues of new files, and of Textract's completions of long documents.
locals {
  collecting_seconds = 300

  queues = {
    files = {
      name         = "${var.name_prefix}-invoice-files"
      function     = "receive-invoices"
      timeout      = 60
      batch_size   = 10
      concurrency  = var.extraction.intake.maximum_concurrency
      sender       = "s3.amazonaws.com"
      sender_arn   = local.bucket_arn
      sender_names = "BucketTellsOfFiles"
    }
    extractions = {
      name         = "${var.name_prefix}-invoice-extractions"
      function     = "finish-extraction"
      timeout      = local.collecting_seconds
      batch_size   = 1
      concurrency  = var.extraction.intake.maximum_concurrency
      sender       = "sns.amazonaws.com"
      sender_arn   = local.topic_arns["extractions"]
      sender_names = "TopicTellsOfCompletions"
    }
  }
  queue_arns = { for name, queue in local.queues : name => "arn:aws:sqs:${var.region}:${var.account_id}:${queue.name}" }
}

resource "aws_sqs_queue" "this" {
  for_each = local.queues

  name                       = each.value.name
  visibility_timeout_seconds = 6 * each.value.timeout # as AWS advises
  message_retention_seconds  = 1209600
  sqs_managed_sse_enabled    = var.kms_key_arn == null ? true : null
  kms_master_key_id          = var.kms_key_arn
  policy                     = data.aws_iam_policy_document.queue[each.key].json
  tags                       = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = module.function[each.value.function].failure_queue_arn
    maxReceiveCount     = var.extraction.intake.maximum_tries
  })
}

resource "aws_lambda_event_source_mapping" "this" {
  for_each = local.queues

  event_source_arn        = aws_sqs_queue.this[each.key].arn
  function_name           = module.function[each.value.function].function_arn
  batch_size              = each.value.batch_size
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  scaling_config {
    maximum_concurrency = each.value.concurrency
  }
}

data "aws_iam_policy_document" "queue" {
  for_each = local.queues

  statement {
    sid       = each.value.sender_names
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arns[each.key]]

    principals {
      type        = "Service"
      identifiers = [each.value.sender]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [each.value.sender_arn]
    }

    # A bucket's ARN names no account, and a deleted bucket's name can be taken by another one. A topic's ARN names it, and
    # SNS is told by its ARN alone.
    dynamic "condition" {
      for_each = each.value.sender == "s3.amazonaws.com" ? [var.account_id] : []
      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [condition.value]
      }
    }
  }
}
