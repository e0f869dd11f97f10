locals {
  impacts = {
    report-missing = {
      description = "The month's report is missing or out of date."
      alarm_names = concat(
        [for name, alarm in module.alarms.alarms : alarm.alarm_name if name != "checks-broken"],
        [for what, name in module.reconcile_month.alarm_names : name if what == "failures"],
      )
    }
    report-wrong = {
      description = "The totals of a report do not agree with each other or with the source. Nobody should rely on it."
      alarm_names = [for name, alarm in module.alarms.alarms : alarm.alarm_name if name == "checks-broken"]
    }
    degraded = {
      description = "Reports are still made, but the function raises errors, is throttled, or runs close to its limits. This can wait until the morning."
      alarm_names = [for what, name in module.reconcile_month.alarm_names : name if what != "failures"]
    }
  }
}

output "observability" {
  description = "What the module observability shows and watches of this flow."
  value = {
    functions       = { reconcile_month = module.reconcile_month.name }
    log_group_names = [module.reconcile_month.log_group_name]
    queue_names     = {}
    impacts         = local.impacts
  }
}
