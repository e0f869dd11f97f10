# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

variables {
  account_id = "555555555555"
  hub        = { role_arn = "arn:aws:iam::111111111111:role/finops-reconcile-month", external_id = "finops-example" }
}

run "refuses_an_account_id_of_thirteen_digits" {
  command = plan
  variables { account_id = "5555555555555" }
  expect_failures = [var.account_id]
}

run "refuses_to_trust_a_whole_account" {
  command = plan
  variables { hub = { role_arn = "arn:aws:iam::111111111111:root", external_id = "finops-example" } }
  expect_failures = [var.hub]
}

run "refuses_readers_by_wildcard" {
  command = plan
  variables { reader_arns = ["arn:aws:iam::111111111111:role/*"] }
  expect_failures = [var.reader_arns]
}

run "refuses_an_external_id_of_one_letter" {
  command = plan
  variables { hub = { role_arn = "arn:aws:iam::111111111111:role/finops-reconcile-month", external_id = "f" } }
  expect_failures = [var.hub]
}

run "refuses_an_export_from_another_region" {
  command = plan
  variables {
    region       = "eu-west-1"
    focus_export = {}
  }
  expect_failures = [var.focus_export]
}

run "refuses_a_prefix_that_ends_in_a_slash" {
  command = plan
  variables { focus_export = { prefix = "exports/" } }
  expect_failures = [var.focus_export]
}

run "refuses_exports_that_go_within_a_year" {
  command = plan
  variables { focus_export = { keep_days = 365 } }
  expect_failures = [var.focus_export]
}

run "refuses_a_name_prefix_in_capitals" {
  command = plan
  variables { name_prefix = "FinOps" }
  expect_failures = [var.name_prefix]
}

run "refuses_an_external_id_that_is_too_long" {
  command = plan
  variables { hub = { role_arn = "arn:aws:iam::111111111111:role/finops-reconcile-month", external_id = format("%01225d", 0) } }
  expect_failures = [var.hub]
}

run "refuses_a_bucket_name_in_capitals" {
  command = plan
  variables { focus_export = { bucket_name = "Exports" } }
  expect_failures = [var.focus_export]
}

run "refuses_a_region_of_another_partition" {
  command = plan
  variables { region = "us-gov-west-1" }
  expect_failures = [var.region]
}

run "refuses_a_key_by_its_alias" {
  command = plan
  variables { kms_key_arn = "arn:aws:kms:us-east-1:555555555555:alias/exports" }
  expect_failures = [var.kms_key_arn]
}

run "refuses_a_name_prefix_that_aws_reserves" {
  command = plan
  variables { name_prefix = "aws-finops" }
  expect_failures = [var.name_prefix]
}
