# By tag, so it sees what is tagged: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html
resource "aws_budgets_budget" "this" {
  for_each = { for budget in var.budget[*] : coalesce(budget.name, "${var.name_prefix}-deployment") => budget }

  name         = each.key
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_unit   = "USD"
  limit_amount = tostring(each.value.usd)
  tags         = var.tags

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:%s$%s", var.tag.key, var.tag.value)]
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }
    content {
      notification_type          = notification.key
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = each.value.emails
    }
  }
}
