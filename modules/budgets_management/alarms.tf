locals {
  function_alarms = {
    enabled    = var.alarms.enabled
    topic_arns = var.alarms.topic_arns
  }
}

module "alarms" {
  source = "../metric_alarms"

  name_prefix = "${var.name_prefix}-budgets"
  settings    = local.function_alarms
  tags        = var.tags

  queue_delays = {
    deadline-delay = {
      queue_name      = "${var.name_prefix}-budget-deadlines"
      description     = "Deadlines of published budgets wait to be checked."
      maximum_seconds = 900 + var.alarms.maximum_delay_seconds # what an account with many edits is given
    }
    drift-delay = {
      queue_name      = "${var.name_prefix}-budget-accounts"
      description     = "Accounts wait to be compared with the budgets table, so that drift is repaired late: see the log of ${var.name_prefix}-repair-budget-drift, or raise publisher.drift_workers."
      maximum_seconds = 900 + var.alarms.maximum_delay_seconds
    }
  }

  failed_messages = {
    deadlines-failing = {
      service     = "${var.name_prefix}-expire-pending-budget"
      description = "Deadlines of published budgets could not be checked, and are tried again: see the log of ${var.name_prefix}-expire-pending-budget."
    }
    drift-failing = {
      service     = "${var.name_prefix}-repair-budget-drift"
      description = "Accounts could not be compared with the budgets table, and are tried again: see the log of ${var.name_prefix}-repair-budget-drift."
    }
  }

  metrics = {
    # The one alarm of all spokes, so that they need none of their own.
    accounts-failing = {
      description        = "Budgets of some accounts have not been as their rows say for two drift runs: finops budgets list --status FAILED names them, and so does the log of ${var.name_prefix}-repair-budget-drift."
      namespace          = "FinOps"
      metric             = "AccountsFailing"
      dimensions         = { service = "${var.name_prefix}-repair-budget-drift" }
      statistic          = "Maximum"
      period_seconds     = 900
      evaluation_periods = 2
    }
    reports-withheld = {
      description = "A spoke reported what nobody had asked it for, more often than the audit trail takes or about budgets that were never published: the log of ${var.name_prefix}-record-budget-result has all of it, see docs/audit.md."
      namespace   = "FinOps"
      metric      = "BudgetResultsWithheld"
      dimensions  = { service = "${var.name_prefix}-record-budget-result" }
    }
    publish-delay = {
      description = "Edits of the budgets table wait to be published."
      namespace   = "AWS/Lambda"
      metric      = "IteratorAge"
      dimensions  = { FunctionName = "${var.name_prefix}-publish-budget" }
      statistic   = "Maximum"
      threshold   = var.alarms.maximum_delay_seconds * 1000 # milliseconds
    }
  }
}
