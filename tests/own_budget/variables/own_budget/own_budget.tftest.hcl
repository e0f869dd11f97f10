# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

run "refuses_a_budget_of_nothing" {
  command = plan
  variables { budget = { usd = 0, emails = ["finops@example.com"] } }
  expect_failures = [var.budget]
}

run "refuses_a_budget_that_tells_nobody" {
  command = plan
  variables { budget = { usd = 1, emails = [] } }
  expect_failures = [var.budget]
}

run "refuses_more_addresses_than_a_notification_takes" {
  command = plan
  variables { budget = { usd = 1, emails = [for number in range(11) : "${number}@example.com"] } }
  expect_failures = [var.budget]
}

run "refuses_a_name_prefix_in_capitals" {
  command = plan
  variables { name_prefix = "FinOps" }
  expect_failures = [var.name_prefix]
}

run "refuses_a_name_prefix_that_aws_reserves" {
  command = plan
  variables { name_prefix = "aws-finops" }
  expect_failures = [var.name_prefix]
}
