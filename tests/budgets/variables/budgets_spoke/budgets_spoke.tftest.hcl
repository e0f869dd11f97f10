# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

variables {
  account_id = "222222222222"
  region     = "eu-west-1"
  hub = {
    role_arns = [
      "arn:aws:iam::111111111111:role/finops-publish-budget",
      "arn:aws:iam::111111111111:role/finops-repair-budget-drift",
    ]
    external_id    = "finops-test"
    result_bus_arn = "arn:aws:events:eu-west-1:111111111111:event-bus/finops-budgets"
  }
  packages = {
    code   = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    layers = { core = { path = "core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }
}

run "refuses_name_prefix_that_parameter_store_reserves" {
  command = plan
  variables { name_prefix = "aws-finops" }
  expect_failures = [var.name_prefix]
}

run "refuses_name_prefix" {
  command = plan
  variables { name_prefix = "Fin_Ops" }
  expect_failures = [var.name_prefix]
}

run "refuses_account_id" {
  command = plan
  variables { account_id = "2222" }
  expect_failures = [var.account_id]
}

run "refuses_trust_in_nobody" {
  command = plan
  variables {
    hub = { role_arns = [], external_id = "finops-test", result_bus_arn = "arn:aws:events:eu-west-1:111111111111:event-bus/finops-budgets" }
  }
  expect_failures = [var.hub]
}

run "refuses_trust_in_a_whole_account" {
  command = plan
  variables {
    hub = { role_arns = ["arn:aws:iam::111111111111:root"], external_id = "finops-test", result_bus_arn = "arn:aws:events:eu-west-1:111111111111:event-bus/finops-budgets" }
  }
  expect_failures = [var.hub]
}

run "refuses_trust_in_any_role" {
  command = plan
  variables {
    hub = { role_arns = ["arn:aws:iam::111111111111:role/*"], external_id = "finops-test", result_bus_arn = "arn:aws:events:eu-west-1:111111111111:event-bus/finops-budgets" }
  }
  expect_failures = [var.hub]
}

run "refuses_external_id" {
  command = plan
  variables {
    hub = { role_arns = ["arn:aws:iam::111111111111:role/finops-publish-budget"], external_id = "", result_bus_arn = "arn:aws:events:eu-west-1:111111111111:event-bus/finops-budgets" }
  }
  expect_failures = [var.hub]
}

run "refuses_bus" {
  command = plan
  variables {
    hub = { role_arns = ["arn:aws:iam::111111111111:role/finops-publish-budget"], external_id = "finops-test", result_bus_arn = "finops-budgets" }
  }
  expect_failures = [var.hub]
}

run "refuses_another_region_than_the_bus" {
  command = plan
  variables { region = "us-east-1" }
  expect_failures = [var.hub]
}

run "refuses_packages_without_core" {
  command = plan
  variables { packages = { code = { path = "a", sha256_base64 = "b" }, layers = {} } }
  expect_failures = [var.packages]
}

run "refuses_seed_budget_name" {
  command = plan
  variables { seed_budget = { name = "monthly/total" } }
  expect_failures = [var.seed_budget]
}

run "refuses_zero_amount" {
  command = plan
  variables { seed_budget = { amount = "0.00" } }
  expect_failures = [var.seed_budget]
}

run "refuses_amount_in_words" {
  command = plan
  variables { seed_budget = { amount = "abc" } }
  expect_failures = [var.seed_budget]
}

run "refuses_currency" {
  command = plan
  variables { seed_budget = { currency = "EUR" } }
  expect_failures = [var.seed_budget]
}

run "refuses_time_unit" {
  command = plan
  variables { seed_budget = { time_unit = "WEEKLY" } }
  expect_failures = [var.seed_budget]
}

run "refuses_no_thresholds" {
  command = plan
  variables { notifications = { thresholds = [] } }
  expect_failures = [var.notifications]
}

run "refuses_eleven_thresholds" {
  command = plan
  variables { notifications = { thresholds = [for n in range(11) : { type = "ACTUAL", percent = n + 1 }] } }
  expect_failures = [var.notifications]
}

run "refuses_same_threshold_twice" {
  command = plan
  variables { notifications = { thresholds = [{ type = "ACTUAL", percent = 80 }, { type = "ACTUAL", percent = 80 }] } }
  expect_failures = [var.notifications]
}

run "refuses_threshold_type" {
  command = plan
  variables { notifications = { thresholds = [{ type = "SPENT", percent = 80 }] } }
  expect_failures = [var.notifications]
}

run "refuses_threshold_percent" {
  command = plan
  variables { notifications = { thresholds = [{ type = "ACTUAL", percent = 0 }] } }
  expect_failures = [var.notifications]
}

run "refuses_email" {
  command = plan
  variables { notifications = { emails = ["finops"] } }
  expect_failures = [var.notifications]
}

run "refuses_eleven_emails" {
  command = plan
  variables { notifications = { emails = [for n in range(11) : "finops${n}@example.com"] } }
  expect_failures = [var.notifications]
}

run "refuses_a_threshold_above_1000_percent" {
  command = plan
  variables { notifications = { thresholds = [{ type = "ACTUAL", percent = 1001 }] } }
  expect_failures = [var.notifications]
}

run "refuses_a_long_external_id" {
  command = plan
  variables {
    hub = {
      role_arns      = ["arn:aws:iam::111111111111:role/finops-publish-budget"]
      external_id    = format("%01225d", 0)
      result_bus_arn = "arn:aws:events:eu-west-1:111111111111:event-bus/finops-budgets"
    }
  }
  expect_failures = [var.hub]
}

run "refuses_a_region_of_another_partition" {
  command = plan
  variables { region = "us-gov-west-1" }
  expect_failures = [var.region]
}
