# Plans only, with a real provider and invented credentials.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "000000000000"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

run "none" {
  command = plan
  module { source = "../../modules/own_budget" }

  assert {
    condition     = length(output.budget_names) == 0
    error_message = "Without an amount there is no budget."
  }
}

run "budget" {
  command = plan
  module { source = "../../modules/own_budget" }

  variables {
    budget = { usd = 99.5, emails = ["finops@example.com"] }
    tag    = { key = "team", value = "cloud" }
  }

  assert {
    condition = (
      jsonencode(output.budget_names) == jsonencode(["finops-deployment"])
      && aws_budgets_budget.this["finops-deployment"].limit_amount == "99.5"
      && aws_budgets_budget.this["finops-deployment"].limit_unit == "USD"
      && aws_budgets_budget.this["finops-deployment"].time_unit == "MONTHLY"
      && jsonencode([for one in aws_budgets_budget.this["finops-deployment"].cost_filter : [one.name, one.values]]) == jsonencode([["TagKeyValue", [format("user:team%scloud", "$")]]])
    )
    error_message = "The month's costs of the tag are limited."
  }

  assert {
    condition = jsonencode(sort([
      for one in aws_budgets_budget.this["finops-deployment"].notification :
      "${one.notification_type} ${one.threshold} ${one.threshold_type} ${join(",", one.subscriber_email_addresses)}"
    ])) == jsonencode(["ACTUAL 80 PERCENTAGE finops@example.com", "FORECASTED 100 PERCENTAGE finops@example.com"])
    error_message = "People are told at 80 % spent and 100 % forecast."
  }
}
