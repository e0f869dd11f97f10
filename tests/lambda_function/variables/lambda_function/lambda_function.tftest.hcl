# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

variables {
  account_id = "123456789012"
  region     = "eu-west-1"
  function = {
    name            = "finops-example"
    handler         = "finops.example.handlers.run"
    timeout_seconds = 60
  }
  package     = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
  policy_json = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"ReadRows\",\"Effect\":\"Allow\",\"Action\":\"dynamodb:GetItem\",\"Resource\":\"arn:aws:dynamodb:eu-west-1:123456789012:table/rows\"}]}"
}

run "refuses_account_id" {
  command = plan
  variables { account_id = "12345" }
  expect_failures = [var.account_id]
}

run "refuses_name_too_long_for_its_roles" {
  command = plan
  variables { function = { name = "a23456789-b23456789-c23456789-d23456789-e23456789-f23456", handler = "a.b" } }
  expect_failures = [var.function]
}

run "refuses_handler_without_module" {
  command = plan
  variables { function = { name = "a", handler = "run" } }
  expect_failures = [var.function]
}

run "refuses_memory" {
  command = plan
  variables { function = { name = "a", handler = "a.b", memory_mb = 64 } }
  expect_failures = [var.function]
}

run "refuses_ephemeral_storage" {
  command = plan
  variables { function = { name = "a", handler = "a.b", ephemeral_storage_mb = 256 } }
  expect_failures = [var.function]
}

run "refuses_timeout" {
  command = plan
  variables { function = { name = "a", handler = "a.b", timeout_seconds = 901 } }
  expect_failures = [var.function]
}

run "refuses_concurrency" {
  command = plan
  variables { function = { name = "a", handler = "a.b", reserved_concurrency = -2 } }
  expect_failures = [var.function]
}

run "refuses_sixth_layer" {
  command = plan
  variables { layer_arns = ["1", "2", "3", "4", "5", "6"] }
  expect_failures = [var.layer_arns]
}

run "refuses_architecture" {
  command = plan
  variables { package = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", architecture = "arm" } }
  expect_failures = [var.package]
}

run "refuses_packages_of_another_release" {
  command = plan
  variables { package = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", release = "0.0.9" } }
  expect_failures = [var.package]
}

run "refuses_an_architecture_that_the_packages_do_not_have" {
  command = plan
  variables { settings = { architecture = "x86_64" } }
  expect_failures = [var.settings]
}

run "refuses_log_level" {
  command = plan
  variables { settings = { log_level = "info" } }
  expect_failures = [var.settings]
}

run "refuses_log_retention" {
  command = plan
  variables { settings = { log_retention_days = 31 } }
  expect_failures = [var.settings]
}

run "refuses_retries" {
  command = plan
  variables { async_invocation = { maximum_retries = 3 } }
  expect_failures = [var.async_invocation]
}

run "refuses_event_age" {
  command = plan
  variables { async_invocation = { maximum_age_seconds = 59 } }
  expect_failures = [var.async_invocation]
}

run "refuses_schedule" {
  command = plan
  variables { schedule = { expression = "15 minutes", input_json = "{}" } }
  expect_failures = [var.schedule]
}

run "refuses_duration_percent" {
  command = plan
  variables { alarms = { duration_percent = 101 } }
  expect_failures = [var.alarms]
}

run "refuses_too_much_memory" {
  command = plan
  variables { function = { name = "a", handler = "a.b", memory_mb = 10241 } }
  expect_failures = [var.function]
}

run "refuses_too_much_ephemeral_storage" {
  command = plan
  variables { function = { name = "a", handler = "a.b", ephemeral_storage_mb = 10241 } }
  expect_failures = [var.function]
}

run "refuses_no_time" {
  command = plan
  variables { function = { name = "a", handler = "a.b", timeout_seconds = 0 } }
  expect_failures = [var.function]
}

run "refuses_an_event_age_of_more_than_six_hours" {
  command = plan
  variables { async_invocation = { maximum_age_seconds = 21601 } }
  expect_failures = [var.async_invocation]
}

run "refuses_negative_retries" {
  command = plan
  variables { async_invocation = { maximum_retries = -1 } }
  expect_failures = [var.async_invocation]
}

run "refuses_a_duration_of_zero_percent" {
  command = plan
  variables { alarms = { duration_percent = 0 } }
  expect_failures = [var.alarms]
}

run "refuses_package_in_two_places" {
  command = plan
  variables { package = { sha256_base64 = "x", path = "finops.zip", s3_bucket = "releases", s3_key = "finops.zip" } }
  expect_failures = [var.package]
}

run "refuses_package_in_no_place" {
  command = plan
  variables { package = { sha256_base64 = "x", s3_bucket = "releases" } }
  expect_failures = [var.package]
}

run "refuses_a_region_of_another_partition" {
  command = plan
  variables { region = "us-gov-west-1" }
  expect_failures = [var.region]
}

run "refuses_a_network_without_a_security_group" {
  command = plan
  variables { settings = { network = { subnet_ids = ["subnet-0a"], security_group_ids = [] } } }
  expect_failures = [var.settings]
}
