locals {
  flow_alarms = {
    entries-delay = {
      description = "Audit entries wait to be written: S3 or the function ${local.appender_name} is away."
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      statistic   = "Maximum"
      threshold   = var.alarms.maximum_delay_seconds
      dimensions  = { QueueName = local.queue_name }
    }
    entries-failures = {
      description = "Audit entries could not be written for days: mend the cause, then redrive ${local.failures_name}."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      statistic   = "Maximum"
      threshold   = 1
      dimensions  = { QueueName = local.failures_name }
    }
    problems = {
      description = "The audit trail is not as it was written: see the log of ${local.head_writer_name}, and finops audit verify."
      namespace   = "FinOps"
      metric      = "AuditProblems"
      statistic   = "Sum"
      threshold   = 1
      dimensions  = { service = local.head_writer_name }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "flow" {
  for_each = { for name, alarm in local.flow_alarms : name => alarm if var.alarms.enabled }

  alarm_name          = "${var.name_prefix}-audit-${each.key}"
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

resource "aws_cloudwatch_metric_alarm" "heads_missing" {
  count = var.alarms.enabled ? 1 : 0

  alarm_name          = "${var.name_prefix}-audit-heads-missing"
  alarm_description   = "No head was written for ${var.alarms.maximum_head_age_hours} hours: the end of the audit trail is not guarded."
  namespace           = "FinOps"
  metric_name         = "AuditHeadsWritten"
  dimensions          = { service = local.head_writer_name }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = var.alarms.maximum_head_age_hours
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarms.topic_arns
  ok_actions          = var.alarms.topic_arns
}
