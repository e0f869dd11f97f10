locals {
  impacts = {
    not-processed = {
      description = "Invoices are not being processed: files wait or fail, or the day's limit of pages and dollars is met."
      alarm_names = concat(
        [for name, alarm in module.alarms.alarms : alarm.alarm_name if !contains(["bank-details-changed", "mails-refused"], name)],
        flatten([for function in module.function : [for what, name in function.alarm_names : name if what == "failures"]]),
      )
    }
    payment-at-risk = {
      description = "An invoice of a known vendor asks for money on an account that nobody has confirmed. It waits for a person."
      alarm_names = [for name, alarm in module.alarms.alarms : alarm.alarm_name if name == "bank-details-changed"]
    }
    customers-not-told = {
      description = "Customers are not told of their invoices, which are processed all the same."
      alarm_names = [for name, alarm in module.alarms.alarms : alarm.alarm_name if name == "mails-refused"]
    }
    degraded = {
      description = "Invoices are still processed, but functions raise errors, are throttled, or run close to their limits. This can wait until the morning."
      alarm_names = flatten([for function in module.function : [for what, name in function.alarm_names : name if what != "failures"]])
    }
  }
}

output "observability" {
  description = "What the module observability shows and watches of this flow."
  value = {
    functions       = { for name, function in module.function : replace(name, "-", "_") => function.name }
    log_group_names = [for function in module.function : function.log_group_name]
    queue_names     = { for name, queue in aws_sqs_queue.this : name => queue.name }
    workflow_arn    = local.workflow_arn
    impacts         = local.impacts
  }
}
