locals {
  # Bills are loaded without these.
  beside_loading = ["fetch-billing-rates", "withdraw-billing-file"]

  impacts = {
    not-loaded = {
      description = "Bills are not being loaded: files wait, or cannot be loaded for a reason that is not in them, or the database's tables and passwords are out of date."
      alarm_names = concat(
        [for name, alarm in module.alarms.alarms : alarm.alarm_name if !startswith(name, "rates-")],
        flatten([for one, function in module.function : [for what, name in function.alarm_names : name if what == "failures" && !contains(local.beside_loading, one)]]),
      )
    }
    degraded = {
      description = "Bills are still loaded, but functions raise errors, are throttled, or run close to their limits, or the ECB's newest rates are not there. This can wait until the morning."
      alarm_names = concat(
        [for name, alarm in module.alarms.alarms : alarm.alarm_name if startswith(name, "rates-")],
        flatten([for one, function in module.function : [for what, name in function.alarm_names : name if what != "failures" || contains(local.beside_loading, one)]]),
      )
    }
  }
}

output "observability" {
  description = "What the module observability shows and watches of this flow."
  value = {
    functions       = { for name, function in module.function : replace(name, "-", "_") => function.name }
    log_group_names = [for function in module.function : function.log_group_name]
    queue_names     = { files = aws_sqs_queue.files.name }
    workflow_arn    = local.workflow_arn
    impacts         = local.impacts
  }
}
