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

  queue_delays = {
    deadline-delay = {
      queue_name      = "${var.name_prefix}-budget-deadlines"
      description     = "Deadlines of published budgets wait to be checked."
      maximum_seconds = 900 + var.alarms.maximum_delay_seconds # what an account with many edits is given
    }
  }

  failed_messages = {
    deadlines-failing = {
      service     = "${var.name_prefix}-expire-pending-budget"
      description = "Deadlines of published budgets could not be checked, and are tried again: see the log of ${var.name_prefix}-expire-pending-budget."
    }
  }

  metrics = {
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
