locals {
  queue_delays = {
    for name, delay in var.queue_delays : name => {
      description         = delay.description
      namespace           = "AWS/SQS"
      metric              = "ApproximateAgeOfOldestMessage"
      dimensions          = { QueueName = delay.queue_name }
      statistic           = "Maximum"
      threshold           = delay.maximum_seconds
      comparison_operator = "GreaterThanOrEqualToThreshold"
      treat_missing_data  = "notBreaching"
      period_seconds      = 60
      evaluation_periods  = 1
    }
  }

  # A message that always fails comes back within 30 minutes at the latest, so an hour sees it twice. One failure that is
  # made good by the next try starts no alarm.
  failed_messages = {
    for name, one in var.failed_messages : name => {
      description         = one.description
      namespace           = "FinOps"
      metric              = one.metric
      dimensions          = { service = one.service }
      statistic           = "Sum"
      threshold           = 2
      comparison_operator = "GreaterThanOrEqualToThreshold"
      treat_missing_data  = "notBreaching"
      period_seconds      = 3600
      evaluation_periods  = 1
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in merge(var.metrics, local.queue_delays, local.failed_messages) : name => alarm if var.settings.enabled }

  alarm_name          = "${var.name_prefix}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = each.value.period_seconds
  evaluation_periods  = each.value.evaluation_periods
  threshold           = each.value.threshold
  comparison_operator = each.value.comparison_operator
  treat_missing_data  = each.value.treat_missing_data
  alarm_actions       = var.settings.topic_arns
  ok_actions          = var.settings.topic_arns
  tags                = var.tags

  # Of a metric that was there, and stays away: an alarm that was just made has been in this state from the beginning.
  insufficient_data_actions = each.value.treat_missing_data == "missing" ? var.settings.topic_arns : []

  # An alarm with another name is there before the composite alarm that names it changes, and the old one goes afterwards:
  # CloudWatch deletes no alarm that a composite alarm names.
  lifecycle {
    create_before_destroy = true
  }
}
