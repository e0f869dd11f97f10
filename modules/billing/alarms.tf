locals {
  # The function's own alarms tell of a run that fails.
  fetching_alarms = {
    rates-missing = {
      description    = "The ECB's rates of a working day are not in the file that was fetched: see the log of ${local.fetching_name}."
      namespace      = "FinOps"
      metric         = "RatesMissing"
      dimensions     = { service = local.fetching_name }
      period_seconds = 3600
    }
    rates-missed = {
      description    = "A working day of the ECB stays without rates, though those of later days are there: load its eurofxref-hist-90d file. The log of ${local.loading_name} names the day."
      namespace      = "FinOps"
      metric         = "RateDaysMissing"
      dimensions     = { service = local.loading_name }
      period_seconds = 3600
    }
    # Before the first run, and where a schedule leaves out weekends and holidays, there is nothing to tell: it starts once
    # what was counted before stays away for longer than the longest of them, from Maundy Thursday to Tuesday.
    rates-not-fetched = {
      description         = "No rates were fetched for six days: see the log of ${local.fetching_name}, and check that its schedule is on."
      namespace           = "FinOps"
      metric              = "RatesFetched"
      dimensions          = { service = local.fetching_name }
      comparison_operator = "LessThanThreshold"
      treat_missing_data  = "missing"
      period_seconds      = 86400
      evaluation_periods  = 6
    }
  }
  fetching_name = "${var.name_prefix}-fetch-billing-rates"
  loading_name  = "${var.name_prefix}-load-billing-file"
}

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
      service     = local.loading_name
      description = "Billing files could not be loaded, and are tried again: see the log of ${local.loading_name}."
    }
  }

  metrics = merge({ for name, alarm in local.fetching_alarms : name => alarm if var.rates.ecb != null }, {
    workflow-failures = {
      description = "The workflow ${local.workflow_name} failed: the ledger shows the step and the reason."
      namespace   = "AWS/States"
      metric      = "ExecutionsFailed"
      dimensions  = { StateMachineArn = local.workflow_arn }
    }
  })
}
