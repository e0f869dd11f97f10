# ARNs are built from names. So policies are known at plan, and nothing waits for a queue, which the provider needs
# 25 seconds to create.
locals {
  bucket_name = coalesce(var.bucket.name, "${var.name_prefix}-billing-${var.account_id}-${var.region}")
  bucket_arn  = "arn:aws:s3:::${local.bucket_name}"
  queue_name  = "${var.name_prefix}-billing-files"
  queue_arn   = "arn:aws:sqs:${var.region}:${var.account_id}:${local.queue_name}"

  workflow_name = "${var.name_prefix}-load-large-billing-file"
  workflow_arn  = "arn:aws:states:${var.region}:${var.account_id}:stateMachine:${local.workflow_name}"

  audit_environment = { for queue in var.audit[*] : "AUDIT_QUEUE_URL" => queue.queue_url }

  database_environment = {
    DATABASE_ARN        = var.database.cluster_arn
    DATABASE_SECRET_ARN = var.database.loader_secret_arn
    DATABASE_NAME       = var.database.name
  }
  settings_json = jsonencode({
    STATIC_RATES = jsonencode(var.rates.static)
    DATASETS     = jsonencode(var.datasets)
  })
  settings_arn = "${local.bucket_arn}/${local.settings_key}"
  settings_key = "config/settings-${substr(sha256(local.settings_json), 0, 16)}.json"

  originals_environment = { for name, value in {
    ORIGINALS_LOCK_MODE  = try(var.bucket.originals_lock.mode, null)
    ORIGINALS_LOCK_YEARS = try(tostring(var.bucket.originals_lock.years), null)
  } : name => value if value != null }

  loading_environment = merge(local.database_environment, {
    BUCKET            = local.bucket_name
    LARGE_FILE_BYTES  = tostring(var.loading.large_file_bytes)
    CHUNK_BYTES       = tostring(var.loading.chunk_bytes)
    MAX_RATE_AGE_DAYS = tostring(var.rates.maximum_age_days)
    SETTINGS_KEY      = local.settings_key
  })

  # The functions that share everything but their handler, policy, environment and limits.
  functions = merge(local.fetching, {
    load-billing-file = {
      description = "Loads files of bills and of exchange rates into the database"
      handler     = "load_billing_file"
      memory_mb   = var.loading.memory_mb
      timeout     = var.loading.timeout_seconds
    }
    plan-billing-chunks = {
      description = "Finds the parts of a large billing file"
      handler     = "plan_billing_chunks"
      memory_mb   = var.loading.memory_mb
      timeout     = 900
    }
    load-billing-chunk = {
      description = "Loads one part of a large billing file"
      handler     = "load_billing_chunk"
      memory_mb   = var.loading.memory_mb
      timeout     = 900
    }
    finish-billing-file = {
      description = "Marks a large billing file as loaded once its parts add up"
      handler     = "finish_billing_file"
      memory_mb   = 512
      timeout     = 300
    }
    fail-billing-file = {
      description = "Marks a large billing file as failed, with the step and the reason"
      handler     = "fail_billing_file"
      memory_mb   = 512
      timeout     = 120
    }
    migrate-billing-database = {
      description = "Migrates the tables, views and users of the database"
      handler     = "migrate_billing_database"
      memory_mb   = 512
      timeout     = 300
    }
    withdraw-billing-file = {
      description = "Takes the rows of a file back, and moves files to other datasets, for the console"
      handler     = "withdraw_billing_file"
      memory_mb   = 512
      timeout     = 900
    }
  })
  # Only where rates are fetched.
  fetching = { for ecb in var.rates.ecb[*] : "fetch-billing-rates" => {
    description = "Fetches the exchange rates of the ECB, to be loaded like a file that a person drops"
    handler     = "fetch_billing_rates"
    memory_mb   = 512
    timeout     = 180 # three tries of 10 s for an answer and 30 s for the content
  } }

  # DuckDB is for those that read whole files: what loads a part of a Parquet file reads it as text.
  layers_of = { for name in keys(local.functions) : name => concat(
    ["core", "billing"], contains(["load-billing-file", "plan-billing-chunks"], name) ? ["duckdb"] : []
  ) }
  # Too large to upload: Lambda reads them from the bucket.
  layers_in_bucket = { for name in ["core", "billing", "duckdb"] : name => var.packages.layers[name] if var.packages.layers[name].upload == "s3" }

  # Not part of `functions`: what needs only the names of functions must not wait for the resources named here.
  policies = {
    load-billing-file        = data.aws_iam_policy_document.load_billing_file.json
    plan-billing-chunks      = data.aws_iam_policy_document.plan_billing_chunks.json
    load-billing-chunk       = data.aws_iam_policy_document.load_billing_chunk.json
    finish-billing-file      = data.aws_iam_policy_document.end_billing_file.json
    fail-billing-file        = data.aws_iam_policy_document.end_billing_file.json
    migrate-billing-database = data.aws_iam_policy_document.migrate_billing_database.json
    fetch-billing-rates      = data.aws_iam_policy_document.fetch_billing_rates.json
    withdraw-billing-file    = data.aws_iam_policy_document.withdraw_billing_file.json
  }
  environments = merge({
    load-billing-file = merge(local.loading_environment, local.audit_environment, local.originals_environment, {
      WORKFLOW_ARN = local.workflow_arn
      QUEUE_URL    = "https://sqs.${var.region}.amazonaws.com/${var.account_id}/${local.queue_name}"
      # For the command line and the console, which read these settings.
      DATABASE_READER_SECRET_ARN = var.database.reader_secret_arn
    })
    plan-billing-chunks = local.loading_environment
    load-billing-chunk  = local.loading_environment
    finish-billing-file = merge(local.database_environment, local.audit_environment)
    fail-billing-file   = merge(local.database_environment, local.audit_environment)
    withdraw-billing-file = merge(local.database_environment, local.audit_environment, {
      BUCKET = local.bucket_name
    })
    migrate-billing-database = merge(local.database_environment, {
      DATABASE_SECRET_ARN        = var.database.secret_arn
      DATABASE_LOADER_SECRET_ARN = var.database.loader_secret_arn
      DATABASE_READER_SECRET_ARN = var.database.reader_secret_arn
    })
    }, { for ecb in var.rates.ecb[*] : "fetch-billing-rates" => {
      BUCKET    = local.bucket_name
      RATES_URL = ecb.url
  } })

  schedules = merge({ for days in var.password_rotation_days[*] : "migrate-billing-database" => {
    expression = "rate(${days} days)"
    input_json = jsonencode({ rotate_passwords = true })
    } }, { for ecb in var.rates.ecb[*] : "fetch-billing-rates" => {
    expression = ecb.schedule
    input_json = jsonencode({})
  } })
}

resource "aws_lambda_layer_version" "this" {
  for_each = toset(["core", "billing", "duckdb"])

  layer_name        = "${var.name_prefix}-billing-${each.key}"
  source_code_hash  = var.packages.layers[each.key].sha256_base64
  filename          = contains(keys(local.layers_in_bucket), each.key) ? null : var.packages.layers[each.key].path
  s3_bucket         = try(aws_s3_object.layer[each.key].bucket, var.packages.layers[each.key].s3_bucket)
  s3_key            = try(aws_s3_object.layer[each.key].key, var.packages.layers[each.key].s3_key)
  s3_object_version = try(aws_s3_object.layer[each.key].version_id, var.packages.layers[each.key].s3_object_version)
}

resource "aws_s3_object" "layer" {
  for_each = local.layers_in_bucket

  bucket      = module.bucket.ready_bucket_name
  key         = "layers/${each.key}-${replace(substr(each.value.sha256_base64, 0, 16), "/[^A-Za-z0-9]/", "-")}.zip"
  source      = each.value.path
  source_hash = each.value.sha256_base64
  kms_key_id  = var.kms_key_arn

  # Layers come before their former selves go, as alarms that wait for a function ask for. An object that is not needed any
  # more must go after its layer then, or the plan is a cycle.
  lifecycle {
    create_before_destroy = true
  }
}

module "function" {
  source   = "../lambda_function"
  for_each = local.functions

  account_id  = var.account_id
  region      = var.region
  kms_key_arn = var.kms_key_arn
  settings    = var.function_settings
  alarms      = { enabled = var.alarms.enabled, topic_arns = var.alarms.topic_arns }
  policy_json = local.policies[each.key]
  package     = var.packages.code
  layer_arns  = [for name in local.layers_of[each.key] : aws_lambda_layer_version.this[name].arn]
  environment = local.environments[each.key]
  schedule    = lookup(local.schedules, each.key, null)
  tags        = var.tags

  function = {
    name            = "${var.name_prefix}-${each.key}"
    description     = each.value.description
    handler         = "finops.billing.handlers.${each.value.handler}"
    memory_mb       = each.value.memory_mb
    timeout_seconds = each.value.timeout
  }
}

# Settings that may outgrow the 4 KB of a function's environment. A key of its own for each content: a function finds the
# settings that it was deployed with.
resource "aws_s3_object" "settings" {
  bucket       = module.bucket.ready_bucket_name
  key          = local.settings_key
  content      = local.settings_json
  content_type = "application/json"
  kms_key_id   = var.kms_key_arn

  lifecycle {
    create_before_destroy = true
  }
}

# S3 sends an event for each new file to this queue, which invokes the loader.
resource "aws_sqs_queue" "files" {
  name                       = local.queue_name
  visibility_timeout_seconds = 6 * var.loading.timeout_seconds # as AWS advises; the loader asks for less when it fails
  message_retention_seconds  = 1209600
  sqs_managed_sse_enabled    = var.kms_key_arn == null ? true : null
  kms_master_key_id          = var.kms_key_arn
  policy                     = data.aws_iam_policy_document.queue.json
  tags                       = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = module.function["load-billing-file"].failure_queue_arn
    maxReceiveCount     = var.loading.maximum_tries
  })
}

resource "aws_lambda_event_source_mapping" "files" {
  event_source_arn        = aws_sqs_queue.files.arn
  function_name           = module.function["load-billing-file"].function_arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.loading.maximum_concurrency
  }

  tags = var.tags

  # The tables must exist before the first file is loaded.
  depends_on = [aws_lambda_invocation.migrate]
}

# Migrates the database and its users whenever the code, the database or a secret changes.
resource "aws_lambda_invocation" "migrate" {
  function_name = module.function["migrate-billing-database"].function_name
  input         = jsonencode({})

  triggers = {
    code     = var.packages.code.sha256_base64
    database = "${var.database.cluster_arn}/${var.database.name}"
    users    = "${var.database.loader_secret_arn} ${var.database.reader_secret_arn}"
  }
}

resource "aws_sfn_state_machine" "this" {
  #checkov:skip=CKV_AWS_284:tracing is on unless a setting turns it off; checkov reads no optional() default
  #checkov:skip=CKV_AWS_285:logging is on, of errors; executions keep their own history for 90 days
  name     = local.workflow_name
  type     = "STANDARD"
  role_arn = aws_iam_role.workflow.arn
  tags     = var.tags

  definition = templatefile("${path.module}/load_large_billing_file.asl.json", {
    plan_function_arn   = module.function["plan-billing-chunks"].function_arn
    load_function_arn   = module.function["load-billing-chunk"].function_arn
    finish_function_arn = module.function["finish-billing-file"].function_arn
    fail_function_arn   = module.function["fail-billing-file"].function_arn
    maximum_concurrency = var.loading.chunk_concurrency
    # https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
    retry = jsonencode([
      {
        ErrorEquals = [
          "Lambda.AWSLambdaException", "Lambda.ClientExecutionTimeoutException", "Lambda.SdkClientException",
          "Lambda.ServiceException", "Lambda.TooManyRequestsException", "TransientFailure",
        ]
        IntervalSeconds = 2
        BackoffRate     = 2
        MaxAttempts     = 5
        MaxDelaySeconds = 60
        JitterStrategy  = "FULL"
      },
      # A function that crashes or runs out of time leaves a transaction, whose locks end after three minutes.
      {
        ErrorEquals     = ["Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout"]
        IntervalSeconds = 200
        BackoffRate     = 1
        MaxAttempts     = 3
      },
    ])
  })

  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.workflow.arn}:*"
    include_execution_data = false
    level                  = "ERROR"
  }

  tracing_configuration {
    enabled = var.function_settings.tracing
  }

  # What executions carry, and their history: https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
  # A block that is left out would leave the key of before; a period that is left out would be a change in each plan.
  encryption_configuration {
    type                              = var.kms_key_arn == null ? "AWS_OWNED_KEY" : "CUSTOMER_MANAGED_KMS_KEY"
    kms_key_id                        = var.kms_key_arn
    kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 300
  }

  depends_on = [aws_iam_role_policy.workflow]
}

resource "aws_cloudwatch_log_group" "workflow" {
  #checkov:skip=CKV_AWS_158:a customer managed key is a setting
  #checkov:skip=CKV_AWS_338:retention is a setting; prod keeps a year
  name              = "/aws/vendedlogs/states/${local.workflow_name}"
  retention_in_days = var.function_settings.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}
