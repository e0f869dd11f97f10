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

run "refuses_a_key_of_your_own_beside_one_of_the_module" {
  command = plan
  variables { heads = { sign = true, signing_key_arn = "arn:aws:kms:eu-west-1:999999999999:key/signing" } }
  expect_failures = [var.heads]
}

run "refuses_a_package_without_its_layer" {
  command = plan
  variables { packages = { code = { path = "finops.zip", sha256_base64 = "x" }, layers = {} } }
  expect_failures = [var.packages]
}

run "refuses_an_account_id_of_eleven_digits" {
  command = plan
  variables { account_id = "11111111111" }
  expect_failures = [var.account_id]
}

run "refuses_a_name_prefix_in_capitals" {
  command = plan
  variables { name_prefix = "FinOps" }
  expect_failures = [var.name_prefix]
}

run "refuses_a_bucket_name_in_capitals" {
  command = plan
  variables { bucket = { name = "Trail" } }
  expect_failures = [var.bucket]
}

run "refuses_a_lock_of_more_than_a_century" {
  command = plan
  variables { bucket = { lock_days = 36501 } }
  expect_failures = [var.bucket]
}

run "refuses_more_than_100_appenders" {
  command = plan
  variables { appending = { maximum_concurrency = 101 } }
  expect_failures = [var.appending]
}

run "refuses_too_few_tries" {
  command = plan
  variables { appending = { maximum_tries = 2 } }
  expect_failures = [var.appending]
}

run "refuses_too_little_memory" {
  command = plan
  variables { appending = { memory_mb = 127 } }
  expect_failures = [var.appending]
}

run "refuses_too_much_memory" {
  command = plan
  variables { appending = { memory_mb = 10241 } }
  expect_failures = [var.appending]
}

run "refuses_too_little_time" {
  command = plan
  variables { appending = { timeout_seconds = 59 } }
  expect_failures = [var.appending]
}

run "refuses_more_time_than_a_function_has" {
  command = plan
  variables { appending = { timeout_seconds = 901 } }
  expect_failures = [var.appending]
}

run "refuses_an_alarm_within_a_minute" {
  command = plan
  variables { alarms = { maximum_delay_seconds = 59 } }
  expect_failures = [var.alarms]
}

run "refuses_an_alarm_before_the_first_head" {
  command = plan
  variables { alarms = { maximum_head_age_hours = 0 } }
  expect_failures = [var.alarms]
}

run "refuses_an_alarm_after_more_than_a_day_without_heads" {
  command = plan
  variables { alarms = { maximum_head_age_hours = 25 } }
  expect_failures = [var.alarms]
}

run "refuses_a_region_of_another_partition" {
  command = plan
  variables { region = "us-gov-west-1" }
  expect_failures = [var.region]
}


run "refuses_an_unnamed_stream" {
  command = plan
  variables { senders = { streams = { "*" = ["AROAEXAMPLEEXAMPLE123"] } } }
  expect_failures = [var.senders]
}

run "refuses_a_sender_with_its_session" {
  command = plan
  variables { senders = { streams = {}, people = ["AROAEXAMPLEEXAMPLE123:ann@example.com"] } }
  expect_failures = [var.senders]
}

run "refuses_more_people_than_a_function_can_be_told" {
  command = plan
  variables { senders = { streams = {}, people = [for number in range(61) : "AROAEXAMPLEEXAMPLE${100 + number}"] } }
  expect_failures = [var.senders]
}

run "refuses_a_name_prefix_that_aws_reserves" {
  command = plan
  variables { name_prefix = "aws-finops" }
  expect_failures = [var.name_prefix]
}
