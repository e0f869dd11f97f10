# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

variables {
  account_id = "111111111111"
  region     = "eu-west-1"
  packages = {
    code = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    layers = {
      core = { path = "core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    }
  }
}

run "refuses_a_locked_bucket_to_destroy" {
  command = plan
  variables { bucket = { lock_mode = "COMPLIANCE", force_destroy = true } }
  expect_failures = [var.bucket]
}

run "refuses_an_unknown_lock" {
  command = plan
  variables { bucket = { lock_mode = "governance" } }
  expect_failures = [var.bucket]
}

run "refuses_a_lock_of_no_days" {
  command = plan
  variables { bucket = { lock_days = 0 } }
  expect_failures = [var.bucket]
}

run "refuses_tries_that_outlast_the_queue" {
  command = plan
  variables { appending = { maximum_tries = 1001 } }
  expect_failures = [var.appending]
}

run "refuses_a_single_appender" {
  command = plan
  variables { appending = { maximum_concurrency = 1 } }
  expect_failures = [var.appending]
}

run "refuses_a_schedule_that_is_none" {
  command = plan
  variables { heads = { schedule_expression = "hourly" } }
  expect_failures = [var.heads]
}

run "refuses_a_package_without_its_layer" {
  command = plan
  variables { packages = { code = { path = "finops.zip", sha256_base64 = "x" }, layers = {} } }
  expect_failures = [var.packages]
}

run "refuses_alarms_that_come_at_once_or_never" {
  command = plan
  variables { alarms = { maximum_delay_seconds = 1, maximum_head_age_hours = 48 } }
  expect_failures = [var.alarms]
}
