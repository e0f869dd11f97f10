# Plans only, with a real provider and invented credentials: policies are compared whole, so that a
# statement that is missing, wider or new fails here.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "000000000000"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  account_id = "111111111111"
  region     = "eu-west-1"
  database = {
    cluster_arn       = "arn:aws:rds:eu-west-1:111111111111:cluster:finops-billing"
    secret_arn        = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:rds-master-a1b2c3"
    loader_secret_arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-loader-a1b2c3"
    reader_secret_arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-reader-a1b2c3"
    name              = "billing"
  }
  packages = {
    code = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    layers = {
      billing = { path = "billing.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
      core    = { path = "core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
      duckdb  = { path = "duckdb.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", upload = "s3" }
    }
  }
}

# What AWS answers, where another document names it: the plan then holds these documents whole.
override_resource {
  target          = module.function["load-billing-file"].aws_sqs_queue.failures
  override_during = plan
  values          = { arn = "arn:aws:sqs:eu-west-1:111111111111:finops-load-billing-file-failures" }
}

override_resource {
  target          = aws_sqs_queue.files
  override_during = plan
  values          = { arn = "arn:aws:sqs:eu-west-1:111111111111:finops-billing-files" }
}

override_resource {
  target          = module.function["fail-billing-file"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-fail-billing-file" }
}

override_resource {
  target          = module.function["finish-billing-file"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-finish-billing-file" }
}

override_resource {
  target          = module.function["load-billing-chunk"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-load-billing-chunk" }
}

override_resource {
  target          = module.function["plan-billing-chunks"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-plan-billing-chunks" }
}

override_resource {
  target          = module.function["load-billing-file"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-load-billing-file" }
}

# The provider would ask AWS whether the definition is valid.
override_resource {
  target          = aws_sfn_state_machine.this
  override_during = plan
  values          = { arn = "arn:aws:states:eu-west-1:111111111111:stateMachine:finops-load-large-billing-file" }
}

run "defaults" {
  command = plan
  module { source = "../../modules/billing" }

  # load billing file policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.load_billing_file).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      ConsumeFiles = ["Allow", [
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
      ], ["arn:aws:sqs:eu-west-1:111111111111:finops-billing-files"], null]
      QuarantineRows     = ["Allow", ["s3:AbortMultipartUpload", "s3:PutObject"], ["arn:aws:s3:::finops-billing-111111111111-eu-west-1/quarantine/*"], null]
      ReadDatabaseSecret = ["Allow", ["secretsmanager:GetSecretValue"], ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-loader-a1b2c3"], null]
      ReadFiles = ["Allow", ["s3:GetObject", "s3:GetObjectVersion"], [
        "arn:aws:s3:::finops-billing-111111111111-eu-west-1/billing/*",
        "arn:aws:s3:::finops-billing-111111111111-eu-west-1/${local.settings_key}",
        "arn:aws:s3:::finops-billing-111111111111-eu-west-1/rates/*",
      ], null]
      RunStatements = ["Allow", [
        "rds-data:BeginTransaction",
        "rds-data:CommitTransaction",
        "rds-data:ExecuteStatement",
        "rds-data:RollbackTransaction",
      ], ["arn:aws:rds:eu-west-1:111111111111:cluster:finops-billing"], null]
      SeeWorkflow        = ["Allow", ["states:DescribeExecution"], ["arn:aws:states:eu-west-1:111111111111:execution:finops-load-large-billing-file:*"], null]
      SendFailures       = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-load-billing-file-failures"], null]
      StartWorkflow      = ["Allow", ["states:StartExecution"], ["arn:aws:states:eu-west-1:111111111111:stateMachine:finops-load-large-billing-file"], null]
      TellMissingObjects = ["Allow", ["s3:ListBucket", "s3:ListBucketVersions"], ["arn:aws:s3:::finops-billing-111111111111-eu-west-1"], null]
      WriteLogs          = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-load-billing-file:*"], null]
      WriteTraces        = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The loader reads files and rates, writes bad rows and the database, and starts the workflow."
  }

  # plan billing chunks policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.plan_billing_chunks).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      ReadDatabaseSecret = ["Allow", ["secretsmanager:GetSecretValue"], ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-loader-a1b2c3"], null]
      ReadFiles = ["Allow", ["s3:GetObject", "s3:GetObjectVersion"], [
        "arn:aws:s3:::finops-billing-111111111111-eu-west-1/billing/*",
        "arn:aws:s3:::finops-billing-111111111111-eu-west-1/${local.settings_key}",
      ], null]
      RunStatements = ["Allow", [
        "rds-data:BeginTransaction",
        "rds-data:CommitTransaction",
        "rds-data:ExecuteStatement",
        "rds-data:RollbackTransaction",
      ], ["arn:aws:rds:eu-west-1:111111111111:cluster:finops-billing"], null]
      SendFailures       = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-plan-billing-chunks-failures"], null]
      WriteChunks        = ["Allow", ["s3:AbortMultipartUpload", "s3:PutObject"], ["arn:aws:s3:::finops-billing-111111111111-eu-west-1/chunks/*"], null]
      TellMissingObjects = ["Allow", ["s3:ListBucket", "s3:ListBucketVersions"], ["arn:aws:s3:::finops-billing-111111111111-eu-west-1"], null]
      WriteLogs          = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-plan-billing-chunks:*"], null]
      WriteTraces        = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The planner reads files and writes chunks."
  }

  # load billing chunk policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.load_billing_chunk).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      QuarantineRows     = ["Allow", ["s3:AbortMultipartUpload", "s3:PutObject"], ["arn:aws:s3:::finops-billing-111111111111-eu-west-1/quarantine/*"], null]
      ReadDatabaseSecret = ["Allow", ["secretsmanager:GetSecretValue"], ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-loader-a1b2c3"], null]
      ReadFiles = ["Allow", ["s3:GetObject", "s3:GetObjectVersion"], [
        "arn:aws:s3:::finops-billing-111111111111-eu-west-1/billing/*",
        "arn:aws:s3:::finops-billing-111111111111-eu-west-1/chunks/*",
        "arn:aws:s3:::finops-billing-111111111111-eu-west-1/${local.settings_key}",
      ], null]
      RunStatements = ["Allow", [
        "rds-data:BeginTransaction",
        "rds-data:CommitTransaction",
        "rds-data:ExecuteStatement",
        "rds-data:RollbackTransaction",
      ], ["arn:aws:rds:eu-west-1:111111111111:cluster:finops-billing"], null]
      SendFailures = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-load-billing-chunk-failures"], null]
      WriteLogs    = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-load-billing-chunk:*"], null]
      WriteTraces  = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The loader of parts reads files and chunks, and writes bad rows and the database."
  }

  # finish billing file policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.finish_billing_file).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      ReadDatabaseSecret = ["Allow", ["secretsmanager:GetSecretValue"], ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-loader-a1b2c3"], null]
      RunStatements = ["Allow", [
        "rds-data:BeginTransaction",
        "rds-data:CommitTransaction",
        "rds-data:ExecuteStatement",
        "rds-data:RollbackTransaction",
      ], ["arn:aws:rds:eu-west-1:111111111111:cluster:finops-billing"], null]
      SendFailures = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-finish-billing-file-failures"], null]
      WriteLogs    = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-finish-billing-file:*"], null]
      WriteTraces  = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The function that finishes needs the database and nothing else."
  }

  # fail billing file policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.fail_billing_file).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      ReadDatabaseSecret = ["Allow", ["secretsmanager:GetSecretValue"], ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-loader-a1b2c3"], null]
      RunStatements = ["Allow", [
        "rds-data:BeginTransaction",
        "rds-data:CommitTransaction",
        "rds-data:ExecuteStatement",
        "rds-data:RollbackTransaction",
      ], ["arn:aws:rds:eu-west-1:111111111111:cluster:finops-billing"], null]
      SendFailures = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-fail-billing-file-failures"], null]
      WriteLogs    = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-fail-billing-file:*"], null]
      WriteTraces  = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The function that fails needs the database and nothing else."
  }

  # withdraw billing file policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.withdraw_billing_file).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      CopyFiles          = ["Allow", ["s3:AbortMultipartUpload", "s3:PutObject"], ["arn:aws:s3:::finops-billing-111111111111-eu-west-1/billing/*"], null]
      ReadDatabaseSecret = ["Allow", ["secretsmanager:GetSecretValue"], ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-loader-a1b2c3"], null]
      ReadFiles          = ["Allow", ["s3:GetObject", "s3:GetObjectVersion"], ["arn:aws:s3:::finops-billing-111111111111-eu-west-1/billing/*"], null]
      RunStatements = ["Allow", [
        "rds-data:BeginTransaction",
        "rds-data:CommitTransaction",
        "rds-data:ExecuteStatement",
        "rds-data:RollbackTransaction",
      ], ["arn:aws:rds:eu-west-1:111111111111:cluster:finops-billing"], null]
      SendFailures       = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-withdraw-billing-file-failures"], null]
      TellMissingObjects = ["Allow", ["s3:ListBucket"], ["arn:aws:s3:::finops-billing-111111111111-eu-west-1"], null]
      WriteLogs          = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-withdraw-billing-file:*"], null]
      WriteTraces        = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The function that withdraws needs the database, and copies bills within their folder."
  }

  # migrate billing database policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.migrate_billing_database).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      KeepUsersSecrets = ["Allow", ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"], [
        "arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-loader-a1b2c3",
        "arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-reader-a1b2c3",
      ], null]
      ReadDatabaseSecret = ["Allow", ["secretsmanager:GetSecretValue"], ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:rds-master-a1b2c3"], null]
      RunStatements = ["Allow", [
        "rds-data:BeginTransaction",
        "rds-data:CommitTransaction",
        "rds-data:ExecuteStatement",
        "rds-data:RollbackTransaction",
      ], ["arn:aws:rds:eu-west-1:111111111111:cluster:finops-billing"], null]
      SendFailures = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-migrate-billing-database-failures"], null]
      WriteLogs    = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-migrate-billing-database:*"], null]
      WriteTraces  = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The function that migrates needs the database and nothing else."
  }

  # workflow policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.workflow).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      DeliverLogs = ["Allow", [
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
      ], ["*"], null]
      FollowMapRuns = ["Allow", ["states:DescribeExecution", "states:StopExecution"], [
        "arn:aws:states:eu-west-1:111111111111:execution:finops-load-large-billing-file/*",
        "arn:aws:states:eu-west-1:111111111111:execution:finops-load-large-billing-file:*",
      ], null]
      InvokeFunctions = ["Allow", ["lambda:InvokeFunction"], [
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-fail-billing-file",
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-finish-billing-file",
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-load-billing-chunk",
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-plan-billing-chunks",
      ], null]
      ReadPlans    = ["Allow", ["s3:GetObject"], ["arn:aws:s3:::finops-billing-111111111111-eu-west-1/chunks/*"], null]
      StartMapRuns = ["Allow", ["states:StartExecution"], ["arn:aws:states:eu-west-1:111111111111:stateMachine:finops-load-large-billing-file"], null]
      WriteTraces  = ["Allow", ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The workflow calls its four functions, reads plans, runs its map, and writes logs and traces."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(aws_iam_role.workflow.assume_role_policy).Statement : [s.Effect, s.Action, s.Principal, s.Condition]
      ]) == jsonencode([[
        "Allow", "sts:AssumeRole", { Service = "states.amazonaws.com" }, { StringEquals = { "aws:SourceAccount" = "111111111111" } },
    ]])
    error_message = "Step Functions alone, and for this account alone, may assume the workflow's role."
  }

  assert {
    condition = sort(keys(output.policy_json)) == sort([
      "fail_billing_file", "finish_billing_file", "load_billing_chunk", "load_billing_file",
      "migrate_billing_database", "plan_billing_chunks", "withdraw_billing_file", "workflow",
    ])
    error_message = "Every role is looked at above."
  }

  # bucket
  assert {
    condition     = output.bucket_name == "finops-billing-111111111111-eu-west-1" && !module.bucket.settings.force_destroy
    error_message = "The bucket's name is the account's and region's own, and it is not destroyed with what it holds."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(module.bucket.policy_json).Statement :
      [s.Sid, s.Effect, s.Principal, s.Action, sort(flatten([s.Resource])), s.Condition]
      ]) == jsonencode([[
        "DenyWithoutTls", "Deny", { AWS = "*" }, "s3:*",
        ["arn:aws:s3:::finops-billing-111111111111-eu-west-1", "arn:aws:s3:::finops-billing-111111111111-eu-west-1/*"],
        { Bool = { "aws:SecureTransport" = "false" } },
    ]])
    error_message = "The bucket's policy refuses whoever comes without TLS, and grants nothing."
  }

  assert {
    condition     = module.bucket.settings.kms_key_arn == null
    error_message = "Objects are encrypted with S3's own key."
  }

  assert {
    condition = jsonencode({
      for id, rule in module.bucket.settings.lifecycle_rules :
      id => [rule.prefix, rule.expiration_days, rule.archive_days, rule.noncurrent_days, rule.abort_upload_days]
      }) == jsonencode({
      chunks     = ["chunks/", 14, null, 1, null]
      quarantine = ["quarantine/", 365, null, 1, null]
      uploads    = ["", null, null, null, 2]
    })
    error_message = "Bills and rates are never removed, also when another file of the name replaces them; chunks, bad rows and broken uploads are."
  }

  assert {
    condition = jsonencode({
      for one in aws_s3_bucket_notification.this.queue : one.filter_prefix => [one.id, one.events, one.queue_arn, one.filter_suffix]
      }) == jsonencode({
      "billing/" = ["billing", ["s3:ObjectCreated:*"], "arn:aws:sqs:eu-west-1:111111111111:finops-billing-files", null]
      "rates/"   = ["rates", ["s3:ObjectCreated:*"], "arn:aws:sqs:eu-west-1:111111111111:finops-billing-files", null]
    })
    error_message = "Bills and rates wake the loader; bad rows and chunks wake nobody."
  }

  # queue
  assert {
    condition = jsonencode([
      for s in jsondecode(aws_sqs_queue.files.policy).Statement :
      [s.Sid, s.Effect, s.Principal, s.Action, s.Resource, s.Condition]
      ]) == jsonencode([[
        "BucketTellsOfFiles", "Allow", { Service = "s3.amazonaws.com" }, "sqs:SendMessage",
        "arn:aws:sqs:eu-west-1:111111111111:finops-billing-files",
        {
          ArnEquals    = { "aws:SourceArn" = "arn:aws:s3:::finops-billing-111111111111-eu-west-1" }
          StringEquals = { "aws:SourceAccount" = "111111111111" }
        },
    ]])
    error_message = "This bucket of this account, and nothing else, puts events into the queue."
  }

  assert {
    condition = (
      aws_sqs_queue.files.name == "finops-billing-files"
      && aws_sqs_queue.files.visibility_timeout_seconds == 3600
      && aws_sqs_queue.files.message_retention_seconds == 1209600
      && aws_sqs_queue.files.sqs_managed_sse_enabled
    )
    error_message = "Events are encrypted, kept for 14 days, and hidden for six times the loader's timeout."
  }

  assert {
    condition = jsonencode(jsondecode(aws_sqs_queue.files.redrive_policy)) == jsonencode({
      deadLetterTargetArn = "arn:aws:sqs:eu-west-1:111111111111:finops-load-billing-file-failures"
      maxReceiveCount     = 5
    })
    error_message = "A file that failed five times waits in the loader's failure queue."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.files.event_source_arn == "arn:aws:sqs:eu-west-1:111111111111:finops-billing-files"
      && aws_lambda_event_source_mapping.files.function_name == "arn:aws:lambda:eu-west-1:111111111111:function:finops-load-billing-file"
      && aws_lambda_event_source_mapping.files.batch_size == 1
      && aws_lambda_event_source_mapping.files.function_response_types == toset(["ReportBatchItemFailures"])
      && aws_lambda_event_source_mapping.files.scaling_config[0].maximum_concurrency == 5
    )
    error_message = "Five loaders take a file each."
  }

  # workflow
  assert {
    condition = (
      aws_sfn_state_machine.this.name == "finops-load-large-billing-file"
      && aws_sfn_state_machine.this.type == "STANDARD"
      && jsondecode(aws_sfn_state_machine.this.definition).QueryLanguage == "JSONata"
      && jsondecode(aws_sfn_state_machine.this.definition).StartAt == "PlanBillingChunks"
    )
    error_message = "The workflow is a standard one, in JSONata."
  }

  assert {
    condition = jsonencode({
      for name, state in jsondecode(aws_sfn_state_machine.this.definition).States : name => [
        state.Type, try(state.Next, null), try(state.Arguments.FunctionName, null),
        sort(flatten([for one in try(state.Catch, []) : one.ErrorEquals])),
        distinct([for one in try(state.Catch, []) : [one.Next, one.Output.step]]),
      ]
      }) == jsonencode({
      AnyBillingChunks  = ["Choice", null, null, [], []]
      FailBillingFile   = ["Task", "Failed", "arn:aws:lambda:eu-west-1:111111111111:function:finops-fail-billing-file", [], []]
      Failed            = ["Fail", null, null, [], []]
      FinishBillingFile = ["Task", null, "arn:aws:lambda:eu-west-1:111111111111:function:finops-finish-billing-file", ["States.ALL"], [["FailBillingFile", "FinishBillingFile"]]]
      LoadBillingChunks = ["Map", "FinishBillingFile", null, ["States.ALL", "States.DataLimitExceeded"], [["FailBillingFile", "LoadBillingChunks"]]]
      PlanBillingChunks = ["Task", "AnyBillingChunks", "arn:aws:lambda:eu-west-1:111111111111:function:finops-plan-billing-chunks", ["States.ALL"], [["FailBillingFile", "PlanBillingChunks"]]]
    })
    error_message = "Whichever step fails, the ledger is told which, and why."
  }

  assert {
    condition = jsonencode([
      for state in [jsondecode(aws_sfn_state_machine.this.definition).States.AnyBillingChunks] :
      [state.Choices, state.Default]
      ]) == jsonencode([[
        [{ Condition = "{% $states.input.chunks > 0 %}", Next = "LoadBillingChunks" }], "FinishBillingFile",
    ]])
    error_message = "A map is not asked to read an empty plan, as that of a refused file is."
  }

  assert {
    condition = jsonencode([
      for retry in concat(
        [for state in jsondecode(aws_sfn_state_machine.this.definition).States : state.Retry if state.Type == "Task"],
        [jsondecode(aws_sfn_state_machine.this.definition).States.LoadBillingChunks.ItemProcessor.States.LoadBillingChunk.Retry],
      ) : [for one in retry : [one.MaxAttempts, one.IntervalSeconds, one.ErrorEquals]]
      ]) == jsonencode([for call in range(4) : [
        [5, 2, [
          "Lambda.AWSLambdaException", "Lambda.ClientExecutionTimeoutException", "Lambda.SdkClientException",
          "Lambda.ServiceException", "Lambda.TooManyRequestsException", "TransientFailure",
        ]],
        [3, 200, ["Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout"]],
    ]])
    error_message = "Every call is tried again where it may help: after Lambda's own errors, transient failures and crashes."
  }

  assert {
    condition = jsonencode([
      for map in [jsondecode(aws_sfn_state_machine.this.definition).States.LoadBillingChunks] : [
        map.MaxConcurrency, map.ToleratedFailurePercentage, map.Label, map.ItemReader.Resource, map.ItemReader.ReaderConfig,
        map.ItemProcessor.ProcessorConfig, map.ItemProcessor.States.LoadBillingChunk.Arguments.FunctionName,
      ]
      ]) == jsonencode([[
        8, 100, "LoadBillingChunks", "arn:aws:states:::s3:getObject", { InputType = "JSON" },
        { ExecutionType = "STANDARD", Mode = "DISTRIBUTED" }, "arn:aws:lambda:eu-west-1:111111111111:function:finops-load-billing-chunk",
    ]])
    error_message = "Eight parts at once are read from the plan; one that fails stops no other, and the last step names it."
  }

  assert {
    condition = (
      aws_sfn_state_machine.this.tracing_configuration[0].enabled
      && aws_sfn_state_machine.this.logging_configuration[0].level == "ERROR"
      && !aws_sfn_state_machine.this.logging_configuration[0].include_execution_data
      && aws_cloudwatch_log_group.workflow.name == "/aws/vendedlogs/states/finops-load-large-billing-file"
      && aws_cloudwatch_log_group.workflow.retention_in_days == 30
    )
    error_message = "Errors are logged for 30 days, without the data."
  }
}

run "audited" {
  command = plan
  module { source = "../../modules/billing" }

  variables {
    audit = {
      queue_url = "https://sqs.eu-west-1.amazonaws.com/111111111111/finops-audit-entries.fifo"
      queue_arn = "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo"
    }
  }

  assert {
    condition = jsonencode({
      for name, policy in output.policy_json : name => [for s in jsondecode(policy).Statement : [s.Effect, s.Action, s.Resource] if s.Sid == "RecordAuditEntries"]
      }) == jsonencode({
      for name, policy in output.policy_json : name => [
        for grant in [["Allow", "sqs:SendMessage", "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo"]] : grant if contains(
          ["fail_billing_file", "finish_billing_file", "load_billing_file", "withdraw_billing_file"], name
        )
      ]
    })
    error_message = "The functions that say how a file ended may send to the trail's queue, and nobody to another."
  }

  assert {
    condition = alltrue([
      for name, environment in local.environments : lookup(environment, "AUDIT_QUEUE_URL", "") == (
        contains(["fail_billing_file", "finish_billing_file", "load_billing_file", "withdraw_billing_file"], replace(name, "-", "_")) ? var.audit.queue_url : ""
      )
    ])
    error_message = "Who may send is told where to."
  }
}

run "loading_settings" {
  command = plan
  module { source = "../../modules/billing" }

  variables {
    loading = {
      large_file_bytes    = 2048
      chunk_bytes         = 1024
      chunk_concurrency   = 3
      maximum_concurrency = 2
      maximum_tries       = 7
      memory_mb           = 512
      timeout_seconds     = 120
    }
  }

  assert {
    condition = (
      aws_sqs_queue.files.visibility_timeout_seconds == 720
      && jsondecode(aws_sqs_queue.files.redrive_policy).maxReceiveCount == 7
      && aws_lambda_event_source_mapping.files.scaling_config[0].maximum_concurrency == 2
      && jsondecode(aws_sfn_state_machine.this.definition).States.LoadBillingChunks.MaxConcurrency == 3
    )
    error_message = "Queue, mapping and map follow the settings."
  }

  assert {
    condition = (
      local.environments["load-billing-file"]["LARGE_FILE_BYTES"] == "2048"
      && local.environments["plan-billing-chunks"]["CHUNK_BYTES"] == "1024"
    )
    error_message = "Sizes are what was asked for."
  }

  assert {
    condition = jsonencode({ for name, one in local.functions : name => [one.memory_mb, one.timeout] }) == jsonencode({
      fail-billing-file        = [512, 120]
      finish-billing-file      = [512, 300]
      load-billing-chunk       = [512, 900]
      load-billing-file        = [512, 120]
      migrate-billing-database = [512, 300]
      plan-billing-chunks      = [512, 900]
      withdraw-billing-file    = [512, 900]
    })
    error_message = "Loaders have the memory and time that was asked for; the workflow's steps have all that Lambda gives."
  }
}

run "functions" {
  command = plan
  module { source = "../../modules/billing" }

  variables {
    rates    = { maximum_age_days = 3, static = { CAD = "0.79" } }
    datasets = { werke = { date_formats = ["%d.%m.%Y"], decimal_comma = true, thousands = "." } }
  }

  assert {
    condition = jsonencode(local.environments["load-billing-file"]) == jsonencode({
      BUCKET                     = "finops-billing-111111111111-eu-west-1"
      CHUNK_BYTES                = "33554432"
      DATABASE_ARN               = "arn:aws:rds:eu-west-1:111111111111:cluster:finops-billing"
      DATABASE_NAME              = "billing"
      DATABASE_READER_SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-reader-a1b2c3"
      DATABASE_SECRET_ARN        = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-loader-a1b2c3"
      LARGE_FILE_BYTES           = "134217728"
      MAX_RATE_AGE_DAYS          = "3"
      QUEUE_URL                  = "https://sqs.eu-west-1.amazonaws.com/111111111111/finops-billing-files"
      SETTINGS_KEY               = local.settings_key
      WORKFLOW_ARN               = "arn:aws:states:eu-west-1:111111111111:stateMachine:finops-load-large-billing-file"
    })
    error_message = "The loader is told where everything is."
  }

  assert {
    condition = aws_s3_object.settings.key == local.settings_key && aws_s3_object.settings.content == jsonencode({
      DATASETS     = "{\"werke\":{\"date_formats\":[\"%d.%m.%Y\"],\"decimal_comma\":true,\"replace\":false,\"thousands\":\".\"}}"
      STATIC_RATES = "{\"CAD\":\"0.79\"}"
    })
    error_message = "How files are read may outgrow the functions' environment, and is in an object of its own."
  }

  assert {
    condition = jsonencode({ for name, environment in local.environments : name => sort(keys(environment)) }) == jsonencode({
      for name, own in {
        fail-billing-file        = []
        finish-billing-file      = []
        load-billing-chunk       = ["BUCKET", "CHUNK_BYTES", "LARGE_FILE_BYTES", "MAX_RATE_AGE_DAYS", "SETTINGS_KEY"]
        load-billing-file        = ["BUCKET", "CHUNK_BYTES", "DATABASE_READER_SECRET_ARN", "LARGE_FILE_BYTES", "MAX_RATE_AGE_DAYS", "QUEUE_URL", "SETTINGS_KEY", "WORKFLOW_ARN"]
        migrate-billing-database = ["DATABASE_LOADER_SECRET_ARN", "DATABASE_READER_SECRET_ARN"]
        plan-billing-chunks      = ["BUCKET", "CHUNK_BYTES", "LARGE_FILE_BYTES", "MAX_RATE_AGE_DAYS", "SETTINGS_KEY"]
        withdraw-billing-file    = ["BUCKET"]
      } : name => sort(concat(["DATABASE_ARN", "DATABASE_NAME", "DATABASE_SECRET_ARN"], own))
    })
    error_message = "Each function is told what it uses."
  }

  assert {
    condition = jsonencode({ for name, one in local.functions : name => one.handler }) == jsonencode({
      for name, one in local.functions : name => replace(name, "-", "_")
    })
    error_message = "A function's handler has its name."
  }

  assert {
    condition = jsonencode({
      for name, one in aws_lambda_layer_version.this : name => [one.layer_name, one.filename, one.source_code_hash]
      }) == jsonencode({
      billing = ["finops-billing-billing", "billing.zip", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]
      core    = ["finops-billing-core", "core.zip", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]
      duckdb  = ["finops-billing-duckdb", null, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]
    })
    error_message = "The functions share their layers."
  }

  assert {
    condition = (
      keys(aws_s3_object.layer) == ["duckdb"]
      && aws_lambda_layer_version.this["duckdb"].s3_key == "layers/duckdb-47DEQpj8HBSa--TI.zip"
      && aws_lambda_layer_version.this["core"].s3_key == null
    )
    error_message = "Lambda fetches from the bucket the layer that is too big for an upload, and no other."
  }

  assert {
    condition     = [for name, names in local.layers_of : name if contains(names, "duckdb")] == ["load-billing-file", "plan-billing-chunks"]
    error_message = "Only the functions that read whole files can read Parquet."
  }

  assert {
    condition = (
      aws_lambda_invocation.migrate.function_name == "finops-migrate-billing-database"
      && aws_lambda_invocation.migrate.triggers == tomap({
        code     = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        database = "arn:aws:rds:eu-west-1:111111111111:cluster:finops-billing/billing"
        users    = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-loader-a1b2c3 arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-reader-a1b2c3"
      })
    )
    error_message = "Tables and users are brought up to date for new code, for a new database and for new secrets."
  }

  assert {
    condition = (
      local.environments["migrate-billing-database"].DATABASE_SECRET_ARN == var.database.secret_arn
      && alltrue([
        for name, environment in local.environments :
        environment.DATABASE_SECRET_ARN == var.database.loader_secret_arn if name != "migrate-billing-database"
      ])
    )
    error_message = "Only the migration is the master user."
  }

  assert {
    condition = jsonencode(local.schedules) == jsonencode({
      migrate-billing-database = { expression = "rate(30 days)", input_json = "{\"rotate_passwords\":true}" }
    })
    error_message = "Users get new passwords each month."
  }
}

run "rates_are_fetched" {
  command = plan
  module { source = "../../modules/billing" }

  variables {
    rates  = { ecb = { url = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist-90d.xml" } }
    alarms = { topic_arns = ["arn:aws:sns:eu-west-1:111111111111:finops-operators"] }
  }

  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.fetch_billing_rates).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      SendFailures = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-fetch-billing-rates-failures"], null]
      WriteLogs    = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-fetch-billing-rates:*"], null]
      WriteRates   = ["Allow", ["s3:PutObject"], ["arn:aws:s3:::finops-billing-111111111111-eu-west-1/rates/ecb/*"], null]
      WriteTraces  = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The function that fetches rates drops files of its own, and reads nothing."
  }

  assert {
    condition = jsonencode(local.environments["fetch-billing-rates"]) == jsonencode({
      BUCKET    = "finops-billing-111111111111-eu-west-1"
      RATES_URL = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist-90d.xml"
    })
    error_message = "It knows the bucket and the URL, and no secret."
  }

  assert {
    condition = (
      jsonencode(local.schedules["fetch-billing-rates"]) == jsonencode({ expression = "cron(0 16,18 * * ? *)", input_json = "{}" })
      && local.functions["fetch-billing-rates"].handler == "fetch_billing_rates"
      && join(" ", local.layers_of["fetch-billing-rates"]) == "core billing"
      && output.function_names.fetch_billing_rates == "finops-fetch-billing-rates"
    )
    error_message = "It runs twice a day, after the ECB has published."
  }

  assert {
    condition = jsonencode({
      for name, alarm in module.alarms.alarms : name => [
        alarm.metric_name, alarm.dimensions, alarm.comparison_operator, alarm.treat_missing_data, alarm.period, alarm.evaluation_periods,
        toset(alarm.alarm_actions) == toset(var.alarms.topic_arns),
      ] if startswith(name, "rates-")
      }) == jsonencode({
      rates-missing     = ["RatesMissing", { service = "finops-fetch-billing-rates" }, "GreaterThanOrEqualToThreshold", "notBreaching", 3600, 1, true]
      rates-missed      = ["RateDaysMissing", { service = "finops-load-billing-file" }, "GreaterThanOrEqualToThreshold", "notBreaching", 3600, 1, true]
      rates-not-fetched = ["RatesFetched", { service = "finops-fetch-billing-rates" }, "LessThanThreshold", "missing", 86400, 6, true]
    })
    error_message = "A day without its rates alarms, and a schedule that has stopped."
  }

  assert {
    condition = (
      join(" ", [for name, alarm in module.alarms.alarms : name if length(coalesce(alarm.insufficient_data_actions, [])) > 0]) == "rates-not-fetched"
    )
    error_message = "A schedule that never ran is no alarm, and one that has stopped is."
  }
}

run "rates_are_fetched_at_other_times" {
  command = plan
  module { source = "../../modules/billing" }

  variables {
    rates = { ecb = { url = "https://rates.example.com/daily.xml", schedule = "rate(6 hours)" } }
  }

  assert {
    condition     = local.schedules["fetch-billing-rates"].expression == "rate(6 hours)"
    error_message = "The schedule is a setting."
  }
}

run "alarms" {
  command = plan
  module { source = "../../modules/billing" }

  variables {
    alarms = { topic_arns = ["arn:aws:sns:eu-west-1:111111111111:finops-operators"] }
  }

  assert {
    condition = alltrue([for name, alarm in module.alarms.alarms : (
      toset(alarm.alarm_actions) == toset(var.alarms.topic_arns) && toset(alarm.ok_actions) == toset(var.alarms.topic_arns)
      && alarm.comparison_operator == "GreaterThanOrEqualToThreshold" && alarm.treat_missing_data == "notBreaching"
      && alarm.period == (name == "files-failing" ? 3600 : 60) && alarm.evaluation_periods == 1
    )])
    error_message = "Alarms go to the topics within a minute; failed tries are looked for in an hour."
  }

  assert {
    condition = jsonencode({
      for name, alarm in module.alarms.alarms :
      name => [alarm.alarm_name, alarm.namespace, alarm.metric_name, alarm.statistic, alarm.threshold, alarm.dimensions]
      }) == jsonencode({
      files-delay   = ["finops-billing-files-delay", "AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", 1800, { QueueName = "finops-billing-files" }]
      files-failing = ["finops-billing-files-failing", "FinOps", "MessagesFailed", "Sum", 2, { service = "finops-load-billing-file" }]
      workflow-failures = ["finops-billing-workflow-failures", "AWS/States", "ExecutionsFailed", "Sum", 1, {
        StateMachineArn = "arn:aws:states:eu-west-1:111111111111:stateMachine:finops-load-large-billing-file"
      }]
    })
    error_message = "Files that wait for half an hour or fail again alarm, and a workflow that failed."
  }
}

run "key_and_names" {
  command = plan
  module { source = "../../modules/billing" }

  variables {
    name_prefix = "acme"
    kms_key_arn = "arn:aws:kms:eu-west-1:111111111111:key/11111111-2222-3333-4444-555555555555"
    bucket      = { name = "acme-bills", quarantine_days = 90, force_destroy = true, originals_lock = { mode = "GOVERNANCE", years = 10 } }
    alarms      = { enabled = false }

    password_rotation_days = null

    function_settings = {
      tracing                  = false
      log_retention_days       = 365
      permissions_boundary_arn = "arn:aws:iam::111111111111:policy/boundary"
    }
  }

  assert {
    condition = alltrue([
      for name, policy in output.policy_json : jsonencode([
        for s in jsondecode(policy).Statement : [sort(flatten([s.Action])), s.Resource] if s.Sid == "UseEncryptionKey"
      ]) == jsonencode([[["kms:Decrypt", "kms:GenerateDataKey"], var.kms_key_arn]])
    ])
    error_message = "Every role may use the key, and no other."
  }

  assert {
    condition = (
      aws_sqs_queue.files.kms_master_key_id == var.kms_key_arn
      && aws_cloudwatch_log_group.workflow.kms_key_id == var.kms_key_arn
      && aws_sfn_state_machine.this.encryption_configuration[0].kms_key_id == var.kms_key_arn
      && aws_sfn_state_machine.this.encryption_configuration[0].kms_data_key_reuse_period_seconds == 300
      && module.bucket.settings.kms_key_arn == var.kms_key_arn
    )
    error_message = "The key encrypts bucket, queue, workflow and logs."
  }

  assert {
    condition = (
      output.bucket_name == "acme-bills" && module.bucket.settings.force_destroy
      && jsonencode({
        for id, rule in module.bucket.settings.lifecycle_rules : id => [rule.expiration_days, rule.noncurrent_days]
      }) == jsonencode({ chunks = [14, 1], quarantine = [90, 1], uploads = [null, null] })
    )
    error_message = "The bucket's name, times and destruction are settings."
  }

  assert {
    condition = module.bucket.settings.lock_by_version && module.bucket.settings.object_lock == null && jsonencode([
      for s in jsondecode(output.policy_json["load_billing_file"]).Statement : [s.Action, s.Resource] if s.Sid == "LockOriginals"
      ]) == jsonencode([[
        ["s3:PutObjectRetention", "s3:GetObjectRetention"], ["arn:aws:s3:::acme-bills/rates/*", "arn:aws:s3:::acme-bills/billing/*"]
    ]])
    error_message = "The loader locks originals, and nothing else is locked."
  }

  assert {
    condition = jsonencode({
      for name, value in local.environments["load-billing-file"] : name => value if startswith(name, "ORIGINALS_LOCK")
    }) == jsonencode({ ORIGINALS_LOCK_MODE = "GOVERNANCE", ORIGINALS_LOCK_YEARS = "10" })
    error_message = "The loader is told how long."
  }

  assert {
    condition = alltrue([
      for policy in output.policy_json : length([for s in jsondecode(policy).Statement : s if s.Sid == "WriteTraces"]) == 0
    ]) && !aws_sfn_state_machine.this.tracing_configuration[0].enabled
    error_message = "Without tracing nobody may write traces."
  }

  assert {
    condition = (
      length(module.alarms.alarms) == 0
      && aws_cloudwatch_log_group.workflow.retention_in_days == 365
      && aws_iam_role.workflow.permissions_boundary == "arn:aws:iam::111111111111:policy/boundary"
      && jsonencode(output.function_names) == jsonencode({
        fail_billing_file        = "acme-fail-billing-file"
        finish_billing_file      = "acme-finish-billing-file"
        load_billing_chunk       = "acme-load-billing-chunk"
        load_billing_file        = "acme-load-billing-file"
        migrate_billing_database = "acme-migrate-billing-database"
        plan_billing_chunks      = "acme-plan-billing-chunks"
        withdraw_billing_file    = "acme-withdraw-billing-file"
      })
    )
    error_message = "Alarms are a setting, and all names begin with the prefix."
  }

  assert {
    condition     = length(local.schedules) == 0
    error_message = "New passwords are a setting."
  }
}
