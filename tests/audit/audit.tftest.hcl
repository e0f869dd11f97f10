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
  packages = {
    code = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    layers = {
      core = { path = "core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    }
  }
}

# What AWS answers, where another document names it: the plan then holds these documents whole.
override_resource {
  target          = aws_sqs_queue.entries
  override_during = plan
  values          = { arn = "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo" }
}

override_resource {
  target          = aws_sqs_queue.failures
  override_during = plan
  values          = { arn = "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries-failures.fifo" }
}

override_resource {
  target          = module.function["append-audit-entries"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-append-audit-entries" }
}

run "defaults" {
  command = plan
  module { source = "../../modules/audit" }

  # append audit entries policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.append_audit_entries).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      AppendEntries = ["Allow", ["s3:PutObject"], [
        "arn:aws:s3:::finops-audit-111111111111-eu-west-1/ids/*",
        "arn:aws:s3:::finops-audit-111111111111-eu-west-1/trail/*",
      ], null]
      ConsumeEntries = ["Allow", [
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
      ], ["arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo"], null]
      ListTrail = ["Allow", ["s3:ListBucketVersions"], ["arn:aws:s3:::finops-audit-111111111111-eu-west-1"], null]
      ReadEntries = ["Allow", ["s3:GetObject", "s3:GetObjectVersion"], [
        "arn:aws:s3:::finops-audit-111111111111-eu-west-1/ids/*",
        "arn:aws:s3:::finops-audit-111111111111-eu-west-1/trail/*",
      ], null]
      SendFailures = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-append-audit-entries-failures"], null]
      WriteLogs    = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-append-audit-entries:*"], null]
      WriteTraces  = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The appender takes entries from the queue, and reads and writes them; it writes no heads and removes nothing."
  }

  # write audit head policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.write_audit_head).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      ListTrail = ["Allow", ["s3:ListBucketVersions"], ["arn:aws:s3:::finops-audit-111111111111-eu-west-1"], null]
      ReadTrail = ["Allow", ["s3:GetObject", "s3:GetObjectVersion"], [
        "arn:aws:s3:::finops-audit-111111111111-eu-west-1/heads/*",
        "arn:aws:s3:::finops-audit-111111111111-eu-west-1/trail/*",
      ], null]
      SendFailures = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-write-audit-head-failures"], null]
      WriteHeads   = ["Allow", ["s3:PutObject"], ["arn:aws:s3:::finops-audit-111111111111-eu-west-1/heads/*"], null]
      WriteLogs    = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-write-audit-head:*"], null]
      WriteTraces  = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The writer of heads reads the trail and writes heads; it writes no entry and removes nothing."
  }

  # bucket
  assert {
    condition = (
      output.bucket_name == "finops-audit-111111111111-eu-west-1"
      && !module.bucket.settings.force_destroy
      && length(module.bucket.settings.lifecycle_rules) == 0
    )
    error_message = "The bucket keeps every object, and is not destroyed while it holds objects."
  }

  assert {
    condition     = module.bucket.settings.object_lock == { mode = "GOVERNANCE", days = 365 }
    error_message = "Each object is locked for a year."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(module.bucket.policy_json).Statement :
      [s.Sid, s.Effect, s.Principal, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      ]) == jsonencode([
      [
        "DenyWithoutTls", "Deny", { AWS = "*" }, ["s3:*"],
        ["arn:aws:s3:::finops-audit-111111111111-eu-west-1", "arn:aws:s3:::finops-audit-111111111111-eu-west-1/*"],
        { Bool = { "aws:SecureTransport" = "false" } },
      ],
      [
        "DenyOtherWritersOfEntries", "Deny", { AWS = "*" }, ["s3:PutObject"],
        ["arn:aws:s3:::finops-audit-111111111111-eu-west-1/ids/*", "arn:aws:s3:::finops-audit-111111111111-eu-west-1/trail/*"],
        { ArnNotLike = { "aws:PrincipalArn" = [
          "arn:aws:iam::111111111111:role/finops-append-audit-entries",
          "arn:aws:sts::111111111111:assumed-role/finops-append-audit-entries/*",
        ] } },
      ],
      [
        "DenyOtherWritersOfHeads", "Deny", { AWS = "*" }, ["s3:PutObject"],
        ["arn:aws:s3:::finops-audit-111111111111-eu-west-1/heads/*"],
        { ArnNotLike = { "aws:PrincipalArn" = [
          "arn:aws:iam::111111111111:role/finops-write-audit-head",
          "arn:aws:sts::111111111111:assumed-role/finops-write-audit-head/*",
        ] } },
      ],
      [
        "DenyRemoval", "Deny", { AWS = "*" },
        ["s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutLifecycleConfiguration"],
        ["arn:aws:s3:::finops-audit-111111111111-eu-west-1", "arn:aws:s3:::finops-audit-111111111111-eu-west-1/*"],
        null,
      ],
    ])
    error_message = "The bucket's policy grants nothing: it refuses other writers than the two functions, and whoever removes anything."
  }

  assert {
    condition     = module.bucket.settings.kms_key_arn == null
    error_message = "Objects are encrypted with S3's own key."
  }

  # queues
  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.entries, aws_sqs_queue.failures] :
      queue.fifo_queue && queue.content_based_deduplication != true && queue.deduplication_scope == "messageGroup"
      && queue.fifo_throughput_limit == "perMessageGroupId" && queue.message_retention_seconds == 1209600 && queue.sqs_managed_sse_enabled
    ])
    error_message = "Entries keep the order of their stream, are encrypted, and are kept for 14 days."
  }

  assert {
    condition = (
      aws_sqs_queue.entries.name == "finops-audit-entries.fifo"
      && aws_sqs_queue.entries.visibility_timeout_seconds == 720
      && jsonencode(jsondecode(aws_sqs_queue.entries.redrive_policy)) == jsonencode({
        deadLetterTargetArn = "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries-failures.fifo"
        maxReceiveCount     = 500
      })
    )
    error_message = "An entry is tried for days before it waits in the failure queue."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.entries.event_source_arn == "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo"
      && aws_lambda_event_source_mapping.entries.function_name == "arn:aws:lambda:eu-west-1:111111111111:function:finops-append-audit-entries"
      && aws_lambda_event_source_mapping.entries.batch_size == 10
      && aws_lambda_event_source_mapping.entries.function_response_types == toset(["ReportBatchItemFailures"])
      && aws_lambda_event_source_mapping.entries.scaling_config[0].maximum_concurrency == 5
    )
    error_message = "The appender takes ten entries at a time, and says which of them come back."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(output.sender_policy_json).Statement : [s.Sid, s.Effect, s.Action, s.Resource]
      ]) == jsonencode([[
        "RecordAuditEntries", "Allow", "sqs:SendMessage", "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo",
    ]])
    error_message = "A flow may send entries, and nothing else."
  }

  assert {
    condition = (
      output.queue_arn == "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo"
      && output.queue_url == "https://sqs.eu-west-1.amazonaws.com/111111111111/finops-audit-entries.fifo"
    )
    error_message = "Flows know the queue without waiting for it."
  }
}

run "signed_and_encrypted" {
  command = plan
  module { source = "../../modules/audit" }

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:111111111111:key/encryption"
    heads = {
      schedule_expression = "cron(5 * * * ? *)"
      signing_key_arn     = "arn:aws:kms:eu-west-1:999999999999:key/signing"
    }
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(output.policy_json.write_audit_head).Statement : [s.Action, s.Resource] if s.Sid == "SignHeads"
    ]) == jsonencode([["kms:Sign", "arn:aws:kms:eu-west-1:999999999999:key/signing"]])
    error_message = "The writer of heads may sign with the key."
  }

  assert {
    condition = length([
      for s in jsondecode(output.policy_json.append_audit_entries).Statement : s if contains(flatten([s.Action]), "kms:Sign")
    ]) == 0
    error_message = "The appender cannot sign a head."
  }

  assert {
    condition = (
      local.functions["write-audit-head"].environment["SIGNING_KEY_ARN"] == "arn:aws:kms:eu-west-1:999999999999:key/signing"
      && local.functions["write-audit-head"].schedule.expression == "cron(5 * * * ? *)"
    )
    error_message = "Heads are signed, when it is asked for."
  }

  assert {
    condition     = module.bucket.settings.kms_key_arn == null
    error_message = "No key whose deletion can be scheduled encrypts the locked entries."
  }

  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.entries, aws_sqs_queue.failures] : queue.kms_master_key_id == "arn:aws:kms:eu-west-1:111111111111:key/encryption"
    ])
    error_message = "Queues are encrypted with the key."
  }
}

run "signed_by_a_key_of_its_own" {
  command = plan
  module { source = "../../modules/audit" }

  variables {
    heads  = { sign = true }
    bucket = { lock_mode = "COMPLIANCE" }
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(data.aws_iam_policy_document.signing_key.json).Statement : [s.Effect, s.Action, s.Principal, try(s.Condition, null)] if s.Sid == "DenyDeletion"
    ]) == jsonencode([["Deny", ["kms:ScheduleKeyDeletion", "kms:DisableKey"], { AWS = "*" }, null]])
    error_message = "A key that verifies locked heads stays."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(data.aws_iam_policy_document.signing_key.json).Statement : [s.Effect, s.Action, try(s.Condition, null)] if s.Sid == "DenyOtherSigners"
      ]) == jsonencode([["Deny", "kms:Sign", { ArnNotLike = { "aws:PrincipalArn" = [
        "arn:aws:iam::111111111111:role/finops-write-audit-head",
        "arn:aws:sts::111111111111:assumed-role/finops-write-audit-head/*",
    ] } }]])
    error_message = "Nobody but the writer of heads can sign one."
  }

  assert {
    condition     = aws_kms_key.heads[0].customer_master_key_spec == "ECC_NIST_P256" && aws_kms_key.heads[0].key_usage == "SIGN_VERIFY"
    error_message = "The key signs, and does nothing else."
  }
}

run "bound_to_its_senders" {
  command = plan
  module { source = "../../modules/audit" }

  variables {
    senders = {
      streams = { budgets = ["AROABBBBBBBBBBBBB"], billing = ["AROAAAAAAAAAAAAAA", "AROACCCCCCCCCCCCC"], console = [] }
      people  = ["AIDAPERSONPERSONP"]
    }
  }

  assert {
    condition = jsonencode(jsondecode(local.functions["append-audit-entries"].environment["SENDERS"])) == jsonencode({
      "*" = ["AIDAPERSONPERSONP"], billing = ["AROAAAAAAAAAAAAAA", "AROACCCCCCCCCCCCC"], budgets = ["AROABBBBBBBBBBBBB"], console = [],
    })
    error_message = "The appender knows who may write which stream."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(aws_sqs_queue.entries.policy).Statement : [s.Effect, s.Principal, s.Action, s.Resource, s.Condition]
      ]) == jsonencode([[
        "Deny", { AWS = "*" }, "sqs:SendMessage", "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo",
        { StringNotLike = { "aws:userid" = [
          "AIDAPERSONPERSONP", "AIDAPERSONPERSONP:*", "AROAAAAAAAAAAAAAA", "AROAAAAAAAAAAAAAA:*",
          "AROABBBBBBBBBBBBB", "AROABBBBBBBBBBBBB:*", "AROACCCCCCCCCCCCC", "AROACCCCCCCCCCCCC:*",
        ] } },
    ]])
    error_message = "Nobody else may send, whatever IAM allows."
  }
}

run "bucket_for_trials" {
  command = plan
  module { source = "../../modules/audit" }

  variables {
    bucket = { name = "my-trail", lock_days = 1, force_destroy = true }
  }

  assert {
    condition = (
      output.bucket_name == "my-trail"
      && module.bucket.settings.force_destroy
      && module.bucket.settings.object_lock.days == 1
      && [for s in jsondecode(module.bucket.policy_json).Statement : s.Sid] == ["DenyWithoutTls", "DenyOtherWritersOfEntries", "DenyOtherWritersOfHeads"]
    )
    error_message = "Where destroying takes the trail along, the policy lets it."
  }
}

run "functions" {
  command = plan
  module { source = "../../modules/audit" }

  variables {
    appending = { maximum_concurrency = 2, maximum_tries = 7, memory_mb = 512, timeout_seconds = 60 }
  }

  assert {
    condition = jsonencode({ for name, one in local.functions : name => one.environment }) == jsonencode({
      append-audit-entries = {
        BUCKET             = "finops-audit-111111111111-eu-west-1"
        QUEUE_URL          = "https://sqs.eu-west-1.amazonaws.com/111111111111/finops-audit-entries.fifo"
        REJECTED_QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/111111111111/finops-append-audit-entries-failures"
        SENDERS            = ""
      }
      write-audit-head = { BUCKET = "finops-audit-111111111111-eu-west-1" }
    })
    error_message = "Each function is told what it uses."
  }

  assert {
    condition = jsonencode({ for name, one in local.functions : name => [one.memory_mb, one.timeout, try(one.schedule.expression, null)] }) == jsonencode({
      append-audit-entries = [512, 60, null]
      write-audit-head     = [512, 900, "rate(1 hour)"]
    })
    error_message = "The appender has the memory and time that was asked for; a head is written every hour."
  }

  assert {
    condition = (
      aws_sqs_queue.entries.visibility_timeout_seconds == 360
      && jsondecode(aws_sqs_queue.entries.redrive_policy).maxReceiveCount == 7
      && aws_lambda_event_source_mapping.entries.scaling_config[0].maximum_concurrency == 2
    )
    error_message = "Queue and mapping follow the settings."
  }

  assert {
    condition = jsonencode(output.function_names) == jsonencode({
      append_audit_entries = "finops-append-audit-entries"
      write_audit_head     = "finops-write-audit-head"
    })
    error_message = "There are two functions."
  }
}

run "alarms" {
  command = plan
  module { source = "../../modules/audit" }

  variables {
    alarms = { topic_arns = ["arn:aws:sns:eu-west-1:111111111111:alarms"], maximum_delay_seconds = 60, maximum_head_age_hours = 6 }
  }

  assert {
    condition = jsonencode({
      for name, one in module.alarms.alarms : name => [
        one.namespace, one.metric_name, one.dimensions, one.threshold, one.comparison_operator, one.treat_missing_data, one.alarm_actions,
      ]
      if name != "heads-missing"
      }) == jsonencode({
      entries-contradicted = ["FinOps", "AuditEntriesContradicted", { service = "finops-append-audit-entries" }, 1, "GreaterThanOrEqualToThreshold", "notBreaching", ["arn:aws:sns:eu-west-1:111111111111:alarms"]]
      entries-delay        = ["AWS/SQS", "ApproximateAgeOfOldestMessage", { QueueName = "finops-audit-entries.fifo" }, 60, "GreaterThanOrEqualToThreshold", "notBreaching", ["arn:aws:sns:eu-west-1:111111111111:alarms"]]
      entries-failing      = ["FinOps", "AuditEntriesFailed", { service = "finops-append-audit-entries" }, 2, "GreaterThanOrEqualToThreshold", "notBreaching", ["arn:aws:sns:eu-west-1:111111111111:alarms"]]
      entries-unauthorized = ["FinOps", "AuditEntriesUnauthorized", { service = "finops-append-audit-entries" }, 1, "GreaterThanOrEqualToThreshold", "notBreaching", ["arn:aws:sns:eu-west-1:111111111111:alarms"]]
      entries-failures     = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", { QueueName = "finops-audit-entries-failures.fifo" }, 1, "GreaterThanOrEqualToThreshold", "notBreaching", ["arn:aws:sns:eu-west-1:111111111111:alarms"]]
      entries-unsent       = ["FinOps", "AuditEntriesUnsent", { service = "finops-audit-entries.fifo" }, 1, "GreaterThanOrEqualToThreshold", "notBreaching", ["arn:aws:sns:eu-west-1:111111111111:alarms"]]
      problems             = ["FinOps", "AuditProblems", { service = "finops-write-audit-head" }, 1, "GreaterThanOrEqualToThreshold", "notBreaching", ["arn:aws:sns:eu-west-1:111111111111:alarms"]]
    })
    error_message = "Entries that wait or failed raise alarms, and so does a trail that is not as it was written."
  }

  assert {
    condition = (
      module.alarms.alarms["heads-missing"].metric_name == "AuditHeadsWritten"
      && module.alarms.alarms["heads-missing"].dimensions == tomap({ service = "finops-write-audit-head" })
      && module.alarms.alarms["heads-missing"].period == 3600
      && module.alarms.alarms["heads-missing"].evaluation_periods == 6
      && module.alarms.alarms["heads-missing"].comparison_operator == "LessThanThreshold"
      && module.alarms.alarms["heads-missing"].treat_missing_data == "breaching"
    )
    error_message = "No head for six hours raises an alarm, also when nothing is heard at all."
  }
}

run "no_alarms" {
  command = plan
  module { source = "../../modules/audit" }

  variables {
    alarms = { enabled = false }
  }

  assert {
    condition     = length(module.alarms.alarms) == 0
    error_message = "Without alarms there are none."
  }
}
