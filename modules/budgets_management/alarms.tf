locals {
  function_alarms = {
    enabled    = var.alarms.enabled
    topic_arns = var.alarms.topic_arns
  }

  delay_alarms = {
    publish-delay = {
      description = "Edits of the budgets table wait for the publisher."
      namespace   = "AWS/Lambda"
      metric      = "IteratorAge"
      threshold   = var.alarms.maximum_delay_seconds * 1000
      dimensions  = { FunctionName = "${var.name_prefix}-publish-budget" }
    }
    deadline-delay = {
      description = "Deadlines of published budgets are not looked at."
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      threshold   = var.alarms.maximum_delay_seconds
      dimensions  = { QueueName = "${var.name_prefix}-budget-deadlines" }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "delay" {
  for_each = { for name, alarm in local.delay_alarms : name => alarm if var.alarms.enabled }

  alarm_name          = "${var.name_prefix}-budgets-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarms.topic_arns
  ok_actions          = var.alarms.topic_arns
}
