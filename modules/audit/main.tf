# ARNs are built from names. So policies are known at plan, and nothing waits for a queue, which the provider needs
# 25 seconds to create.
locals {
  bucket_name   = coalesce(var.bucket.name, "${var.name_prefix}-audit-${var.account_id}-${var.region}")
  bucket_arn    = "arn:aws:s3:::${local.bucket_name}"
  queue_name    = "${var.name_prefix}-audit-entries.fifo"
  queue_arn     = "arn:aws:sqs:${var.region}:${var.account_id}:${local.queue_name}"
  failures_name = "${var.name_prefix}-audit-entries-failures.fifo"
  queues_url    = "https://sqs.${var.region}.amazonaws.com/${var.account_id}"
  queue_url     = "${local.queues_url}/${local.queue_name}"

  appender_name    = "${var.name_prefix}-append-audit-entries"
  head_writer_name = "${var.name_prefix}-write-audit-head"

  heads_are_signed = var.heads.sign || var.heads.signing_key_arn != null
  signing_key_arn  = var.heads.sign ? aws_kms_key.heads[0].arn : var.heads.signing_key_arn

  senders = var.senders == null ? null : { for stream, ids in merge(var.senders.streams, { "*" = var.senders.people }) : stream => sort(ids) }

  functions = {
    append-audit-entries = {
      description = "Appends the entries of the flows to the audit trail"
      policy      = data.aws_iam_policy_document.append_audit_entries.json
      memory_mb   = var.appending.memory_mb
      timeout     = var.appending.timeout_seconds
      schedule    = null
      environment = {
        BUCKET             = local.bucket_name
        QUEUE_URL          = local.queue_url
        REJECTED_QUEUE_URL = "${local.queues_url}/${local.appender_name}-failures"
        SENDERS            = local.senders == null ? "" : jsonencode(local.senders)
      }
    }
    write-audit-head = {
      description = "Verifies new entries of the audit trail, and writes a head"
      policy      = data.aws_iam_policy_document.write_audit_head.json
      memory_mb   = 512
      timeout     = 900
      schedule    = { expression = var.heads.schedule_expression, input_json = jsonencode({}) }
      environment = merge(
        { BUCKET = local.bucket_name },
        local.heads_are_signed ? { SIGNING_KEY_ARN = local.signing_key_arn } : {},
      )
    }
  }
}

resource "aws_lambda_layer_version" "core" {
  layer_name        = "${var.name_prefix}-audit-core"
  filename          = var.packages.layers["core"].path
  s3_bucket         = var.packages.layers["core"].s3_bucket
  s3_key            = var.packages.layers["core"].s3_key
  s3_object_version = var.packages.layers["core"].s3_object_version
  source_code_hash  = var.packages.layers["core"].sha256_base64
}

module "function" {
  source   = "../lambda_function"
  for_each = local.functions

  account_id  = var.account_id
  region      = var.region
  kms_key_arn = var.kms_key_arn
  settings    = var.function_settings
  alarms      = { enabled = var.alarms.enabled, topic_arns = var.alarms.topic_arns }
  policy_json = each.value.policy
  package     = var.packages.code
  layer_arns  = [aws_lambda_layer_version.core.arn]
  environment = each.value.environment
  schedule    = each.value.schedule
  tags        = var.tags

  function = {
    name            = "${var.name_prefix}-${each.key}"
    description     = each.value.description
    handler         = "finops.audit.handlers.${replace(each.key, "-", "_")}"
    memory_mb       = each.value.memory_mb
    timeout_seconds = each.value.timeout
  }
}

# Entries wait here, in the order of each stream, until they are written.
resource "aws_sqs_queue" "entries" {
  name                       = local.queue_name
  fifo_queue                 = true
  deduplication_scope        = "messageGroup"
  fifo_throughput_limit      = "perMessageGroupId"
  visibility_timeout_seconds = 6 * var.appending.timeout_seconds # as AWS advises; the appender asks for less when it fails
  message_retention_seconds  = 1209600
  sqs_managed_sse_enabled    = var.kms_key_arn == null ? true : null
  kms_master_key_id          = var.kms_key_arn
  policy                     = one(data.aws_iam_policy_document.entries_queue[*].json)
  tags                       = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.failures.arn
    maxReceiveCount     = var.appending.maximum_tries
  })
}

# Entries that could not be written are kept for 14 more days: a FIFO queue counts from when it receives a message.
resource "aws_sqs_queue" "failures" {
  name                      = local.failures_name
  fifo_queue                = true
  deduplication_scope       = "messageGroup"
  fifo_throughput_limit     = "perMessageGroupId"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null
  kms_master_key_id         = var.kms_key_arn
  tags                      = var.tags
}

resource "aws_lambda_event_source_mapping" "entries" {
  event_source_arn        = aws_sqs_queue.entries.arn
  function_name           = module.function["append-audit-entries"].function_arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.appending.maximum_concurrency
  }

  tags = var.tags

  # No entry is written before the bucket locks it.
  depends_on = [module.bucket]
}
