module "alarms" {
  source = "../metric_alarms"

  name_prefix = "${var.name_prefix}-invoices"
  settings    = { enabled = var.alarms.enabled, topic_arns = var.alarms.topic_arns }
  tags        = var.tags

  queue_delays = {
    for name, queue in local.queues : "${name}-delay" => {
      queue_name      = queue.name
      description     = "Messages wait in the queue ${queue.name}."
      maximum_seconds = var.alarms.maximum_delay_seconds
    }
  }

  failed_messages = {
    for name, queue in local.queues : "${name}-failing" => {
      service     = "${var.name_prefix}-${queue.function}"
      description = "Messages of the queue ${queue.name} failed, and are tried again: see the log of ${var.name_prefix}-${queue.function}."
    }
  }

  metrics = merge(var.customer_mail == null ? {} : {
    mails-refused = {
      description = "SES refused mail to customers, whose invoices are processed all the same: see the log of ${var.name_prefix}-notify-invoice."
      namespace   = "FinOps"
      metric      = "CustomerMailsRefused"
      dimensions  = { service = "${var.name_prefix}-notify-invoice" }
    }
    }, {
    bank-details-changed = {
      description = "An invoice of a known vendor shows an account that nobody has confirmed, and waits for a person: finops invoices list --status NEEDS_REVIEW. Ask the vendor by a way that you know."
      namespace   = "FinOps"
      metric      = "BankDetailsChanged"
      dimensions  = { service = "${var.name_prefix}-validate-invoice" }
    }
    spending-caps = {
      description = "Documents met the day's limit of pages or dollars, and wait for a retry: look for who sends so many."
      namespace   = "FinOps"
      metric      = "SpendingCapsReached"
      dimensions  = { service = "${var.name_prefix}-extract-invoice" }
    }
    workflow-failures = {
      description = "The workflow ${local.workflow_name} failed: finops invoices list --status PROCESSING_FAILED shows the step and the reason."
      namespace   = "AWS/States"
      metric      = "ExecutionsFailed"
      dimensions  = { StateMachineArn = local.workflow_arn }
    }
  })
}
