# Searches that people open in CloudWatch Logs Insights: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
# A test compares their fields with what functions log.
locals {
  logged_fields = {
    audit          = { what = "entry", id = "entry_id", fields = ["stream", "sender", "sequence", "reason"] }
    billing        = { what = "file", id = "correlation_id", fields = ["load_id", "object_key", "dataset", "status", "rows_read", "rows_quarantined", "error_code"] }
    budgets        = { what = "edit", id = "correlation_id", fields = ["account_id", "budget_name", "status", "action", "version", "error_code"] }
    invoices       = { what = "invoice", id = "correlation_id", fields = ["invoice_id", "object_key", "outcome", "error_code"] }
    reconciliation = { what = "report", id = "correlation_id", fields = ["billing_period", "revision", "broken_checks", "calls"] }
  }
  logged = { for flow, of in var.flows : flow => merge(local.logged_fields[flow], of) if contains(keys(local.logged_fields), flow) }
}

resource "aws_cloudwatch_query_definition" "one" {
  for_each = local.logged

  name            = "${var.name_prefix}/${each.key}/one ${each.value.what}"
  log_group_names = each.value.log_group_names
  query_string    = <<-EOT
    fields ${join(", ", concat(["@timestamp", "service", "level", "message"], each.value.fields))}
    | filter ${each.value.id} = "REPLACE THIS BY THE ID"
    | sort @timestamp asc
    | limit 1000
  EOT
}

resource "aws_cloudwatch_query_definition" "errors" {
  for_each = local.logged

  name            = "${var.name_prefix}/${each.key}/errors"
  log_group_names = each.value.log_group_names
  query_string    = <<-EOT
    filter level = "ERROR"
    | stats count(*) as times, latest(@timestamp) as last, latest(${each.value.id}) as last_id by service, message
    | sort times desc
  EOT
}
