locals {
  # Errors that a retry may solve: https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
  # A function raises TransientFailure, for instance when it is throttled.
  transient_errors = [
    "Lambda.AWSLambdaException", "Lambda.ClientExecutionTimeoutException", "Lambda.SdkClientException",
    "Lambda.ServiceException", "Lambda.TooManyRequestsException", "TransientFailure",
  ]
  # A function that crashes or runs out of time, and an engine that fails, mostly fail again on the same document: these end
  # as PROCESSING_FAILED within minutes.
  crash_retry = {
    ErrorEquals     = ["EngineFailure", "Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout"]
    IntervalSeconds = 2
    BackoffRate     = 2
    MaxAttempts     = 3
    JitterStrategy  = "FULL"
  }
  retry = {
    IntervalSeconds = 2
    BackoffRate     = 2
    MaxAttempts     = 8
    MaxDelaySeconds = 60
    JitterStrategy  = "FULL"
  }

  # States.ALL does not catch States.DataLimitExceeded.
  catch = {
    for step in [
      "ExtractInvoice", "AwaitExtraction", "ValidateInvoice", "NotifyReview", "ReviewInvoice",
      "EscalateReview", "NotifyEscalation", "ProcessInvoice", "NotifyInvoice",
      ] : step => jsonencode([
        for error in ["States.DataLimitExceeded", "States.ALL"] : {
          ErrorEquals = [error]
          Output = {
            step  = step
            error = "{% $states.errorOutput.Error %}"
            cause = "{% $states.errorOutput.Cause ? $states.errorOutput.Cause : '' %}"
          }
          Next = "FailInvoice"
        }
    ])
  }
}

resource "aws_sfn_state_machine" "this" {
  #checkov:skip=CKV_AWS_284:tracing is on unless a setting turns it off; checkov reads no optional() default
  #checkov:skip=CKV_AWS_285:logging is on, of errors; executions keep their own history for 90 days
  name     = local.workflow_name
  type     = "STANDARD"
  role_arn = aws_iam_role.workflow.arn
  tags     = var.tags

  definition = templatefile("${path.module}/invoice_workflow.asl.json", {
    functions = { for name, function in module.function : replace(name, "-", "_") => function.function_arn }
    catch     = local.catch
    retry     = jsonencode([merge({ ErrorEquals = local.transient_errors }, local.retry), local.crash_retry])
    # Documents wait for each other: Textract takes only a few a second.
    extraction_retry = jsonencode([
      merge({ ErrorEquals = local.transient_errors }, local.retry, { MaxAttempts = 30 }),
      merge(local.crash_retry, { ErrorEquals = concat(local.crash_retry.ErrorEquals, ["States.Timeout"]) }),
    ])
    extraction_seconds = var.extraction.timeout_seconds
    review_seconds     = floor(var.review.days * 86400)
  })

  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.workflow.arn}:*"
    include_execution_data = false
    level                  = "ERROR"
  }

  tracing_configuration {
    enabled = var.function_settings.tracing
  }

  # What executions carry, and their history: https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
  # A block that is left out would leave the key of before; a period that is left out would be a change in each plan.
  encryption_configuration {
    type                              = var.kms_key_arn == null ? "AWS_OWNED_KEY" : "CUSTOMER_MANAGED_KMS_KEY"
    kms_key_id                        = var.kms_key_arn
    kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 300
  }

  depends_on = [aws_iam_role_policy.workflow]
}

resource "aws_cloudwatch_log_group" "workflow" {
  #checkov:skip=CKV_AWS_158:a customer managed key is a setting
  #checkov:skip=CKV_AWS_338:retention is a setting; prod keeps a year
  name              = "/aws/vendedlogs/states/${local.workflow_name}"
  retention_in_days = var.function_settings.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}
