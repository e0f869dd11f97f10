# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

variables {
  account_id = "111111111111"
  region     = "eu-west-1"
  flows      = {}
}

run "refuses_account_id" {
  command = plan
  variables { account_id = "1111" }
  expect_failures = [var.account_id]
}

run "refuses_another_partition" {
  command = plan
  variables { region = "us-gov-west-1" }
  expect_failures = [var.region]
}

run "refuses_name_prefix" {
  command = plan
  variables { name_prefix = "Fin_Ops" }
  expect_failures = [var.name_prefix]
}

run "refuses_a_flow_that_no_module_makes" {
  command = plan
  variables { flows = { budgets_management = {} } }
  expect_failures = [var.flows]
}

run "refuses_more_alarms_than_a_rule_may_name" {
  command = plan
  variables { flows = { budgets = { impacts = { not-applied = { description = "x", alarm_names = [for n in range(101) : "alarm-${n}"] } } } } }
  expect_failures = [var.flows]
}

run "refuses_an_objective_whose_alarm_could_never_start" {
  command = plan
  variables { objectives = { edits = { percent = 90 } } }
  expect_failures = [var.objectives]
}

run "refuses_an_objective_of_no_time" {
  command = plan
  variables { objectives = { files = { seconds = 0 } } }
  expect_failures = [var.objectives]
}

run "refuses_more_topics_than_an_alarm_tells" {
  command = plan
  variables { alarms = { topic_arns = ["a", "b", "c", "d", "e"] } }
  expect_failures = [var.alarms]
}

run "refuses_a_part_of_a_secrets_arn" {
  command = plan
  variables {
    webhook  = { secret_arn = "finops/chat-webhook" }
    packages = { code = { path = "a", sha256_base64 = "b" }, layers = { core = { path = "a", sha256_base64 = "b" } } }
  }
  expect_failures = [var.webhook]
}

run "refuses_a_chat_that_it_has_no_format_for" {
  command = plan
  variables {
    webhook  = { secret_arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:chat-a1b2c3", format = "irc" }
    packages = { code = { path = "a", sha256_base64 = "b" }, layers = { core = { path = "a", sha256_base64 = "b" } } }
  }
  expect_failures = [var.webhook]
}

run "refuses_a_webhook_without_packages" {
  command = plan
  variables { webhook = { secret_arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:chat-a1b2c3" } }
  expect_failures = [var.packages]
}

run "refuses_a_name_prefix_that_aws_reserves" {
  command = plan
  variables { name_prefix = "aws-finops" }
  expect_failures = [var.name_prefix]
}

run "refuses_a_name_prefix_of_one_letter" {
  command = plan
  variables { name_prefix = "x" }
  expect_failures = [var.name_prefix]
}

run "refuses_a_name_prefix_of_21_letters" {
  command = plan
  variables { name_prefix = "finops-of-a-long-name" }
  expect_failures = [var.name_prefix]
}

run "refuses_a_name_prefix_that_ends_with_a_hyphen" {
  command = plan
  variables { name_prefix = "dev-" }
  expect_failures = [var.name_prefix]
}

run "refuses_a_name_prefix_with_two_hyphens" {
  command = plan
  variables { name_prefix = "dev--eu" }
  expect_failures = [var.name_prefix]
}
