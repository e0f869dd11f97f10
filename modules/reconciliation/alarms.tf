# A run that fails alarms by itself; these are for runs that never come, and for reports that do not add up.
locals {
  flow_alarms = {
    reports-missing = {
      description = "No month was reconciled for two days: see the log of ${local.function_name}, and whether its schedule is on."
      metric      = "MonthsReconciled"
      comparison  = "LessThanThreshold"
      missing     = "breaching"
      days        = 2
    }
    checks-broken = {
      description = "A report's totals do not agree with each other or with the source: the report says which."
      metric      = "ReconciliationChecksBroken"
      comparison  = "GreaterThanOrEqualToThreshold"
      missing     = "notBreaching"
      days        = 1
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "flow" {
  for_each = { for name, alarm in local.flow_alarms : name => alarm if var.alarms.enabled }

  alarm_name          = "${var.name_prefix}-reconciliation-${each.key}"
  alarm_description   = each.value.description
  namespace           = "FinOps"
  metric_name         = each.value.metric
  dimensions          = { service = local.function_name }
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = each.value.days
  threshold           = 1
  comparison_operator = each.value.comparison
  treat_missing_data  = each.value.missing
  alarm_actions       = var.alarms.topic_arns
  ok_actions          = var.alarms.topic_arns
}
