locals {
  function_dimensions = { FunctionName = var.function.name }
}

module "alarms" {
  source = "../metric_alarms"

  name_prefix = var.function.name
  settings    = { enabled = var.alarms.enabled, topic_arns = var.alarms.topic_arns }
  tags        = var.tags

  metrics = {
    errors = {
      description = "The function ${var.function.name} raised errors."
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      dimensions  = local.function_dimensions
    }
    throttles = {
      description = "The function ${var.function.name} was throttled: raise its reserved concurrency or the account's limit."
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      dimensions  = local.function_dimensions
    }
    duration = {
      description = "The function ${var.function.name} used ${var.alarms.duration_percent}% of its timeout of ${var.function.timeout_seconds} s."
      namespace   = "AWS/Lambda"
      metric      = "Duration"
      dimensions  = local.function_dimensions
      statistic   = "Maximum"
      threshold   = var.function.timeout_seconds * 10 * var.alarms.duration_percent # milliseconds
    }
    failures = {
      description = "Messages wait in the failure queue ${local.failure_queue_name}: read them, fix the cause, redrive them."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = local.failure_queue_name }
      statistic   = "Maximum"
    }
  }
}
