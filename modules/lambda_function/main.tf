# ARNs are built from names. So tests can read whole policies at plan, and nothing waits for the failure queue, which the
# provider needs 25 seconds to create.
locals {
  log_group_name     = "/aws/lambda/${var.function.name}"
  failure_queue_name = "${var.function.name}-failures"

  function_arn      = "arn:aws:lambda:${var.region}:${var.account_id}:function:${var.function.name}"
  log_group_arn     = "arn:aws:logs:${var.region}:${var.account_id}:log-group:${local.log_group_name}"
  failure_queue_arn = "arn:aws:sqs:${var.region}:${var.account_id}:${local.failure_queue_name}"

  environment = merge({
    POWERTOOLS_SERVICE_NAME      = var.function.name
    POWERTOOLS_METRICS_NAMESPACE = "FinOps"
    POWERTOOLS_LOG_LEVEL         = var.settings.log_level
    CODE_SHA256                  = var.package.sha256_base64
    AWS_DATA_PATH                = "/opt/python/aws_models" # in the core layer; without it boto3 has the runtime's own
  }, var.environment)
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_117:a VPC is a setting; functions call AWS endpoints only, and need none
  #checkov:skip=CKV_AWS_272:packages are built from this repository and pinned by their hash
  #checkov:skip=CKV_AWS_115:reserved concurrency is a setting; reserving by default would starve the account's pool
  #checkov:skip=CKV_AWS_116:the failure destination of the event invoke config replaces the dead-letter queue
  #checkov:skip=CKV_AWS_50:tracing is on unless a setting turns it off; checkov reads no optional() default
  #checkov:skip=CKV_AWS_173:a customer managed key is a setting; the environment holds no secret
  function_name     = var.function.name
  description       = var.function.description
  role              = aws_iam_role.this.arn
  handler           = var.function.handler
  runtime           = var.function.runtime
  architectures     = [var.package.architecture]
  filename          = var.package.path
  s3_bucket         = var.package.s3_bucket
  s3_key            = var.package.s3_key
  s3_object_version = var.package.s3_object_version
  source_code_hash  = var.package.sha256_base64
  layers            = var.layer_arns
  memory_size       = var.function.memory_mb
  timeout           = var.function.timeout_seconds
  kms_key_arn       = var.kms_key_arn

  reserved_concurrent_executions = var.function.reserved_concurrency

  environment {
    variables = local.environment
  }

  dynamic "vpc_config" {
    for_each = var.settings.network[*]
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  ephemeral_storage {
    size = var.function.ephemeral_storage_mb
  }

  # Lambda takes metrics and uncaught exceptions for INFO, since they have no level: above INFO it would drop them.
  # Powertools filters what the function itself logs.
  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.this.name
    application_log_level = var.settings.log_level == "DEBUG" ? "DEBUG" : "INFO"
  }

  tracing_config {
    mode = var.settings.tracing ? "Active" : "PassThrough"
  }

  # The function may get events as soon as it exists, and until it is gone.
  depends_on = [aws_iam_role_policy.this]
  tags       = var.tags

  lifecycle {
    # Lambda measures the variables as one JSON document: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    precondition {
      condition     = length(jsonencode(local.environment)) <= 4096
      error_message = "The environment of ${var.function.name} must be at most 4 KB, names, values and quotes together. Shorten its longest settings."
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:a customer managed key is a setting
  #checkov:skip=CKV_AWS_338:retention is a setting; prod keeps a year
  name              = local.log_group_name
  retention_in_days = var.settings.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = aws_lambda_function.this.function_name
  maximum_retry_attempts       = var.async_invocation.maximum_retries
  maximum_event_age_in_seconds = var.async_invocation.maximum_age_seconds

  destination_config {
    on_failure {
      destination = aws_sqs_queue.failures.arn
    }
  }
}

# Events that the function could not process, kept for 14 days, the maximum of SQS.
resource "aws_sqs_queue" "failures" {
  name                      = local.failure_queue_name
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null
  kms_master_key_id         = var.kms_key_arn
  policy                    = one(data.aws_iam_policy_document.failure_queue[*].json)
  tags                      = var.tags
}
