module "alarms" {
  source = "../metric_alarms"

  name_prefix = "${var.name_prefix}-billing"
  settings    = { enabled = var.alarms.enabled, topic_arns = var.alarms.topic_arns }
  tags        = var.tags

  queue_delays = {
    files-delay = {
      queue_name      = local.queue_name
      description     = "Billing files wait to be loaded."
      maximum_seconds = var.alarms.maximum_delay_seconds
    }
  }

  failed_messages = {
    files-failing = {
      service     = "${var.name_prefix}-load-billing-file"
      description = "Billing files could not be loaded, and are tried again: see the log of ${var.name_prefix}-load-billing-file."
    }
  }

  metrics = {
    workflow-failures = {
      description = "The workflow ${local.workflow_name} failed: the ledger shows the step and the reason."
      namespace   = "AWS/States"
      metric      = "ExecutionsFailed"
      dimensions  = { StateMachineArn = local.workflow_arn }
    }
  }
}
