# lambda_function alarms on runs that fail. These are for runs that never start, and for reports whose totals differ.
module "alarms" {
  source = "../metric_alarms"

  name_prefix = "${var.name_prefix}-reconciliation"
  settings    = var.alarms
  tags        = var.tags

  metrics = {
    reports-missing = {
      description         = "No month was reconciled for two days: see the log of ${local.function_name}, and check that its schedule is on."
      namespace           = "FinOps"
      metric              = "MonthsReconciled"
      dimensions          = { service = local.function_name }
      comparison_operator = "LessThanThreshold"
      treat_missing_data  = "breaching"
      period_seconds      = 86400
      evaluation_periods  = 2
    }
    spending-caps = {
      description    = "Cost Explorer was not asked any more, because of the day's limit (costs.daily_usd): a report waits for the next day. See who asked for so much: log of ${local.function_name}."
      namespace      = "FinOps"
      metric         = "SpendingCapsReached"
      dimensions     = { service = local.function_name }
      period_seconds = 3600
    }
    checks-broken = {
      description    = "The totals of a report do not agree with each other or with the source: the report shows which."
      namespace      = "FinOps"
      metric         = "ReconciliationChecksBroken"
      dimensions     = { service = local.function_name }
      period_seconds = 86400
    }
  }
}
