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
  account_id        = "111111111111"
  region            = "eu-west-1"
  spoke_account_ids = ["333333333333", "222222222222"]
  external_id       = "finops-test"
  packages = {
    code   = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    layers = { core = { path = "core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }
}

run "defaults" {
  command = plan
  module { source = "../../modules/budgets_management" }

  # publish budget policy
  assert {
    condition = jsonencode({
      for s in jsondecode(module.publish_budget.policy_json).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      AssumeSpokeRoles = ["Allow", ["sts:AssumeRole"], [
        "arn:aws:iam::111111111111:role/finops-budgets-spoke",
        "arn:aws:iam::222222222222:role/finops-budgets-spoke",
        "arn:aws:iam::333333333333:role/finops-budgets-spoke",
      ], null]
      HandOnDefaults = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-budget-accounts"], null]
      ReadBudgetStream = ["Allow", [
        "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams",
      ], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-budgets/stream/*"], null]
      ReadDefaults = ["Allow", ["dynamodb:Query", "dynamodb:Scan"], [
        "arn:aws:dynamodb:eu-west-1:111111111111:table/finops-budgets",
      ], null]
      SendFailures = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-publish-budget-failures"], null]
      SetDeadlines = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-budget-deadlines"], null]
      WriteBudgetStatus = ["Allow", ["dynamodb:GetItem", "dynamodb:UpdateItem"], [
        "arn:aws:dynamodb:eu-west-1:111111111111:table/finops-budget-status",
      ], null]
      WriteLogs   = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-publish-budget:*"], null]
      WriteTraces = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The publisher reads the stream and defaults, writes statuses, sets deadlines and assumes the spokes' roles."
  }

  # repair budget drift policy
  assert {
    condition = jsonencode({
      for s in jsondecode(module.repair_budget_drift.policy_json).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      AssumeSpokeRoles = ["Allow", ["sts:AssumeRole"], [
        "arn:aws:iam::111111111111:role/finops-budgets-spoke",
        "arn:aws:iam::222222222222:role/finops-budgets-spoke",
        "arn:aws:iam::333333333333:role/finops-budgets-spoke",
      ], null]
      ReadBudgets = ["Allow", ["dynamodb:Query", "dynamodb:Scan"], [
        "arn:aws:dynamodb:eu-west-1:111111111111:table/finops-budgets",
      ], null]
      SendFailures = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-repair-budget-drift-failures"], null]
      SetDeadlines = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-budget-deadlines"], null]
      WorkThroughAccounts = ["Allow", [
        "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage",
      ], ["arn:aws:sqs:eu-west-1:111111111111:finops-budget-accounts"], null]
      WriteBudgetStatus = ["Allow", [
        "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem",
      ], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-budget-status"], null]
      WriteLogs   = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-repair-budget-drift:*"], null]
      WriteTraces = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The repairer reads both tables, writes statuses, sets deadlines, works off accounts and assumes the spokes' roles."
  }

  # record budget result policy
  assert {
    condition = jsonencode({
      for s in jsondecode(module.record_budget_result.policy_json).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      SendFailures      = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-record-budget-result-failures"], null]
      WriteBudgetStatus = ["Allow", ["dynamodb:UpdateItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-budget-status"], null]
      WriteLogs         = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-record-budget-result:*"], null]
      WriteTraces       = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The recorder writes statuses and nothing else."
  }

  # expire pending budget policy
  assert {
    condition = jsonencode({
      for s in jsondecode(module.expire_pending_budget.policy_json).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      ConsumeDeadlines  = ["Allow", ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-budget-deadlines"], null]
      SendFailures      = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-expire-pending-budget-failures"], null]
      WriteBudgetStatus = ["Allow", ["dynamodb:UpdateItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-budget-status"], null]
      WriteLogs         = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-expire-pending-budget:*"], null]
      WriteTraces       = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The expirer takes deadlines and writes statuses."
  }

  # result bus
  assert {
    condition = jsonencode([
      for s in jsondecode(aws_cloudwatch_event_bus_policy.results.policy).Statement :
      [s.Sid, s.Effect, sort(flatten([s.Principal.AWS])), s.Action, s.Resource, s.Condition]
      ]) == jsonencode([[
        "SpokesReportResults", "Allow",
        ["arn:aws:iam::222222222222:root", "arn:aws:iam::333333333333:root"],
        "events:PutEvents", "arn:aws:events:eu-west-1:111111111111:event-bus/finops-budgets",
        { StringEquals = { "events:detail-type" = "Budget Result", "events:source" = "finops.budgets" } },
    ]])
    error_message = "The listed spokes may put budget results on the bus, and nothing else."
  }

  assert {
    condition     = aws_cloudwatch_event_bus.results.name == "finops-budgets"
    error_message = "The spokes know the bus by its name."
  }

  # tables
  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.budgets, aws_dynamodb_table.budget_status] :
      table.hash_key == "account_id" && table.range_key == "budget_name" && table.billing_mode == "PAY_PER_REQUEST"
      && table.deletion_protection_enabled && table.point_in_time_recovery[0].enabled
    ])
    error_message = "Both tables have the same keys, are protected, and can be restored."
  }

  assert {
    condition     = aws_dynamodb_table.budgets.stream_enabled && aws_dynamodb_table.budgets.stream_view_type == "NEW_AND_OLD_IMAGES"
    error_message = "The stream carries the row before and after."
  }

  assert {
    condition     = aws_dynamodb_table.budget_status.stream_enabled != true
    error_message = "A status wakes nobody."
  }

  # deadlines
  assert {
    condition = (
      aws_sqs_queue.deadlines.name == "finops-budget-deadlines"
      && aws_sqs_queue.deadlines.visibility_timeout_seconds == 180
      && aws_sqs_queue.deadlines.sqs_managed_sse_enabled
      && aws_lambda_event_source_mapping.expire_pending_budget.function_response_types == toset(["ReportBatchItemFailures"])
    )
    error_message = "Deadlines are encrypted, and one that fails does not repeat its neighbours."
  }

  # drift runs
  assert {
    condition = (
      aws_sqs_queue.accounts.name == "finops-budget-accounts"
      && aws_sqs_queue.accounts.visibility_timeout_seconds == 1800
      && aws_sqs_queue.accounts.sqs_managed_sse_enabled
      && aws_lambda_event_source_mapping.repair_budget_drift.batch_size == 1
      && aws_lambda_event_source_mapping.repair_budget_drift.scaling_config[0].maximum_concurrency == 5
      && aws_lambda_event_source_mapping.repair_budget_drift.function_response_types == toset(["ReportBatchItemFailures"])
    )
    error_message = "Accounts are compared in parts, five at once, and a part that fails repeats alone."
  }
}

run "organization" {
  command = plan
  module { source = "../../modules/budgets_management" }

  variables {
    spoke_account_ids = []
    organization_id   = "o-a1b2c3d4e5"
  }

  assert {
    condition = jsonencode([
      for role in [module.publish_budget.policy_json, module.repair_budget_drift.policy_json] : [
        for s in jsondecode(role).Statement : [s.Resource, s.Condition] if s.Sid == "AssumeSpokeRoles"
      ]
      ]) == jsonencode([
      for hub in range(2) : [["arn:aws:iam::*:role/finops-budgets-spoke", { StringEquals = { "aws:ResourceOrgID" = "o-a1b2c3d4e5" } }]]
    ])
    error_message = "The hub may assume the spoke role in accounts of the organization only."
  }

  assert {
    condition = jsonencode([
      for role in [module.publish_budget.policy_json, module.repair_budget_drift.policy_json] : [
        for s in jsondecode(role).Statement : [s.Action, s.Resource] if s.Sid == "DescribeAccounts"
      ]
      ]) == jsonencode([
      for hub in range(2) : [["organizations:DescribeAccount", "arn:aws:organizations::*:account/o-a1b2c3d4e5/*"]]
    ])
    error_message = "The hub may ask whether an account is in the organization."
  }

  assert {
    condition = jsonencode([
      for role in [module.publish_budget.policy_json, module.repair_budget_drift.policy_json] : [
        for s in jsondecode(role).Statement : [s.Action, s.Resource] if contains(["DescribeOrganization", "ListUnits"], s.Sid)
      ]
      ]) == jsonencode([
      for hub in range(2) : [
        ["organizations:DescribeOrganization", "*"],
        [
          ["organizations:ListParents", "organizations:ListOrganizationalUnitsForParent", "organizations:ListAccountsForParent"],
          ["arn:aws:organizations::*:ou/o-a1b2c3d4e5/*", "arn:aws:organizations::*:account/o-a1b2c3d4e5/*"],
        ],
      ]
    ])
    error_message = "The hub may ask who inherits which default."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(module.repair_budget_drift.policy_json).Statement : [s.Action, s.Resource] if s.Sid == "ListAccounts"
      ]) == jsonencode([["organizations:ListAccounts", "*"]]) && alltrue([
      for s in jsondecode(module.publish_budget.policy_json).Statement : s.Sid != "ListAccounts"
    ])
    error_message = "The repairer may list the organization's accounts, and the publisher need not."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(aws_cloudwatch_event_bus_policy.results.policy).Statement : [s.Principal, s.Condition]
      ]) == jsonencode([[{ AWS = "*" }, { StringEquals = {
        "aws:PrincipalOrgID" = "o-a1b2c3d4e5"
        "events:detail-type" = "Budget Result"
        "events:source"      = "finops.budgets"
    } }]])
    error_message = "Accounts of the organization only may report results."
  }
}

run "stream_mapping" {
  command = plan
  module { source = "../../modules/budgets_management" }

  variables {
    publisher = { batch_size = 25, parallelization_factor = 3, concurrency = 8 }
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.publish_budget.batch_size == 25
      && aws_lambda_event_source_mapping.publish_budget.parallelization_factor == 3
      && aws_lambda_event_source_mapping.publish_budget.starting_position == "TRIM_HORIZON"
      && aws_lambda_event_source_mapping.publish_budget.bisect_batch_on_function_error
      && aws_lambda_event_source_mapping.publish_budget.maximum_retry_attempts == 3
      && aws_lambda_event_source_mapping.publish_budget.maximum_record_age_in_seconds == 3600
      && aws_lambda_event_source_mapping.publish_budget.function_response_types == toset(["ReportBatchItemFailures"])
      && length(aws_lambda_event_source_mapping.publish_budget.destination_config[0].on_failure) == 1
    )
    error_message = "A poison row is isolated, retried three times and sent to the failure queue."
  }

  assert {
    condition     = local.publisher_environment["PUBLISH_CONCURRENCY"] == "8"
    error_message = "The publisher works on as many spokes at once as it was told to."
  }
}

run "raises" {
  command = plan
  module { source = "../../modules/budgets_management" }

  variables { publisher = { raises = { percent = 10 } } }

  assert {
    condition = (
      local.publisher_environment["RAISE_PERCENT"] == "10"
      && !contains(keys(local.publisher_environment), "RAISE_USD")
      && local.publisher_environment["PERSONAL_SESSION_ROLES"] == jsonencode(["AWSReservedSSO_*"])
      && one(aws_lambda_function_url.approvals).authorization_type == "AWS_IAM"
    )
    error_message = "Publisher and repairer know the limit, and people's signatures are verified."
  }

  assert {
    condition = jsonencode({
      for s in jsondecode(output.approver_policy_json).Statement : s.Sid => [flatten([s.Action]), try(s.Condition, null)]
      }) == jsonencode({
      Approve          = [["lambda:InvokeFunctionUrl"], { StringEquals = { "lambda:FunctionUrlAuthType" = "AWS_IAM" } }]
      ApproveByUrlOnly = [["lambda:InvokeFunction"], { Bool = { "lambda:InvokedViaFunctionUrl" = "true" } }]
      FindApprovals    = [["lambda:GetFunctionUrlConfig"], null]
      ReadStatus       = [["dynamodb:Scan", "dynamodb:Query", "dynamodb:GetItem"], null]
    })
    error_message = "Approvers read, and call the URL alone."
  }
}

run "environment_and_outputs" {
  command = plan
  module { source = "../../modules/budgets_management" }

  variables {
    name_prefix    = "acme"
    removal_policy = "delete"
  }

  assert {
    condition = local.publisher_environment == {
      BUDGETS_TABLE       = "acme-budgets"
      STATUS_TABLE        = "acme-budget-status"
      PAYER_ACCOUNT_ID    = "111111111111"
      SPOKE_ROLE_NAME     = "acme-budgets-spoke"
      EXTERNAL_ID         = "finops-test"
      PARAMETER_PREFIX    = "/acme/budgets"
      REMOVAL_POLICY      = "delete"
      DEADLINE_QUEUE_URL  = "https://sqs.eu-west-1.amazonaws.com/111111111111/acme-budget-deadlines"
      PUBLISH_CONCURRENCY = "16"
      SPOKE_ACCOUNT_IDS   = "222222222222 333333333333"
      ACCOUNT_QUEUE_URL   = "https://sqs.eu-west-1.amazonaws.com/111111111111/acme-budget-accounts"
    }
    error_message = "Publisher and repairer are told where everything is, and nothing waits."
  }

  assert {
    condition = (
      output.budgets_table_name == "acme-budgets"
      && output.budget_status_table_name == "acme-budget-status"
      && output.spoke_role_name == "acme-budgets-spoke"
      && output.external_id == "finops-test"
      && length(output.hub_role_arns) == 2
    )
    error_message = "Outputs say what the spokes must be given."
  }

  assert {
    condition = jsonencode({ for name, alarm in module.alarms.alarms : name => [alarm.metric_name, alarm.threshold, alarm.dimensions] }) == jsonencode({
      accounts-failing  = ["AccountsFailing", 1, { service = "acme-repair-budget-drift" }]
      deadline-delay    = ["ApproximateAgeOfOldestMessage", 1200, { QueueName = "acme-budget-deadlines" }]
      deadlines-failing = ["MessagesFailed", 2, { service = "acme-expire-pending-budget" }]
      drift-delay       = ["ApproximateAgeOfOldestMessage", 1200, { QueueName = "acme-budget-accounts" }]
      drift-failing     = ["MessagesFailed", 2, { service = "acme-repair-budget-drift" }]
      publish-delay     = ["IteratorAge", 300000, { FunctionName = "acme-publish-budget" }]
      reports-withheld  = ["BudgetResultsWithheld", 1, { service = "acme-record-budget-result" }]
    })
    error_message = "Edits that wait for more than 5 minutes alarm, deadlines that wait so long beyond the longest, deadlines whose check fails again, accounts that wait or cannot be compared, accounts that stay failing, and reports that the trail does not take."
  }
}

run "audited" {
  command = plan
  module { source = "../../modules/budgets_management" }

  variables {
    audit = {
      queue_url = "https://sqs.eu-west-1.amazonaws.com/111111111111/finops-audit-entries.fifo"
      queue_arn = "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo"
    }
  }

  assert {
    condition = alltrue([
      for policy in [
        module.publish_budget.policy_json, module.record_budget_result.policy_json,
        module.expire_pending_budget.policy_json, module.repair_budget_drift.policy_json,
        ] : jsonencode(
        [for s in jsondecode(policy).Statement : [s.Effect, s.Action, s.Resource] if s.Sid == "RecordAuditEntries"]
      ) == jsonencode([["Allow", "sqs:SendMessage", "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo"]])
    ])
    error_message = "Each function may send to the trail's queue, and to that queue alone."
  }

  assert {
    condition = alltrue([
      for variables in [local.publisher_environment, local.status_environment] : variables["AUDIT_QUEUE_URL"] == var.audit.queue_url
    ])
    error_message = "Each function is told where the trail is."
  }
}

run "unprotected_without_alarms" {
  command = plan
  module { source = "../../modules/budgets_management" }

  variables {
    tables      = { deletion_protection = false, point_in_time_recovery = false }
    alarms      = { enabled = false }
    kms_key_arn = "arn:aws:kms:eu-west-1:111111111111:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.budgets, aws_dynamodb_table.budget_status] :
      !table.deletion_protection_enabled && !table.point_in_time_recovery[0].enabled
      && table.server_side_encryption[0].kms_key_arn == var.kms_key_arn
    ]) && length(module.alarms.alarms) == 0 && aws_sqs_queue.deadlines.kms_master_key_id == var.kms_key_arn && aws_cloudwatch_event_bus.results.kms_key_identifier == var.kms_key_arn
    error_message = "Protection and alarms are settings, and the key encrypts tables, queue and event bus."
  }

  assert {
    condition = [
      for s in jsondecode(output.approver_policy_json).Statement : [s.Action, s.Resource] if s.Sid == "ReadEncrypted"
    ] == [["kms:Decrypt", var.kms_key_arn]]
    error_message = "Who approves reads tables that the key encrypts."
  }
}
