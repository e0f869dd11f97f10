locals {
  # The ARN of a rule on the default bus does not name the bus.
  event_bus_name = try(var.event_rule.bus_name, "default")
  event_rule_path = join("/", concat(
    local.event_bus_name == "default" ? [] : [local.event_bus_name],
    [var.function.name],
  ))
  event_rule_arn = "arn:aws:events:${var.region}:${var.account_id}:rule/${local.event_rule_path}"
}

resource "aws_cloudwatch_event_rule" "this" {
  count = var.event_rule == null ? 0 : 1

  name           = var.function.name
  description    = "Invokes the function ${var.function.name}"
  event_bus_name = local.event_bus_name
  event_pattern  = var.event_rule.pattern_json
  tags           = var.tags
}

resource "aws_cloudwatch_event_target" "this" {
  count = var.event_rule == null ? 0 : 1

  rule           = aws_cloudwatch_event_rule.this[0].name
  event_bus_name = local.event_bus_name
  target_id      = "function"
  arn            = aws_lambda_function.this.arn

  retry_policy {
    maximum_event_age_in_seconds = var.async_invocation.maximum_age_seconds
    maximum_retry_attempts       = 10
  }

  dead_letter_config {
    arn = aws_sqs_queue.failures.arn
  }

  depends_on = [aws_lambda_permission.event_rule]
}

resource "aws_lambda_permission" "event_rule" {
  count = var.event_rule == null ? 0 : 1

  statement_id  = "EventRuleInvokes"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = "events.amazonaws.com"
  source_arn    = local.event_rule_arn
}

data "aws_iam_policy_document" "failure_queue" {
  count = var.event_rule == null ? 0 : 1

  statement {
    sid       = "EventRuleSendsUndelivered"
    actions   = ["sqs:SendMessage"]
    resources = [local.failure_queue_arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.event_rule_arn]
    }
  }
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297:the input is a constant and no secret
  count = var.schedule == null ? 0 : 1

  name                = var.function.name
  description         = "Invokes the function ${var.function.name}"
  schedule_expression = var.schedule.expression

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.this.arn
    role_arn = aws_iam_role.schedule[0].arn
    input    = var.schedule.input_json

    retry_policy {
      maximum_event_age_in_seconds = var.async_invocation.maximum_age_seconds
      maximum_retry_attempts       = 10
    }

    dead_letter_config {
      arn = aws_sqs_queue.failures.arn
    }
  }

  depends_on = [aws_iam_role_policy.schedule]
}

resource "aws_iam_role" "schedule" {
  count = var.schedule == null ? 0 : 1

  name                 = "${var.function.name}-schedule"
  description          = "Lets EventBridge Scheduler invoke the function ${var.function.name}"
  assume_role_policy   = data.aws_iam_policy_document.scheduler_trust[0].json
  permissions_boundary = var.settings.permissions_boundary_arn
  tags                 = var.tags
}

data "aws_iam_policy_document" "scheduler_trust" {
  count = var.schedule == null ? 0 : 1

  statement {
    sid     = "SchedulerAssumes"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

resource "aws_iam_role_policy" "schedule" {
  count = var.schedule == null ? 0 : 1

  name   = "${var.function.name}-schedule"
  role   = aws_iam_role.schedule[0].name
  policy = data.aws_iam_policy_document.schedule[0].json
}

data "aws_iam_policy_document" "schedule" {
  count = var.schedule == null ? 0 : 1

  statement {
    sid       = "InvokeFunction"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.function_arn]
  }

  statement {
    sid       = "SendUndelivered"
    actions   = ["sqs:SendMessage"]
    resources = [local.failure_queue_arn]
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
