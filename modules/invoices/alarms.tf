locals {
  flow_alarms = merge(
    {
      for name, queue in local.queues : "${name}-delay" => {
        description = "Messages wait in the queue ${queue.name}."
        namespace   = "AWS/SQS"
        metric      = "ApproximateAgeOfOldestMessage"
        statistic   = "Maximum"
        threshold   = var.alarms.maximum_delay_seconds
        dimensions  = { QueueName = queue.name }
      }
    },
    {
      workflow-failures = {
        description = "The workflow ${local.workflow_name} failed: finops invoices list --status PROCESSING_FAILED says at which step and why."
        namespace   = "AWS/States"
        metric      = "ExecutionsFailed"
        statistic   = "Sum"
        threshold   = 1
        dimensions  = { StateMachineArn = local.workflow_arn }
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "flow" {
  for_each = { for name, alarm in local.flow_alarms : name => alarm if var.alarms.enabled }

  alarm_name          = "${var.name_prefix}-invoices-${each.key}"
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
