# Each graph lists metrics; a test compares every one with what functions emit and AWS offers.
locals {
  has = { for flow in ["audit", "billing", "billing_database", "budgets", "console", "invoices", "reconciliation"] : flow => contains(keys(var.flows), flow) }

  titles = {
    audit          = "Audit trail"
    billing        = "Billing"
    budgets        = "Budgets"
    console        = "Console"
    invoices       = "Invoices"
    reconciliation = "Reconciliation"
  }

  # What a flow has done, by the function that counts it.
  counted = {
    audit = [
      { function = "append_audit_entries", metrics = ["AuditEntriesAppended", "AuditEntriesRejected", "AuditEntriesUnauthorized", "AuditEntriesContradicted"] },
      { function = "write_audit_head", metrics = ["AuditHeadsWritten", "AuditProblems"] },
    ]
    billing = [
      { function = "load_billing_file", metrics = ["BillingFilesLoaded", "BillingFilesLoadedWithRejects", "BillingFilesRejected", "BillingFilesFailed", "BillingRowsLoaded", "BillingRowsQuarantined"] },
      { function = "finish_billing_file", metrics = ["BillingFilesLoaded", "BillingFilesLoadedWithRejects"] },
      { function = "fail_billing_file", metrics = ["BillingFilesFailed"] },
    ]
    budgets = [
      { function = "publish_budget", metrics = ["BudgetsPublished", "BudgetsRejected", "BudgetsFailed"] },
      { function = "record_budget_result", metrics = ["BudgetsApplied", "BudgetsRemoved", "BudgetsFailed"] },
      { function = "expire_pending_budget", metrics = ["BudgetsUnanswered"] },
      { function = "repair_budget_drift", metrics = ["BudgetsDrifted", "BudgetsRepaired"] },
    ]
    invoices = [
      { function = "receive_invoices", metrics = ["InvoicesReceived"] },
      { function = "notify_invoice", metrics = ["InvoicesProcessed", "InvoicesNeedsReview", "InvoicesRejected", "InvoicesDuplicate"] },
      { function = "fail_invoice", metrics = ["InvoicesProcessingFailed"] },
    ]
    reconciliation = [
      { function = "reconcile_month", metrics = ["MonthsReconciled", "ReconciliationChecksBroken"] },
    ]
  }

  throughput = { for flow, functions in local.counted : flow => flatten([
    for one in functions : [for metric in one.metrics : {
      namespace = "FinOps", metric = metric, dimensions = ["service", var.flows[flow].functions[one.function]]
      options   = { stat = "Sum", label = "${metric} (${replace(one.function, "_", "-")})" }
    }]
  ]) if local.has[flow] }

  age = { for flow, of in var.flows : flow => concat(
    [for name, queue in of.queue_names : {
      namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", dimensions = ["QueueName", queue]
      options   = { stat = "Maximum", label = "oldest in ${name} (s)" }
    }],
    [for name, function in of.functions : {
      namespace = "AWS/Lambda", metric = "IteratorAge", dimensions = ["FunctionName", function]
      options   = { stat = "Maximum", label = "oldest edit (ms)", yAxis = "right" }
    } if name == "publish_budget"],
    [for name, function in of.functions : {
      namespace = "FinOps", metric = "BudgetLatency", dimensions = ["service", function]
      options   = { stat = "p99", label = "edit to result, p99 (ms)", yAxis = "right" }
    } if name == "record_budget_result"],
    [for name, function in of.functions : {
      namespace = "FinOps", metric = "MessageLatency", dimensions = ["service", function]
      options   = { stat = "p99", label = "file to outcome, p99 (ms)", yAxis = "right" }
    } if contains(["load_billing_file", "receive_invoices"], name)],
    [for name, function in of.functions : {
      namespace = "AWS/Lambda", metric = "Duration", dimensions = ["FunctionName", function]
      options   = { stat = "Maximum", label = "longest run (ms)", yAxis = "right" }
    } if contains(["reconcile_month", "append_audit_entries"], name)],
  ) }

  failures = { for flow, of in var.flows : flow => concat(
    [for name, function in of.functions : {
      namespace = "AWS/Lambda", metric = "Errors", dimensions = ["FunctionName", function]
      options   = { stat = "Sum", label = "errors of ${replace(name, "_", "-")}" }
    }],
    [for name, function in of.functions : {
      namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = ["QueueName", "${function}-failures"]
      options   = { stat = "Maximum", label = "waiting for a person: ${replace(name, "_", "-")}", yAxis = "right" }
    }],
    [for name, queue in of.queue_names : {
      namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = ["QueueName", "${trimsuffix(queue, ".fifo")}-failures.fifo"]
      options   = { stat = "Maximum", label = "waiting for a person: ${name}", yAxis = "right" }
    } if endswith(queue, ".fifo")],
    [for workflow in of.workflow_arn[*] : {
      namespace = "AWS/States", metric = "ExecutionsFailed", dimensions = ["StateMachineArn", workflow]
      options   = { stat = "Sum", label = "failed workflows" }
    }],
  ) }

  flow_graphs = { for flow, title in local.titles : flow => [
    { title = "${title}: done", metrics = local.throughput[flow] },
    { title = "${title}: how long it takes", metrics = local.age[flow] },
    { title = "${title}: failures", metrics = local.failures[flow] },
  ] if local.has[flow] && flow != "console" }

  console_graphs = { for flow, of in var.flows : flow => [
    { title = "Console: requests", metrics = [for name in ["RequestCount", "HTTPCode_Target_5XX_Count"] : {
      namespace = "AWS/ApplicationELB", metric = name, dimensions = ["LoadBalancer", of.load_balancer.load_balancer, "TargetGroup", of.load_balancer.target_group]
      options   = { stat = "Sum", label = name }
    }] },
    { title = "Console: how long it takes", metrics = [{
      namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", dimensions = ["LoadBalancer", of.load_balancer.load_balancer, "TargetGroup", of.load_balancer.target_group]
      options   = { stat = "p99", label = "p99 (s)" }
    }] },
    { title = "Console: containers that answer", metrics = [{
      namespace = "AWS/ApplicationELB", metric = "HealthyHostCount", dimensions = ["LoadBalancer", of.load_balancer.load_balancer, "TargetGroup", of.load_balancer.target_group]
      options   = { stat = "Minimum", label = "healthy" }
    }] },
  ] if flow == "console" }

  readers  = flatten([for flow, of in var.flows : [for name in ["extract_invoice", "finish_extraction"] : of.functions[name]] if flow == "invoices"])
  database = flatten([for flow, of in var.flows : of.cluster_identifier[*]])
  explorer = flatten([for flow, of in var.flows : of.functions.reconcile_month if flow == "reconciliation"])
  # Every function that asks the database; reconciliation does where the ledger is its source.
  askers = concat(
    flatten([for flow, of in var.flows : values(of.functions) if flow == "billing"]),
    length(local.database) == 0 ? [] : local.explorer,
  )

  use_graphs = { use = [for graph in [
    { title = "Textract: pages", metrics = flatten([for function in local.readers : [for name in ["TextractPages", "TextractPagesSaved"] : {
      namespace = "FinOps", metric = name, dimensions = ["service", function]
      options   = { stat = "Sum", label = "${name} (${function})" }
    }]]) },
    { title = "Data API: calls, and capacity of the database", metrics = concat(
      [for function in local.askers : {
        namespace = "FinOps", metric = "DataApiCalls", dimensions = ["service", function]
        options   = { stat = "Sum", label = "calls of ${function}" }
      }],
      [for cluster in local.database : {
        namespace = "AWS/RDS", metric = "ServerlessDatabaseCapacity", dimensions = ["DBClusterIdentifier", cluster]
        options   = { stat = "Average", label = "capacity (ACU)", yAxis = "right" }
      }],
    ) },
    { title = "What our own calls cost, USD an hour", metrics = concat(
      [for number, function in local.readers : {
        namespace = "FinOps", metric = "TextractCost", dimensions = ["service", function]
        options   = { stat = "Sum", label = "Textract (${function})", period = 3600 }
      }],
      [for function in local.explorer : {
        namespace = "FinOps", metric = "CostExplorerCalls", dimensions = ["service", function]
        options   = { stat = "Sum", id = "explorer_calls", visible = false, period = 3600 }
      }],
      [for function in local.explorer : { expression = "explorer_calls * ${var.prices.cost_explorer_call}", label = "Cost Explorer" }],
      [for function in local.explorer : {
        namespace = "FinOps", metric = "AthenaBytesScanned", dimensions = ["service", function]
        options   = { stat = "Sum", id = "athena_bytes", visible = false, period = 3600 }
      }],
      [for function in local.explorer : { expression = "athena_bytes / 1099511627776 * ${var.prices.athena_tib}", label = "Athena" }],
      [for cluster in local.database : {
        namespace = "AWS/RDS", metric = "ServerlessDatabaseCapacity", dimensions = ["DBClusterIdentifier", cluster]
        options   = { stat = "Average", id = "capacity", visible = false, period = 3600 }
      }],
      [for cluster in local.database : { expression = "capacity * ${var.prices.acu_hour}", label = "database" }],
    ) },
  ] : graph if length(graph.metrics) > 0] }

  # Rows from top to bottom, of up to three graphs.
  rows = [for graphs in [
    for name in ["budgets", "billing", "invoices", "reconciliation", "audit", "console", "use"] : lookup(merge(local.flow_graphs, local.console_graphs, local.use_graphs), name, [])
  ] : graphs if length(graphs) > 0]

  graph_widgets = flatten([for row, graphs in local.rows : [for column, graph in graphs : {
    type = "metric", x = 8 * column, y = 6 + 7 * row, width = 8, height = 7
    properties = {
      title = graph.title, region = var.region, view = "timeSeries", stacked = false, period = 300
      metrics = [for one in graph.metrics : try(
        [{ expression = one.expression, label = one.label }],
        concat([one.namespace, one.metric], one.dimensions, [one.options]),
      )]
    }
  }]])

  composite_names = concat(
    [for name, _ in local.impacts : "${var.name_prefix}-${name}"],
    [for flow, _ in local.objectives : "${var.name_prefix}-${flow}-late" if var.alarms.enabled],
  )

  head_widgets = concat(
    [{
      type = "text", x = 0, y = 0, width = 8, height = 6
      properties = { markdown = join("\n", concat(
        ["## ${var.name_prefix}: cloud finance", ""],
        [for one in local.edits : "- ${var.objectives.edits.percent}% of edits of budgets are applied within ${var.objectives.edits.seconds} s."],
        [for flow, one in local.objectives : "- ${var.objectives.files.percent == 100 ? "Every" : "${var.objectives.files.percent}% of"} ${flow == "billing" ? "billing file" : "invoice"}${var.objectives.files.percent == 100 ? " is" : "s are"} accounted for within ${var.objectives.files.seconds / 60} minutes." if flow != "budgets"],
      )) }
    }],
    [for names in [local.composite_names] : {
      type       = "alarm", x = 8, y = 0, width = 16, height = 6
      properties = { title = "What does not work", alarms = [for name in names : "${local.alarms_arn}:${name}"] }
    } if length(names) > 0],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name_prefix
  dashboard_body = jsonencode({ widgets = concat(local.head_widgets, local.graph_widgets) })

  depends_on = [aws_cloudwatch_composite_alarm.impact, aws_cloudwatch_composite_alarm.late]
}
