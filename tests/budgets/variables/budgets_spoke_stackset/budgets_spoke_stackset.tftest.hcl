# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

variables {
  region                  = "eu-west-1"
  organization_id         = "o-a1b2c3d4e5"
  organizational_unit_ids = ["ou-ab12-cd34ef56"]
  hub = {
    role_arns = [
      "arn:aws:iam::111111111111:role/finops-publish-budget",
      "arn:aws:iam::111111111111:role/finops-repair-budget-drift",
    ]
    external_id    = "finops-test"
    result_bus_arn = "arn:aws:events:eu-west-1:111111111111:event-bus/finops-budgets"
  }
  packages = {
    code   = { s3_bucket = "packages", s3_key = "code.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    layers = { core = { s3_bucket = "packages", s3_key = "core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
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

run "refuses_organization_id" {
  command = plan
  variables { organization_id = "ou-ab12-cd34ef56" }
  expect_failures = [var.organization_id]
}

run "refuses_no_units" {
  command = plan
  variables { organizational_unit_ids = [] }
  expect_failures = [var.organizational_unit_ids]
}

run "refuses_packages_without_core" {
  command = plan
  variables { packages = { code = { s3_bucket = "packages", s3_key = "k.zip", sha256_base64 = "x" }, layers = {} } }
  expect_failures = [var.packages]
}

run "refuses_another_processor" {
  command = plan
  variables { packages = { code = { s3_bucket = "packages", s3_key = "k.zip", sha256_base64 = "x", architecture = "riscv" }, layers = { core = { s3_bucket = "packages", s3_key = "k.zip", sha256_base64 = "x" } } } }
  expect_failures = [var.packages]
}

run "refuses_packages_of_another_release" {
  command = plan
  variables { packages = { code = { s3_bucket = "packages", s3_key = "k.zip", sha256_base64 = "x", release = "0.0.9" }, layers = { core = { s3_bucket = "packages", s3_key = "k.zip", sha256_base64 = "x" } } } }
  expect_failures = [var.packages]
}

run "refuses_log_level" {
  command = plan
  variables { function_settings = { log_level = "LOUD" } }
  expect_failures = [var.function_settings]
}

run "refuses_log_retention" {
  command = plan
  variables { function_settings = { log_retention_days = 29 } }
  expect_failures = [var.function_settings]
}

run "refuses_call_as" {
  command = plan
  variables { stack_set = { call_as = "OTHER" } }
  expect_failures = [var.stack_set]
}

run "refuses_no_concurrency" {
  command = plan
  variables { stack_set = { max_concurrent_percentage = 0 } }
  expect_failures = [var.stack_set]
}

run "refuses_more_failures_than_accounts" {
  command = plan
  variables { stack_set = { failure_tolerance_percentage = 101 } }
  expect_failures = [var.stack_set]
}

run "refuses_drift_schedule" {
  command = plan
  variables { drift_schedule = "every 15 minutes" }
  expect_failures = [var.drift_schedule]
}
