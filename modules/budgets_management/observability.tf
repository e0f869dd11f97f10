locals {
  function_alarm_names = {
    publish_budget        = module.publish_budget.alarm_names
    record_budget_result  = module.record_budget_result.alarm_names
    expire_pending_budget = module.expire_pending_budget.alarm_names
    repair_budget_drift   = module.repair_budget_drift.alarm_names
  }
  repair_alarms = ["drift-delay", "drift-failing"]

  impacts = {
    not-applied = {
      description = "Budgets are not being applied: edits wait, have failed, or get no answer from their accounts."
      alarm_names = concat(
        [for name, alarm in module.alarms.alarms : alarm.alarm_name if !contains(concat(local.repair_alarms, ["reports-withheld"]), name)],
        flatten([for function, names in local.function_alarm_names : [for what, name in names : name if what == "failures"] if function != "repair_budget_drift"]),
      )
    }
    not-repaired = {
      description = "Budgets that somebody changed in an account are not put back."
      alarm_names = concat(
        [for name, alarm in module.alarms.alarms : alarm.alarm_name if contains(local.repair_alarms, name)],
        [for what, name in local.function_alarm_names.repair_budget_drift : name if what == "failures"],
      )
    }
    reports-forged = {
      description = "An account reports results of budgets that nobody asked it for."
      alarm_names = [for name, alarm in module.alarms.alarms : alarm.alarm_name if name == "reports-withheld"]
    }
    degraded = {
      description = "Budgets are still applied, but functions raise errors, are throttled, or run close to their limits. This can wait until the morning."
      alarm_names = flatten([for names in local.function_alarm_names : [for what, name in names : name if what != "failures"]])
    }
  }
}

output "observability" {
  description = "What the module observability shows and watches of this flow."
  value = {
    functions = {
      publish_budget        = module.publish_budget.name
      record_budget_result  = module.record_budget_result.name
      expire_pending_budget = module.expire_pending_budget.name
      repair_budget_drift   = module.repair_budget_drift.name
    }
    log_group_names = [
      module.publish_budget.log_group_name, module.record_budget_result.log_group_name,
      module.expire_pending_budget.log_group_name, module.repair_budget_drift.log_group_name,
    ]
    queue_names = { deadlines = aws_sqs_queue.deadlines.name, accounts = aws_sqs_queue.accounts.name }
    impacts     = local.impacts
  }
}
