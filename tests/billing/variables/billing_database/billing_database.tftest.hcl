# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

variables {
  region = "eu-west-1"
}

run "refuses_name_prefix" {
  command = plan
  variables { name_prefix = "Fin_Ops" }
  expect_failures = [var.name_prefix]
}

run "refuses_database_name" {
  command = plan
  variables { database_name = "Billing-Rows" }
  expect_failures = [var.database_name]
}

run "refuses_engine_that_cannot_pause" {
  command = plan
  variables { engine_version = "8.0.mysql_aurora.3.07.1" }
  expect_failures = [var.engine_version]
}

run "refuses_other_engine" {
  command = plan
  variables { engine_version = "5.7.mysql_aurora.2.12.0" }
  expect_failures = [var.engine_version]
}

run "refuses_least_capacity_above_the_most" {
  command = plan
  variables { capacity = { minimum = 4, maximum = 2 } }
  expect_failures = [var.capacity]
}

run "refuses_capacity_between_steps" {
  command = plan
  variables { capacity = { minimum = 0.7 } }
  expect_failures = [var.capacity]
}

run "refuses_most_capacity_below_1" {
  command = plan
  variables { capacity = { maximum = 0.5 } }
  expect_failures = [var.capacity]
}

run "refuses_most_capacity_above_256" {
  command = plan
  variables { capacity = { maximum = 257 } }
  expect_failures = [var.capacity]
}

run "refuses_pause_too_soon" {
  command = plan
  variables { capacity = { pause_after_seconds = 60 } }
  expect_failures = [var.capacity]
}

run "refuses_pause_too_late" {
  command = plan
  variables { capacity = { pause_after_seconds = 86401 } }
  expect_failures = [var.capacity]
}

run "refuses_no_instance" {
  command = plan
  variables { instances = 0 }
  expect_failures = [var.instances]
}

run "refuses_more_instances_than_a_cluster_has" {
  command = plan
  variables { instances = 17 }
  expect_failures = [var.instances]
}

run "refuses_one_subnet" {
  command = plan
  variables { network = { vpc_id = "vpc-11111111111111111", subnet_ids = ["subnet-11111111111111111"] } }
  expect_failures = [var.network]
}

run "refuses_what_is_no_network" {
  command = plan
  variables { access = { cidr_blocks = ["10.0.0.1"] } }
  expect_failures = [var.access]
}

run "refuses_whole_internet" {
  command = plan
  variables { access = { cidr_blocks = ["0.0.0.0/0"] } }
  expect_failures = [var.access]
}

run "refuses_no_backups" {
  command = plan
  variables { backups = { retention_days = 0 } }
  expect_failures = [var.backups]
}

run "refuses_backups_too_old" {
  command = plan
  variables { backups = { retention_days = 36 } }
  expect_failures = [var.backups]
}

run "refuses_backup_window" {
  command = plan
  variables { backups = { window = "3am-4am" } }
  expect_failures = [var.backups]
}

run "refuses_unknown_log" {
  command = plan
  variables { log_exports = ["binlog"] }
  expect_failures = [var.log_exports]
}

run "refuses_rotation_too_soon" {
  command = plan
  variables { password_rotation_days = 0 }
  expect_failures = [var.password_rotation_days]
}

run "refuses_rotation_too_late" {
  command = plan
  variables { password_rotation_days = 91 }
  expect_failures = [var.password_rotation_days]
}

run "refuses_negative_capacity" {
  command = plan
  variables { capacity = { minimum = -1 } }
  expect_failures = [var.capacity]
}

run "refuses_most_capacity_between_steps" {
  command = plan
  variables { capacity = { maximum = 1.3 } }
  expect_failures = [var.capacity]
}

run "refuses_a_region_of_another_partition" {
  command = plan
  variables { region = "us-gov-west-1" }
  expect_failures = [var.region]
}

run "refuses_a_name_prefix_that_aws_reserves" {
  command = plan
  variables { name_prefix = "aws-finops" }
  expect_failures = [var.name_prefix]
}
