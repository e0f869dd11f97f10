module "alarms" {
  source = "../metric_alarms"

  name_prefix = "${var.name_prefix}-audit"
  settings    = { enabled = var.alarms.enabled, topic_arns = var.alarms.topic_arns }
  tags        = var.tags

  queue_delays = {
    entries-delay = {
      queue_name      = local.queue_name
      description     = "Audit entries wait to be written: check S3 and the log of ${local.appender_name}."
      maximum_seconds = var.alarms.maximum_delay_seconds
    }
  }

  failed_messages = {
    entries-failing = {
      service     = local.appender_name
      description = "Audit entries could not be written, and are tried again: check S3 and the log of ${local.appender_name}."
      metric      = "AuditEntriesFailed"
    }
  }

  metrics = {
    entries-failures = {
      description = "Audit entries could not be written for days: fix the cause, then redrive ${local.failures_name}."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = local.failures_name }
      statistic   = "Maximum"
    }
    heads-missing = {
      description         = "No head was written for ${var.alarms.maximum_head_age_hours} hours: the end of the audit trail is not protected. See the log of ${local.head_writer_name}."
      namespace           = "FinOps"
      metric              = "AuditHeadsWritten"
      dimensions          = { service = local.head_writer_name }
      comparison_operator = "LessThanThreshold"
      treat_missing_data  = "breaching"
      period_seconds      = 3600
      evaluation_periods  = var.alarms.maximum_head_age_hours
    }
    entries-contradicted = {
      description = "Two senders stated different things about one action: one of the two audit entries is forged. The log of ${local.appender_name} names both senders."
      namespace   = "FinOps"
      metric      = "AuditEntriesContradicted"
      dimensions  = { service = local.appender_name }
    }
    entries-unauthorized = {
      description = "An audit entry came from a sender that may not write its stream: it is forged. The log of ${local.appender_name} names the sender."
      namespace   = "FinOps"
      metric      = "AuditEntriesUnauthorized"
      dimensions  = { service = local.appender_name }
    }
    entries-unsent = {
      description = "The queue of audit entries refused a function or the console, or did not answer. The entries are in its log: fix the cause, then run finops audit recover."
      namespace   = "FinOps"
      metric      = "AuditEntriesUnsent"
      dimensions  = { service = local.queue_name }
    }
    problems = {
      description = "The audit trail was changed or is damaged: see the log of ${local.head_writer_name}, and run finops audit verify."
      namespace   = "FinOps"
      metric      = "AuditProblems"
      dimensions  = { service = local.head_writer_name }
    }
  }
}
