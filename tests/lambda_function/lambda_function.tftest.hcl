# Plans only, with a real provider and invented credentials: policies are compared whole.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "000000000000"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

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

run "defaults" {
  command = plan
  module { source = "../../modules/lambda_function" }

  assert {
    condition = jsonencode({
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      ReadRows     = ["Allow", ["dynamodb:GetItem"], ["arn:aws:dynamodb:eu-west-1:123456789012:table/rows"], null]
      WriteLogs    = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/finops-example:*"], null]
      SendFailures = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:123456789012:finops-example-failures"], null]
      WriteTraces  = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The role may do what it was given, write its logs and traces, and send failures: nothing else."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(aws_iam_role.this.assume_role_policy).Statement : [s.Effect, s.Action, s.Principal]
    ]) == jsonencode([["Allow", "sts:AssumeRole", { Service = "lambda.amazonaws.com" }]])
    error_message = "Lambda alone may assume the role."
  }

  assert {
    condition = (
      aws_lambda_function.this.runtime == "python3.13"
      && tolist(aws_lambda_function.this.architectures) == tolist(["arm64"])
      && aws_lambda_function.this.memory_size == 256
      && aws_lambda_function.this.ephemeral_storage[0].size == 512
      && aws_lambda_function.this.timeout == 60
      && aws_lambda_function.this.reserved_concurrent_executions == -1
      && aws_lambda_function.this.tracing_config[0].mode == "Active"
      && aws_lambda_function.this.source_code_hash == var.package.sha256_base64
    )
    error_message = "The function runs Python 3.13 on arm64, traced, with its own limits and code."
  }

  assert {
    condition = aws_lambda_function.this.environment[0].variables == tomap({
      POWERTOOLS_SERVICE_NAME      = "finops-example"
      POWERTOOLS_METRICS_NAMESPACE = "FinOps"
      POWERTOOLS_LOG_LEVEL         = "INFO"
      CODE_SHA256                  = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
      AWS_DATA_PATH                = "/opt/python/aws_models"
    })
    error_message = "Powertools is told the service, the namespace and the log level, audit entries which code wrote them, and boto3 where the models are."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/finops-example" && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "Logs are kept for 30 days in the group that the policy names."
  }

  assert {
    condition = (
      aws_sqs_queue.failures.name == "finops-example-failures"
      && aws_sqs_queue.failures.message_retention_seconds == 1209600
      && aws_sqs_queue.failures.sqs_managed_sse_enabled
    )
    error_message = "Failures are kept for 14 days, encrypted."
  }

  assert {
    condition = (
      aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 2
      && aws_lambda_function_event_invoke_config.this.maximum_event_age_in_seconds == 3600
    )
    error_message = "An asynchronous event is tried three times within an hour."
  }

  assert {
    condition = jsonencode({
      for name, alarm in module.alarms.alarms :
      name => [alarm.namespace, alarm.metric_name, alarm.dimensions, alarm.statistic, alarm.threshold]
      }) == jsonencode({
      duration  = ["AWS/Lambda", "Duration", { FunctionName = "finops-example" }, "Maximum", 48000]
      errors    = ["AWS/Lambda", "Errors", { FunctionName = "finops-example" }, "Sum", 1]
      failures  = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", { QueueName = "finops-example-failures" }, "Maximum", 1]
      throttles = ["AWS/Lambda", "Throttles", { FunctionName = "finops-example" }, "Sum", 1]
    })
    error_message = "Errors, throttles, 80% of the timeout and dead letters alarm."
  }

  assert {
    condition = (
      length(aws_cloudwatch_event_rule.this) == 0 && length(aws_lambda_permission.event_rule) == 0
      && length(aws_scheduler_schedule.this) == 0 && length(aws_iam_role.schedule) == 0
    )
    error_message = "Nobody invokes a function that was given no trigger."
  }
}

run "quiet_logs" {
  command = plan
  module { source = "../../modules/lambda_function" }

  variables {
    settings = { log_level = "ERROR" }
  }

  # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
  assert {
    condition = (
      aws_lambda_function.this.environment[0].variables["POWERTOOLS_LOG_LEVEL"] == "ERROR"
      && aws_lambda_function.this.logging_config[0].application_log_level == "INFO"
    )
    error_message = "Powertools filters; Lambda would drop metrics and uncaught exceptions, which have no level."
  }
}

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
run "refuses_more_variables_than_lambda_takes" {
  command = plan
  module { source = "../../modules/lambda_function" }

  variables {
    environment = { LIST = join(" ", [for number in range(900) : "x123"]) }
  }

  expect_failures = [aws_lambda_function.this]
}

run "settings" {
  command = plan
  module { source = "../../modules/lambda_function" }

  variables {
    function = {
      name                 = "finops-example"
      handler              = "finops.example.handlers.run"
      reserved_concurrency = 5
      ephemeral_storage_mb = 1024
    }
    environment = { TABLE = "rows" }
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    package     = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", architecture = "x86_64", release = "0.1.0" }
    settings = {
      tracing                  = false
      log_level                = "DEBUG"
      log_retention_days       = 365
      permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
    }
    async_invocation = { maximum_retries = 0, maximum_age_seconds = 60 }
    alarms           = { topic_arns = ["arn:aws:sns:eu-west-1:123456789012:operators"] }
    schedule         = { expression = "rate(1 hour)", input_json = "{}" }
  }

  assert {
    condition     = aws_lambda_function.this.ephemeral_storage[0].size == 1024
    error_message = "The function has as much of /tmp as it was given."
  }

  assert {
    condition = jsonencode({
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      ReadRows         = ["Allow", ["dynamodb:GetItem"], ["arn:aws:dynamodb:eu-west-1:123456789012:table/rows"], null]
      WriteLogs        = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/finops-example:*"], null]
      SendFailures     = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:123456789012:finops-example-failures"], null]
      UseEncryptionKey = ["Allow", ["kms:Decrypt", "kms:GenerateDataKey"], ["arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"], null]
    })
    error_message = "Without tracing there is no right to trace; with a key, the right to use that key."
  }

  assert {
    condition = jsonencode({
      for s in jsondecode(aws_iam_role_policy.schedule[0].policy).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      InvokeFunction   = ["Allow", ["lambda:InvokeFunction"], ["arn:aws:lambda:eu-west-1:123456789012:function:finops-example"], null]
      SendUndelivered  = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:123456789012:finops-example-failures"], null]
      UseEncryptionKey = ["Allow", ["kms:Decrypt", "kms:GenerateDataKey"], ["arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"], null]
    })
    error_message = "The scheduler may use the key too, since the failure queue is encrypted by it."
  }

  assert {
    condition = (
      aws_lambda_function.this.kms_key_arn == var.kms_key_arn
      && aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn
      && aws_sqs_queue.failures.kms_master_key_id == var.kms_key_arn
    )
    error_message = "The key encrypts environment, logs and failures."
  }

  assert {
    condition = (
      tolist(aws_lambda_function.this.architectures) == tolist(["x86_64"])
      && aws_lambda_function.this.tracing_config[0].mode == "PassThrough"
      && aws_lambda_function.this.reserved_concurrent_executions == 5
      && aws_lambda_function.this.environment[0].variables["TABLE"] == "rows"
      && aws_lambda_function.this.environment[0].variables["POWERTOOLS_LOG_LEVEL"] == "DEBUG"
      && aws_lambda_function.this.logging_config[0].application_log_level == "DEBUG"
      && aws_cloudwatch_log_group.this.retention_in_days == 365
      && aws_iam_role.this.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
      && aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 0
      && aws_lambda_function_event_invoke_config.this.maximum_event_age_in_seconds == 60
    )
    error_message = "Every setting arrives."
  }

  assert {
    condition = alltrue([
      for alarm in module.alarms.alarms :
      alarm.alarm_actions == toset(["arn:aws:sns:eu-west-1:123456789012:operators"]) && alarm.ok_actions == alarm.alarm_actions
    ])
    error_message = "Alarms tell the operators when they start and when they end."
  }
}

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
run "network" {
  command = plan
  module { source = "../../modules/lambda_function" }

  variables {
    settings = { network = { subnet_ids = ["subnet-0a", "subnet-0b"], security_group_ids = ["sg-0a"] } }
    tags     = { cost-center = "4711" }
  }

  assert {
    condition = (
      aws_lambda_function.this.vpc_config[0].subnet_ids == toset(["subnet-0a", "subnet-0b"])
      && aws_lambda_function.this.vpc_config[0].security_group_ids == toset(["sg-0a"])
    )
    error_message = "The function runs in the subnets, with the security group."
  }

  assert {
    condition = jsonencode({
      for s in jsondecode(aws_iam_role_policy.this.policy).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), s.Resource, try(s.Condition, null)] if strcontains(jsonencode(s.Action), "ec2:")
      }) == jsonencode({
      ConnectToNetwork   = ["Allow", ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"], "*", null]
      NotForFunctionCode = ["Deny", ["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"], "*", { ArnEquals = { "lambda:SourceFunctionArn" = "arn:aws:lambda:eu-west-1:123456789012:function:finops-example" } }]
    })
    error_message = "Lambda may connect the function to the network; the function's own code may not."
  }

  assert {
    condition = alltrue([
      for tags in concat([aws_lambda_function.this.tags, aws_iam_role.this.tags, aws_cloudwatch_log_group.this.tags, aws_sqs_queue.failures.tags], [for alarm in module.alarms.alarms : alarm.tags]) :
      { for name, value in tags : name => value if name != "policy-sha256" } == { cost-center = "4711" }
    ])
    error_message = "Everything that a function has is tagged."
  }

  assert {
    # policy_digest of finops.deployment.policies answers the same for these statements, in another order.
    condition     = aws_iam_role.this.tags["policy-sha256"] == "d68b09a216600c9a6766edfb67639429909f2e6c877338e19a33721577818dbd"
    error_message = "The role tells which policy was deployed."
  }
}

run "triggers" {
  command = plan
  module { source = "../../modules/lambda_function" }

  variables {
    event_rule = { pattern_json = "{\"source\":[\"finops.example\"]}", bus_name = "finops" }
    schedule   = { expression = "rate(15 minutes)", input_json = "{\"repair\":true}" }
    alarms     = { enabled = false }
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.this[0].event_bus_name == "finops"
      && aws_cloudwatch_event_rule.this[0].event_pattern == "{\"source\":[\"finops.example\"]}"
      && aws_cloudwatch_event_target.this[0].event_bus_name == "finops"
      && aws_cloudwatch_event_target.this[0].retry_policy[0].maximum_retry_attempts == 10
      && aws_lambda_permission.event_rule[0].principal == "events.amazonaws.com"
      && aws_lambda_permission.event_rule[0].source_arn == "arn:aws:events:eu-west-1:123456789012:rule/finops/finops-example"
    )
    error_message = "The rule of that bus, and no other, may invoke the function."
  }

  assert {
    condition = jsonencode({
      for s in jsondecode(aws_sqs_queue.failures.policy).Statement :
      s.Sid => [s.Effect, s.Principal, sort(flatten([s.Action])), sort(flatten([s.Resource])), s.Condition]
      }) == jsonencode({
      EventRuleSendsUndelivered = [
        "Allow", { Service = "events.amazonaws.com" }, ["sqs:SendMessage"],
        ["arn:aws:sqs:eu-west-1:123456789012:finops-example-failures"],
        { ArnEquals = { "aws:SourceArn" = "arn:aws:events:eu-west-1:123456789012:rule/finops/finops-example" } },
      ]
    })
    error_message = "The rule may dead-letter to the failure queue, and nobody else may send."
  }

  assert {
    condition = (
      aws_scheduler_schedule.this[0].schedule_expression == "rate(15 minutes)"
      && aws_scheduler_schedule.this[0].target[0].input == "{\"repair\":true}"
      && aws_scheduler_schedule.this[0].target[0].retry_policy[0].maximum_retry_attempts == 10
    )
    error_message = "The schedule invokes with its input, and retries."
  }

  assert {
    condition = jsonencode({
      for s in jsondecode(aws_iam_role_policy.schedule[0].policy).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      InvokeFunction  = ["Allow", ["lambda:InvokeFunction"], ["arn:aws:lambda:eu-west-1:123456789012:function:finops-example"], null]
      SendUndelivered = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:123456789012:finops-example-failures"], null]
    })
    error_message = "The scheduler may invoke this function and dead-letter to its queue."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(aws_iam_role.schedule[0].assume_role_policy).Statement : [s.Effect, s.Action, s.Principal, s.Condition]
      ]) == jsonencode([
      ["Allow", "sts:AssumeRole", { Service = "scheduler.amazonaws.com" }, { StringEquals = { "aws:SourceAccount" = "123456789012" } }]
    ])
    error_message = "The scheduler of this account alone may assume the schedule's role."
  }

  assert {
    condition     = length(module.alarms.alarms) == 0
    error_message = "Alarms can be turned off."
  }
}

run "default_bus" {
  command = plan
  module { source = "../../modules/lambda_function" }

  variables {
    event_rule = { pattern_json = "{\"source\":[\"aws.ssm\"]}" }
  }

  assert {
    condition     = aws_lambda_permission.event_rule[0].source_arn == "arn:aws:events:eu-west-1:123456789012:rule/finops-example"
    error_message = "The ARN of a rule on the default bus has no bus in it."
  }
}

run "code_from_s3" {
  command = plan
  module { source = "../../modules/lambda_function" }

  variables {
    package = { sha256_base64 = "x", s3_bucket = "releases", s3_key = "finops.zip", s3_object_version = "v1" }
  }

  assert {
    condition = (
      aws_lambda_function.this.filename == null
      && aws_lambda_function.this.s3_bucket == "releases"
      && aws_lambda_function.this.s3_key == "finops.zip"
      && aws_lambda_function.this.s3_object_version == "v1"
    )
    error_message = "A package may be an object in S3."
  }
}
