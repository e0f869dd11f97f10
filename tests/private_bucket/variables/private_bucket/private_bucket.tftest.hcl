# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

variables {
  name = "example-files"
}

run "refuses_a_name_in_capitals" {
  command = plan
  variables { name = "Example-Files" }
  expect_failures = [var.name]
}

run "refuses_to_destroy_what_nobody_can_delete" {
  command = plan
  variables {
    force_destroy = true
    object_lock   = { mode = "COMPLIANCE", days = 1 }
  }
  expect_failures = [var.force_destroy]
}

run "refuses_two_rules_with_the_same_id" {
  command = plan
  variables { lifecycle_rules = [{ id = "a", expiration_days = 1 }, { id = "a", prefix = "b/", expiration_days = 2 }] }
  expect_failures = [var.lifecycle_rules]
}

run "refuses_a_rule_that_does_nothing" {
  command = plan
  variables { lifecycle_rules = [{ id = "a", prefix = "a/" }] }
  expect_failures = [var.lifecycle_rules]
}

run "refuses_an_unknown_lock" {
  command = plan
  variables { object_lock = { mode = "governance", days = 1 } }
  expect_failures = [var.object_lock]
}

run "refuses_a_lock_of_no_days" {
  command = plan
  variables { object_lock = { mode = "GOVERNANCE", days = 0 } }
  expect_failures = [var.object_lock]
}

run "refuses_a_lock_of_more_than_a_century" {
  command = plan
  variables { object_lock = { mode = "GOVERNANCE", days = 36501 } }
  expect_failures = [var.object_lock]
}

run "refuses_an_origin_with_a_path" {
  command = plan
  variables { upload_origins = ["https://finops.example.com/upload"] }
  expect_failures = [var.upload_origins]
}
