# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

variables {
  account_id        = "111111111111"
  region            = "eu-west-1"
  spoke_account_ids = ["333333333333", "222222222222"]
  external_id       = "finops-test"
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
  variables { account_id = "1111" }
  expect_failures = [var.account_id]
}

run "refuses_spoke_account_id" {
  command = plan
  variables { spoke_account_ids = ["22222222222"] }
  expect_failures = [var.spoke_account_ids]
}

run "refuses_more_spokes_than_fit_a_policy" {
  command = plan
  variables { spoke_account_ids = [for n in range(101) : tostring(100000000000 + n)] }
  expect_failures = [var.spoke_account_ids]
}

run "refuses_organization_id" {
  command = plan
  variables {
    spoke_account_ids = []
    organization_id   = "organization"
  }
  expect_failures = [var.organization_id]
}

run "refuses_both_spokes_and_organization" {
  command = plan
  variables { organization_id = "o-a1b2c3d4e5" }
  expect_failures = [var.organization_id]
}

run "refuses_neither_spokes_nor_organization" {
  command = plan
  variables { spoke_account_ids = [] }
  expect_failures = [var.organization_id]
}

run "refuses_external_id" {
  command = plan
  variables { external_id = "not allowed" }
  expect_failures = [var.external_id]
}

run "refuses_long_external_id" {
  command = plan
  variables { external_id = format("%01225d", 0) }
  expect_failures = [var.external_id]
}

run "refuses_packages_without_core" {
  command = plan
  variables { packages = { code = { path = "a", sha256_base64 = "b" }, layers = {} } }
  expect_failures = [var.packages]
}

run "refuses_batch_size" {
  command = plan
  variables { publisher = { batch_size = 10001 } }
  expect_failures = [var.publisher]
}

run "refuses_parallelization_factor" {
  command = plan
  variables { publisher = { parallelization_factor = 11 } }
  expect_failures = [var.publisher]
}

run "refuses_concurrency" {
  command = plan
  variables { publisher = { concurrency = 0 } }
  expect_failures = [var.publisher]
}

run "refuses_unbounded_retries" {
  command = plan
  variables { publisher = { maximum_retries = -1 } }
  expect_failures = [var.publisher]
}

run "refuses_record_age" {
  command = plan
  variables { publisher = { maximum_age_seconds = 86401 } }
  expect_failures = [var.publisher]
}

run "refuses_raises_without_a_limit" {
  command = plan
  variables { publisher = { raises = {} } }
  expect_failures = [var.publisher]
}

run "refuses_a_negative_raise" {
  command = plan
  variables { publisher = { raises = { usd = -1 } } }
  expect_failures = [var.publisher]
}

run "refuses_any_role_as_personal" {
  command = plan
  variables { publisher = { raises = { percent = 5, personal_session_roles = ["*"] } } }
  expect_failures = [var.publisher]
}

run "refuses_removal_policy" {
  command = plan
  variables { removal_policy = "retain" }
  expect_failures = [var.removal_policy]
}

run "refuses_delay" {
  command = plan
  variables { alarms = { maximum_delay_seconds = 30 } }
  expect_failures = [var.alarms]
}

run "refuses_empty_batches" {
  command = plan
  variables { publisher = { batch_size = 0 } }
  expect_failures = [var.publisher]
}

run "refuses_no_parallel_batch" {
  command = plan
  variables { publisher = { parallelization_factor = 0 } }
  expect_failures = [var.publisher]
}

run "refuses_too_many_publishers" {
  command = plan
  variables { publisher = { concurrency = 51 } }
  expect_failures = [var.publisher]
}

run "refuses_a_single_drift_worker" {
  command = plan
  variables { publisher = { drift_workers = 1 } }
  expect_failures = [var.publisher]
}

run "refuses_too_many_retries" {
  command = plan
  variables { publisher = { maximum_retries = 11 } }
  expect_failures = [var.publisher]
}

run "refuses_records_of_less_than_a_minute" {
  command = plan
  variables { publisher = { maximum_age_seconds = 59 } }
  expect_failures = [var.publisher]
}

run "refuses_a_region_of_another_partition" {
  command = plan
  variables { region = "us-gov-west-1" }
  expect_failures = [var.region]
}
