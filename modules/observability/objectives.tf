# Alarms on how fast the allowance of an objective is used up, each in a long and a short time, so that one that has
# started ends soon after the cause: https://sre.google/workbook/alerting-on-slos/ (multiwindow, multi-burn-rate).
locals {
  windows = {
    fast     = { seconds = 3600, burn_rate = 14.4 }
    fast-now = { seconds = 300, burn_rate = 14.4 }
    slow     = { seconds = 21600, burn_rate = 6 }
    slow-now = { seconds = 1800, burn_rate = 6 }
  }

  # `measured` has a time. What failed is late, and has none: `untimed` is not among the measured.
  edits = [for flow in [for name, of in var.flows : of if name == "budgets"] : {
    objective = var.objectives.edits
    what      = "edits of budgets were not applied within ${var.objectives.edits.seconds} s"
    measured  = { metric = "BudgetLatency", service = flow.functions.record_budget_result }
    untimed = {
      failed      = { metric = "BudgetsFailed", service = flow.functions.record_budget_result }
      unpublished = { metric = "BudgetsFailed", service = flow.functions.publish_budget }
      unanswered  = { metric = "BudgetsUnanswered", service = flow.functions.expire_pending_budget }
    }
    queue_names = []
  }]
  bills = [for flow in [for name, of in var.flows : of if name == "billing"] : {
    objective   = var.objectives.files
    what        = "billing files were not accounted for within ${var.objectives.files.seconds} s"
    measured    = { metric = "MessageLatency", service = flow.functions.load_billing_file }
    untimed     = {}
    queue_names = [flow.queue_names.files]
  }]
  documents = [for flow in [for name, of in var.flows : of if name == "invoices"] : {
    objective   = var.objectives.files
    what        = "invoices were not accounted for within ${var.objectives.files.seconds} s"
    measured    = { metric = "MessageLatency", service = flow.functions.receive_invoices }
    untimed     = {}
    queue_names = [flow.queue_names.files]
  }]

  objectives = merge(
    { for one in local.edits : "budgets" => one },
    { for one in local.bills : "billing" => one },
    { for one in local.documents : "invoices" => one },
  )

  # In metric math, by https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html: what was not
  # measured in a time is 0, and where nothing was, there is no value.
  late  = { for flow, one in local.objectives : flow => join(" + ", [for id in concat(["late"], keys(one.untimed)) : "FILL(${id}, 0)"]) }
  total = { for flow, one in local.objectives : flow => join(" + ", [for id in concat(["measured"], keys(one.untimed)) : "FILL(${id}, 0)"]) }
  burn_rate_alarms = merge([
    for flow, one in local.objectives : {
      for name, window in local.windows : "${flow}-late-${name}" => merge(window, { flow = flow })
    } if var.alarms.enabled
  ]...)
  waiting_alarms = merge([
    for flow, one in local.objectives : { for queue in one.queue_names : "${flow}-late-waiting" => merge(one, { queue_name = queue }) } if var.alarms.enabled
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "burn_rate" {
  for_each = local.burn_rate_alarms

  alarm_name          = "${var.name_prefix}-${each.key}"
  alarm_description   = "Within ${each.value.seconds / 60} minutes so many ${local.objectives[each.value.flow].what} that the allowance of 30 days is used up ${each.value.burn_rate} times as fast as it may be."
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.burn_rate * (100 - local.objectives[each.value.flow].objective.percent)
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  tags                = var.tags

  metric_query {
    id          = "percent_late"
    label       = "percent late"
    expression  = "100 * (${local.late[each.value.flow]}) * ((${local.late[each.value.flow]}) >= ${local.objectives[each.value.flow].objective.minimum_late}) / (${local.total[each.value.flow]})"
    return_data = true
  }

  metric_query {
    id = "late"

    metric {
      namespace   = "FinOps"
      metric_name = local.objectives[each.value.flow].measured.metric
      dimensions  = { service = local.objectives[each.value.flow].measured.service }
      period      = each.value.seconds
      stat        = "TC(${local.objectives[each.value.flow].objective.seconds * 1000}:)"
    }
  }

  metric_query {
    id = "measured"

    metric {
      namespace   = "FinOps"
      metric_name = local.objectives[each.value.flow].measured.metric
      dimensions  = { service = local.objectives[each.value.flow].measured.service }
      period      = each.value.seconds
      stat        = "SampleCount"
    }
  }

  dynamic "metric_query" {
    for_each = local.objectives[each.value.flow].untimed
    content {
      id = metric_query.key

      metric {
        namespace   = "FinOps"
        metric_name = metric_query.value.metric
        dimensions  = { service = metric_query.value.service }
        period      = each.value.seconds
        stat        = "Sum"
      }
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

# What has not been handled yet has no time, and counts by how long it waits.
resource "aws_cloudwatch_metric_alarm" "waiting" {
  for_each = local.waiting_alarms

  alarm_name          = "${var.name_prefix}-${each.key}"
  alarm_description   = "A file waits in the queue ${each.value.queue_name} for longer than ${each.value.objective.seconds} s."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = each.value.queue_name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = each.value.objective.seconds
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  tags                = var.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_composite_alarm" "late" {
  for_each = { for flow, one in local.objectives : flow => one if var.alarms.enabled }

  alarm_name        = "${var.name_prefix}-${each.key}-late"
  alarm_description = "Too many ${each.value.what}: the objective of ${each.value.objective.percent}% is at risk."
  alarm_actions     = local.told
  ok_actions        = local.told
  tags              = var.tags

  alarm_rule = join(" OR ", concat(
    [for speed in ["fast", "slow"] : "(ALARM(\"${aws_cloudwatch_metric_alarm.burn_rate["${each.key}-late-${speed}"].alarm_name}\") AND ALARM(\"${aws_cloudwatch_metric_alarm.burn_rate["${each.key}-late-${speed}-now"].alarm_name}\"))"],
    [for name, alarm in aws_cloudwatch_metric_alarm.waiting : "ALARM(\"${alarm.alarm_name}\")" if name == "${each.key}-late-waiting"],
  ))
}
