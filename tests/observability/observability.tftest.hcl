# Plans only, with a provider that asks nobody.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Statement\":[]}" }
  }

  mock_resource "aws_sns_topic" {
    defaults        = { arn = "arn:aws:sns:eu-west-1:111111111111:finops-alarms" }
    override_during = plan
  }
}

variables {
  account_id = "111111111111"
  region     = "eu-west-1"
  budgets = {
    functions = {
      publish_budget        = "finops-publish-budget", record_budget_result = "finops-record-budget-result"
      expire_pending_budget = "finops-expire-pending-budget", repair_budget_drift = "finops-repair-budget-drift"
    }
    log_group_names = ["/aws/lambda/finops-publish-budget", "/aws/lambda/finops-apply-budget"]
    queue_names     = { deadlines = "finops-budget-deadlines" }
    impacts = {
      not-applied = { description = "Budgets are not being applied.", alarm_names = ["finops-budgets-publish-delay", "finops-budgets-accounts-failing"] }
      not-known   = { description = "No alarm tells.", alarm_names = [] }
    }
  }
  billing = {
    functions   = { load_billing_file = "finops-load-billing-file", finish_billing_file = "finops-finish-billing-file", fail_billing_file = "finops-fail-billing-file" }
    queue_names = { files = "finops-billing-files" }
  }
}

run "nothing" {
  command = plan
  module { source = "../../modules/observability" }

  variables { flows = {} }

  assert {
    condition     = [for one in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : one.type] == ["text"]
    error_message = "Without flows there is nothing to show."
  }

  assert {
    condition     = output.composite_alarms == {} && length(aws_cloudwatch_query_definition.one) == 0
    error_message = "Without flows there is nothing to watch."
  }
}

run "budgets" {
  command = plan
  module { source = "../../modules/observability" }

  variables {
    flows  = { budgets = var.budgets }
    alarms = { topic_arns = ["arn:aws:sns:eu-west-1:111111111111:operators"] }
  }

  assert {
    condition = jsonencode(output.composite_alarms) == jsonencode({
      finops-budgets-late        = "(ALARM(\"finops-budgets-late-fast\") AND ALARM(\"finops-budgets-late-fast-now\")) OR (ALARM(\"finops-budgets-late-slow\") AND ALARM(\"finops-budgets-late-slow-now\"))"
      finops-budgets-not-applied = "ALARM(\"finops-budgets-accounts-failing\") OR ALARM(\"finops-budgets-publish-delay\")"
    })
    error_message = "An impact is an alarm as soon as one of its alarms is; an objective where both times agree."
  }

  assert {
    condition = alltrue([for alarm in concat(values(aws_cloudwatch_composite_alarm.impact), values(aws_cloudwatch_composite_alarm.late)) :
      alarm.alarm_actions == toset([output.topic_arn, "arn:aws:sns:eu-west-1:111111111111:operators"]) && alarm.ok_actions == alarm.alarm_actions
    ])
    error_message = "Both topics hear when an impact starts and when it ends."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.burn_rate : try(length(alarm.alarm_actions), 0) == 0])
    error_message = "A single alarm tells nobody."
  }

  assert {
    condition = jsonencode({
      for name, alarm in aws_cloudwatch_metric_alarm.burn_rate : name => [
        alarm.threshold, [for query in alarm.metric_query : query.metric[0].period if length(query.metric) > 0][0],
      ]
      }) == jsonencode({
      budgets-late-fast = [14.4, 3600], budgets-late-fast-now = [14.4, 300], budgets-late-slow = [6, 21600], budgets-late-slow-now = [6, 1800]
    })
    error_message = "99% allow one edit in a hundred, at 14.4 and at 6 times the rate."
  }

  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.burn_rate["budgets-late-fast"].metric_query : query.id => coalesce(query.expression, try("${query.metric[0].stat} ${query.metric[0].metric_name} ${query.metric[0].dimensions.service}", "-"))
      } == {
      percent_late = "100 * (FILL(late, 0) + FILL(failed, 0) + FILL(unanswered, 0) + FILL(unpublished, 0)) * ((FILL(late, 0) + FILL(failed, 0) + FILL(unanswered, 0) + FILL(unpublished, 0)) >= 2) / (FILL(measured, 0) + FILL(failed, 0) + FILL(unanswered, 0) + FILL(unpublished, 0))"
      late         = "TC(60000:) BudgetLatency finops-record-budget-result"
      measured     = "SampleCount BudgetLatency finops-record-budget-result"
      failed       = "Sum BudgetsFailed finops-record-budget-result"
      unpublished  = "Sum BudgetsFailed finops-publish-budget"
      unanswered   = "Sum BudgetsUnanswered finops-expire-pending-budget"
    }
    error_message = "Late is what took longer than a minute, failed, or was not answered."
  }

  assert {
    condition     = join(" ", distinct([for one in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : split(":", one.properties.title)[0] if one.type == "metric"])) == "Budgets"
    error_message = "Only what is deployed is shown."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[1].properties.alarms == [
      "arn:aws:cloudwatch:eu-west-1:111111111111:alarm:finops-budgets-not-applied", "arn:aws:cloudwatch:eu-west-1:111111111111:alarm:finops-budgets-late",
    ]
    error_message = "The composite alarms are on the dashboard."
  }

  assert {
    condition     = jsonencode({ for flow, query in aws_cloudwatch_query_definition.one : flow => query.log_group_names }) == jsonencode({ budgets = var.budgets.log_group_names })
    error_message = "A search looks into the logs of the flow."
  }
}

run "files" {
  command = plan
  module { source = "../../modules/observability" }

  variables {
    flows = { billing = var.billing, billing_database = { cluster_identifier = "finops-billing" } }
  }

  assert {
    condition = output.composite_alarms["finops-billing-late"] == join(" OR ", [
      "(ALARM(\"finops-billing-late-fast\") AND ALARM(\"finops-billing-late-fast-now\"))",
      "(ALARM(\"finops-billing-late-slow\") AND ALARM(\"finops-billing-late-slow-now\"))", "ALARM(\"finops-billing-late-waiting\")",
    ])
    error_message = "A file that nobody takes has no time, and counts by how long it waits."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.burn_rate["billing-late-fast"].threshold == 0 && aws_cloudwatch_metric_alarm.waiting["billing-late-waiting"].threshold == 900
    error_message = "Of every file none may be late."
  }

  assert {
    condition     = length([for one in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : one if try(one.properties.title, "") == "What our own calls cost, USD an hour"]) == 1
    error_message = "The database has a price."
  }
}

run "reports" {
  command = plan
  module { source = "../../modules/observability" }

  variables {
    flows  = { reconciliation = { functions = { reconcile_month = "finops-reconcile-month" } } }
    prices = { athena_tib = 6 }
  }

  assert {
    condition = length([
      for metric in flatten([for one in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in try(one.properties.metrics, []) : jsonencode(metric)]]) : metric
      if strcontains(metric, "AthenaBytesScanned") || strcontains(metric, "athena_bytes / 1099511627776 * 6")
    ]) == 2
    error_message = "What Athena scans has a price."
  }
}

run "no_alarms" {
  command = plan
  module { source = "../../modules/observability" }

  variables {
    flows  = { budgets = var.budgets, billing = var.billing }
    alarms = { enabled = false }
  }

  assert {
    condition     = output.composite_alarms == {} && length(aws_cloudwatch_metric_alarm.burn_rate) + length(aws_cloudwatch_metric_alarm.waiting) == 0
    error_message = "Alarms can be off."
  }
}

run "webhook" {
  command = plan
  module { source = "../../modules/observability" }

  variables {
    flows    = {}
    webhook  = { secret_arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:chat-a1b2c3", format = "teams" }
    packages = { code = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }, layers = { core = { path = "core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } } }
  }

  assert {
    condition     = output.function_names == { notify_operators = "finops-notify-operators" } && length(aws_sns_topic_subscription.notifier) == 1
    error_message = "The notifier hears what the topic hears."
  }

  assert {
    condition = jsonencode([for s in data.aws_iam_policy_document.notifier[0].statement : [s.sid, s.actions, s.resources]]) == jsonencode([
      ["ReadWebhook", ["secretsmanager:GetSecretValue"], ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:chat-a1b2c3"]]
    ])
    error_message = "The notifier reads its secret, and nothing else."
  }

  assert {
    condition     = length(regexall("finops-notify-operators-[a-z]+", output.composite_alarms["finops-observability-not-posted"])) == 4
    error_message = "That nothing is posted is an alarm, too."
  }
}
