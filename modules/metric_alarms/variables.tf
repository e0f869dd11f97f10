variable "name_prefix" {
  description = "Starts the name of each alarm, with a hyphen after it."
  type        = string
  nullable    = false
}

variable "settings" {
  description = "Whether there are alarms (`enabled`), and the SNS topics that hear when one starts and ends (`topic_arns`)."
  type = object({
    enabled    = optional(bool, true)
    topic_arns = optional(list(string), [])
  })
  default  = {}
  nullable = false
}

variable "metrics" {
  description = <<-EOT
    Alarms by the rest of their name. An alarm starts when the `statistic` of a metric reaches the `threshold` in
    `evaluation_periods` periods of `period_seconds`. Change `comparison_operator` and `treat_missing_data` for a metric that
    must not stay away.
  EOT
  type = map(object({
    description         = string
    namespace           = string
    metric              = string
    dimensions          = map(string)
    statistic           = optional(string, "Sum")
    threshold           = optional(number, 1)
    comparison_operator = optional(string, "GreaterThanOrEqualToThreshold")
    treat_missing_data  = optional(string, "notBreaching")
    period_seconds      = optional(number, 60)
    evaluation_periods  = optional(number, 1)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for alarm in var.metrics : alarm.period_seconds * alarm.evaluation_periods <= (alarm.period_seconds < 3600 ? 86400 : 604800)])
    error_message = "An alarm of metrics can look back one day, or seven days with periods of an hour or more."
  }
}

variable "queue_delays" {
  description = "Alarms on SQS queues by the rest of their name. An alarm starts when the oldest message of `queue_name` has waited for `maximum_seconds`."
  type        = map(object({ queue_name = string, description = string, maximum_seconds = number }))
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.queue_delays), keys(var.metrics))) == 0
    error_message = "queue_delays and metrics must not have an alarm of the same name."
  }
}
