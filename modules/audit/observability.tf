locals {
  forged_alarms = ["entries-contradicted", "entries-unauthorized", "problems"]

  impacts = {
    not-recorded = {
      description = "Actions are not being recorded in the audit trail, or its newest entries are not protected."
      alarm_names = concat(
        [for name, alarm in module.alarms.alarms : alarm.alarm_name if !contains(local.forged_alarms, name)],
        flatten([for function in module.function : [for what, name in function.alarm_names : name if what == "failures"]]),
      )
    }
    forged = {
      description = "Entries of the audit trail are forged, changed or damaged."
      alarm_names = [for name, alarm in module.alarms.alarms : alarm.alarm_name if contains(local.forged_alarms, name)]
    }
    degraded = {
      description = "Actions are still recorded, but functions raise errors, are throttled, or run close to their limits. This can wait until the morning."
      alarm_names = flatten([for function in module.function : [for what, name in function.alarm_names : name if what != "failures"]])
    }
  }
}

output "observability" {
  description = "What the module observability shows and watches of this flow."
  value = {
    functions       = { for name, function in module.function : replace(name, "-", "_") => function.name }
    log_group_names = [for function in module.function : function.log_group_name]
    queue_names     = { entries = aws_sqs_queue.entries.name }
    impacts         = local.impacts
  }
}
