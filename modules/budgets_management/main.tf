# budgets_spoke uses the same names. ARNs are built from them. So policies are known at plan, and nothing waits for a
# queue, which the provider needs 25 seconds to create.
locals {
  parameter_prefix = "/${var.name_prefix}/budgets"
  spoke_role_name  = "${var.name_prefix}-budgets-spoke"
  result_source    = "finops.budgets"
  result_type      = "Budget Result"

  budgets_table_arn  = "arn:aws:dynamodb:${var.region}:${var.account_id}:table/${var.name_prefix}-budgets"
  status_table_arn   = "arn:aws:dynamodb:${var.region}:${var.account_id}:table/${var.name_prefix}-budget-status"
  drift_function_arn = "arn:aws:lambda:${var.region}:${var.account_id}:function:${var.name_prefix}-repair-budget-drift"
  deadline_queue_arn = "arn:aws:sqs:${var.region}:${var.account_id}:${var.name_prefix}-budget-deadlines"
  account_queue_arn  = "arn:aws:sqs:${var.region}:${var.account_id}:${var.name_prefix}-budget-accounts"
  result_bus_arn     = "arn:aws:events:${var.region}:${var.account_id}:event-bus/${var.name_prefix}-budgets"

  audit_environment = { for queue in var.audit[*] : "AUDIT_QUEUE_URL" => queue.queue_url }

  raises_environment = merge([for raises in var.publisher.raises[*] : merge(
    { PERSONAL_SESSION_ROLES = jsonencode(raises.personal_session_roles) },
    { for percent in raises.percent[*] : "RAISE_PERCENT" => tostring(percent) },
    { for usd in raises.usd[*] : "RAISE_USD" => tostring(usd) },
  )]...)

  publisher_environment = merge(local.audit_environment, local.raises_environment, {
    BUDGETS_TABLE       = aws_dynamodb_table.budgets.name
    STATUS_TABLE        = aws_dynamodb_table.budget_status.name
    PAYER_ACCOUNT_ID    = var.account_id # has the budgets of accounts without a spoke
    SPOKE_ROLE_NAME     = local.spoke_role_name
    EXTERNAL_ID         = var.external_id
    PARAMETER_PREFIX    = local.parameter_prefix
    REMOVAL_POLICY      = var.removal_policy
    DEADLINE_QUEUE_URL  = "https://sqs.${var.region}.amazonaws.com/${var.account_id}/${var.name_prefix}-budget-deadlines"
    PUBLISH_CONCURRENCY = tostring(var.publisher.concurrency)
    SPOKE_ACCOUNT_IDS   = join(" ", sort(var.spoke_account_ids)) # empty where the organization knows
    ACCOUNT_QUEUE_URL   = "https://sqs.${var.region}.amazonaws.com/${var.account_id}/${var.name_prefix}-budget-accounts"
  })
  status_environment = merge(local.audit_environment, {
    STATUS_TABLE     = aws_dynamodb_table.budget_status.name
    PAYER_ACCOUNT_ID = var.account_id
  })
}

# What finance edits.
resource "aws_dynamodb_table" "budgets" {
  #checkov:skip=CKV_AWS_28:recovery is on unless a setting turns it off; checkov reads no optional() default
  #checkov:skip=CKV_AWS_119:a customer managed key is a setting
  name                        = "${var.name_prefix}-budgets"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "account_id"
  range_key                   = "budget_name"
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  deletion_protection_enabled = var.tables.deletion_protection
  tags                        = var.tags

  attribute {
    name = "account_id"
    type = "S"
  }

  attribute {
    name = "budget_name"
    type = "S"
  }

  point_in_time_recovery {
    enabled = var.tables.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }
}

# The status of each edit. It has its own table, so that writing a status does not trigger the stream.
resource "aws_dynamodb_table" "budget_status" {
  #checkov:skip=CKV_AWS_28:recovery is on unless a setting turns it off; checkov reads no optional() default
  #checkov:skip=CKV_AWS_119:a customer managed key is a setting
  name                        = "${var.name_prefix}-budget-status"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "account_id"
  range_key                   = "budget_name"
  deletion_protection_enabled = var.tables.deletion_protection
  tags                        = var.tags

  attribute {
    name = "account_id"
    type = "S"
  }

  attribute {
    name = "budget_name"
    type = "S"
  }

  point_in_time_recovery {
    enabled = var.tables.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }
}

resource "aws_lambda_layer_version" "core" {
  layer_name        = "${var.name_prefix}-budgets-core"
  filename          = var.packages.layers["core"].path
  s3_bucket         = var.packages.layers["core"].s3_bucket
  s3_key            = var.packages.layers["core"].s3_key
  s3_object_version = var.packages.layers["core"].s3_object_version
  source_code_hash  = var.packages.layers["core"].sha256_base64
}

# Publish: an edited row becomes a parameter in its spoke.
module "publish_budget" {
  source = "../lambda_function"

  account_id  = var.account_id
  region      = var.region
  kms_key_arn = var.kms_key_arn
  settings    = var.function_settings
  alarms      = local.function_alarms
  policy_json = data.aws_iam_policy_document.publish_budget.json
  package     = var.packages.code
  layer_arns  = [aws_lambda_layer_version.core.arn]
  environment = local.publisher_environment
  tags        = var.tags

  function = {
    name            = "${var.name_prefix}-publish-budget"
    description     = "Writes edited budgets to the spoke accounts' parameters"
    handler         = "finops.budgets.handlers.publish_budget"
    memory_mb       = var.publisher.memory_mb
    timeout_seconds = var.publisher.timeout_seconds
  }
}

resource "aws_lambda_event_source_mapping" "publish_budget" {
  event_source_arn                   = aws_dynamodb_table.budgets.stream_arn
  function_name                      = module.publish_budget.function_arn
  starting_position                  = "TRIM_HORIZON"
  batch_size                         = var.publisher.batch_size
  parallelization_factor             = var.publisher.parallelization_factor
  bisect_batch_on_function_error     = true
  maximum_retry_attempts             = var.publisher.maximum_retries
  maximum_record_age_in_seconds      = var.publisher.maximum_age_seconds
  function_response_types            = ["ReportBatchItemFailures"]
  maximum_batching_window_in_seconds = 0

  destination_config {
    on_failure {
      destination_arn = module.publish_budget.failure_queue_arn
    }
  }

  tags = var.tags

  # The publisher sets a deadline for each budget that it writes, and has defaults brought to all accounts.
  depends_on = [aws_sqs_queue.deadlines, aws_sqs_queue.accounts]
}

# Record: the result that a spoke reports becomes the status of the row.
resource "aws_cloudwatch_event_bus" "results" {
  name               = "${var.name_prefix}-budgets"
  kms_key_identifier = var.kms_key_arn
  tags               = var.tags
}

resource "aws_cloudwatch_event_bus_policy" "results" {
  event_bus_name = aws_cloudwatch_event_bus.results.name
  policy         = data.aws_iam_policy_document.results_bus.json
}

module "record_budget_result" {
  source = "../lambda_function"

  account_id  = var.account_id
  region      = var.region
  kms_key_arn = var.kms_key_arn
  settings    = var.function_settings
  alarms      = local.function_alarms
  policy_json = data.aws_iam_policy_document.record_budget_result.json
  package     = var.packages.code
  layer_arns  = [aws_lambda_layer_version.core.arn]
  environment = local.status_environment
  tags        = var.tags

  function = {
    name        = "${var.name_prefix}-record-budget-result"
    description = "Records the results of the spokes in the status table"
    handler     = "finops.budgets.handlers.record_budget_result"
    memory_mb   = 512
  }

  event_rule = {
    bus_name = aws_cloudwatch_event_bus.results.name
    pattern_json = jsonencode({
      source      = [local.result_source]
      detail-type = [local.result_type]
    })
  }
}

# Expire: an edit without a result by its deadline fails.
resource "aws_sqs_queue" "deadlines" {
  name                       = "${var.name_prefix}-budget-deadlines"
  visibility_timeout_seconds = 180 # six times the function's timeout, as AWS advises
  message_retention_seconds  = 86400
  sqs_managed_sse_enabled    = var.kms_key_arn == null ? true : null
  kms_master_key_id          = var.kms_key_arn
  tags                       = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = module.expire_pending_budget.failure_queue_arn
    maxReceiveCount     = 5
  })
}

module "expire_pending_budget" {
  source = "../lambda_function"

  account_id  = var.account_id
  region      = var.region
  kms_key_arn = var.kms_key_arn
  settings    = var.function_settings
  alarms      = local.function_alarms
  policy_json = data.aws_iam_policy_document.expire_pending_budget.json
  package     = var.packages.code
  layer_arns  = [aws_lambda_layer_version.core.arn]
  environment = local.status_environment
  tags        = var.tags

  function = {
    name        = "${var.name_prefix}-expire-pending-budget"
    description = "Marks budgets as failed when their spoke does not answer in time"
    handler     = "finops.budgets.handlers.expire_pending_budget"
    memory_mb   = 512
  }
}

resource "aws_lambda_event_source_mapping" "expire_pending_budget" {
  event_source_arn        = aws_sqs_queue.deadlines.arn
  function_name           = module.expire_pending_budget.function_arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags
}

# Repair: budgets that differ between the table and the spokes are published again. The schedule hands all accounts to a
# queue, in parts that fit into one invocation.
resource "aws_sqs_queue" "accounts" {
  name                       = "${var.name_prefix}-budget-accounts"
  visibility_timeout_seconds = 1800 # six times the function's timeout, as AWS advises
  message_retention_seconds  = 86400
  sqs_managed_sse_enabled    = var.kms_key_arn == null ? true : null
  kms_master_key_id          = var.kms_key_arn
  tags                       = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = module.repair_budget_drift.failure_queue_arn
    maxReceiveCount     = 3
  })
}

module "repair_budget_drift" {
  source = "../lambda_function"

  account_id  = var.account_id
  region      = var.region
  kms_key_arn = var.kms_key_arn
  settings    = var.function_settings
  alarms      = local.function_alarms
  policy_json = data.aws_iam_policy_document.repair_budget_drift.json
  package     = var.packages.code
  layer_arns  = [aws_lambda_layer_version.core.arn]
  environment = local.publisher_environment
  tags        = var.tags

  function = {
    name            = "${var.name_prefix}-repair-budget-drift"
    description     = "Finds and repairs budgets that differ from the table"
    handler         = "finops.budgets.handlers.repair_budget_drift"
    memory_mb       = 512
    timeout_seconds = 300
  }

  schedule = {
    expression = var.publisher.drift_schedule
    input_json = jsonencode({ all_accounts = true })
  }
}

# Where people approve raises. Lambda verifies who signed a request, and tells the function.
resource "aws_lambda_function_url" "approvals" {
  count = var.publisher.raises == null ? 0 : 1

  function_name      = module.repair_budget_drift.function_name
  authorization_type = "AWS_IAM"
}

resource "aws_lambda_event_source_mapping" "repair_budget_drift" {
  event_source_arn        = aws_sqs_queue.accounts.arn
  function_name           = module.repair_budget_drift.function_arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = var.tags

  scaling_config {
    maximum_concurrency = var.publisher.drift_workers
  }
}
