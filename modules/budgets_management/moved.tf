# Deployments from before the module metric_alarms keep their alarms.
moved {
  from = aws_cloudwatch_metric_alarm.delay
  to   = module.alarms.aws_cloudwatch_metric_alarm.this
}
