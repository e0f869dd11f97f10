# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

variables {
  name_prefix = "example"
}

run "refuses_to_look_back_more_than_a_day_minute_by_minute" {
  command = plan
  variables { metrics = { a = { description = "A.", namespace = "N", metric = "M", dimensions = {}, evaluation_periods = 1441 } } }
  expect_failures = [var.metrics]
}

run "refuses_to_look_back_more_than_a_week" {
  command = plan
  variables { metrics = { a = { description = "A.", namespace = "N", metric = "M", dimensions = {}, period_seconds = 86400, evaluation_periods = 8 } } }
  expect_failures = [var.metrics]
}

run "refuses_two_alarms_of_the_same_name" {
  command = plan
  variables {
    metrics      = { a = { description = "A.", namespace = "N", metric = "M", dimensions = {} } }
    queue_delays = { a = { queue_name = "a", description = "A.", maximum_seconds = 60 } }
  }
  expect_failures = [var.queue_delays]
}

run "refuses_failed_messages_with_the_name_of_another_alarm" {
  command = plan
  variables {
    queue_delays    = { a = { queue_name = "a", description = "A.", maximum_seconds = 60 } }
    failed_messages = { a = { service = "a", description = "A." } }
  }
  expect_failures = [var.failed_messages]
}
