locals {
  function_dimensions = { FunctionName = var.function.name }

  alarms = {
    errors = {
      description = "The function ${var.function.name} raised errors."
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      statistic   = "Sum"
      threshold   = 1
      dimensions  = local.function_dimensions
    }
    throttles = {
      description = "The function ${var.function.name} was throttled: raise its reserved concurrency or the account's limit."
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      statistic   = "Sum"
      threshold   = 1
      dimensions  = local.function_dimensions
    }
    duration = {
      description = "The function ${var.function.name} ran for ${var.alarms.duration_percent}% of its timeout of ${var.function.timeout_seconds} s."
      namespace   = "AWS/Lambda"
      metric      = "Duration"
      statistic   = "Maximum"
      threshold   = var.function.timeout_seconds * 10 * var.alarms.duration_percent # milliseconds
      dimensions  = local.function_dimensions
    }
    failures = {
      description = "Dead letters wait in ${local.failure_queue_name}: read them, mend the cause, redrive."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      statistic   = "Maximum"
      threshold   = 1
      dimensions  = { QueueName = local.failure_queue_name }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.alarms.enabled }

  alarm_name          = "${var.function.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = 1
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarms.topic_arns
  ok_actions          = var.alarms.topic_arns
}
