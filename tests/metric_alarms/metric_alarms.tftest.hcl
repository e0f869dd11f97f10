# Plans only, with a real provider and invented credentials.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "000000000000"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

run "alarms" {
  command = plan
  module { source = "../../modules/metric_alarms" }

  variables {
    name_prefix = "example"
    settings    = { topic_arns = ["arn:aws:sns:eu-west-1:111111111111:operators"] }
    metrics = {
      failed = { description = "It failed.", namespace = "Example", metric = "Failed", dimensions = { service = "load" } }
      missing = {
        description = "It is missing.", namespace = "Example", metric = "Loaded", dimensions = { service = "load" }, threshold = 5
        statistic   = "Average", comparison_operator = "LessThanThreshold", treat_missing_data = "breaching", period_seconds = 3600, evaluation_periods = 2
      }
      stopped = {
        description         = "It has stopped.", namespace = "Example", metric = "Loaded", dimensions = { service = "load" }
        comparison_operator = "LessThanThreshold", treat_missing_data = "missing", period_seconds = 86400
      }
    }
    queue_delays = {
      delay = { queue_name = "orders", description = "Orders wait.", maximum_seconds = 900 }
    }
    failed_messages = {
      failing = { service = "take-orders", description = "Orders fail." }
      lost    = { service = "write-orders", description = "Orders are not written.", metric = "OrdersFailed" }
    }
  }

  assert {
    condition = jsonencode({
      for name, alarm in output.alarms : name => [
        alarm.alarm_name, alarm.alarm_description, alarm.namespace, alarm.metric_name, alarm.dimensions, alarm.statistic, alarm.threshold,
        alarm.comparison_operator, alarm.treat_missing_data, alarm.period, alarm.evaluation_periods,
      ]
      }) == jsonencode({
      delay = [
        "example-delay", "Orders wait.", "AWS/SQS", "ApproximateAgeOfOldestMessage", { QueueName = "orders" }, "Maximum", 900,
        "GreaterThanOrEqualToThreshold", "notBreaching", 60, 1,
      ]
      failed = [
        "example-failed", "It failed.", "Example", "Failed", { service = "load" }, "Sum", 1,
        "GreaterThanOrEqualToThreshold", "notBreaching", 60, 1,
      ]
      failing = [
        "example-failing", "Orders fail.", "FinOps", "MessagesFailed", { service = "take-orders" }, "Sum", 2,
        "GreaterThanOrEqualToThreshold", "notBreaching", 3600, 1,
      ]
      lost = [
        "example-lost", "Orders are not written.", "FinOps", "OrdersFailed", { service = "write-orders" }, "Sum", 2,
        "GreaterThanOrEqualToThreshold", "notBreaching", 3600, 1,
      ]
      missing = [
        "example-missing", "It is missing.", "Example", "Loaded", { service = "load" }, "Average", 5,
        "LessThanThreshold", "breaching", 3600, 2,
      ]
      stopped = [
        "example-stopped", "It has stopped.", "Example", "Loaded", { service = "load" }, "Sum", 1,
        "LessThanThreshold", "missing", 86400, 1,
      ]
    })
    error_message = "Each alarm is as it was described."
  }

  assert {
    condition = alltrue([
      for alarm in output.alarms : alarm.alarm_actions == toset(["arn:aws:sns:eu-west-1:111111111111:operators"]) && alarm.ok_actions == alarm.alarm_actions
    ])
    error_message = "The topics hear when an alarm starts and when it ends."
  }

  assert {
    condition     = join(" ", [for name, alarm in output.alarms : name if length(coalesce(alarm.insufficient_data_actions, [])) > 0]) == "stopped"
    error_message = "Of a metric that was there and stays away, the topics hear; of one that has never been there, they do not."
  }
}
