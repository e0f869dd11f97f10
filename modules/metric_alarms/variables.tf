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
    must not stay away: `breaching` starts an alarm at once, `missing` tells of a metric that was there before.
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
  description = <<-EOT
    Alarms on SQS queues by the rest of their name. An alarm starts when the oldest message of `queue_name` has waited for
    `maximum_seconds`. SQS leaves messages that were received three times out of that age, so each queue's consumer needs an
    alarm on what it could not handle, too: see `failed_messages`.
  EOT
  type        = map(object({ queue_name = string, description = string, maximum_seconds = number }))
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.queue_delays), keys(var.metrics))) == 0
    error_message = "queue_delays and metrics must not have an alarm of the same name."
  }
}

variable "failed_messages" {
  description = <<-EOT
    Alarms on what the consumers of queues could not handle, by the rest of their name. An alarm starts when the function
    `service` counts two failures within an hour, in its metric MessagesFailed or in another one.
  EOT
  type        = map(object({ service = string, description = string, metric = optional(string, "MessagesFailed") }))
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.failed_messages), concat(keys(var.metrics), keys(var.queue_delays)))) == 0
    error_message = "failed_messages must not have an alarm of the same name as metrics or queue_delays."
  }
}

variable "tags" {
  description = "Tags of every resource that can have some, in addition to the provider's `default_tags`. Objects in buckets have those of the provider alone."
  type        = map(string)
  default     = {}
  nullable    = false
}
