# A day's run that fails alarms by itself; this is for runs that never come, or write nothing.
resource "aws_cloudwatch_metric_alarm" "reports_missing" {
  count = var.alarms.enabled ? 1 : 0

  alarm_name          = "${var.name_prefix}-reconciliation-reports-missing"
  alarm_description   = "No report was written for two days: see the log of ${local.function_name}, and whether its schedule is on."
  namespace           = "FinOps"
  metric_name         = "ReportsWritten"
  dimensions          = { service = local.function_name }
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = 2
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarms.topic_arns
  ok_actions          = var.alarms.topic_arns
}
