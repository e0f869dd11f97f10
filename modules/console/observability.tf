output "observability" {
  description = "What the module observability shows and watches of the console."
  value = {
    functions       = {}
    log_group_names = [aws_cloudwatch_log_group.this.name]
    queue_names     = {}
    impacts = {
      unavailable = {
        description = "The console does not answer, or answers with errors."
        alarm_names = [for alarm in module.alarms.alarms : alarm.alarm_name]
      }
    }
    load_balancer = { load_balancer = aws_lb.this.arn_suffix, target_group = aws_lb_target_group.this.arn_suffix }
  }
}
