# ARNs are built from names. So policies are known at plan, and nothing waits for a queue, which the provider needs
# 25 seconds to create.
locals {
  bucket_name = coalesce(var.bucket.name, "${var.name_prefix}-reconciliation-${var.account_id}-${var.region}")
  bucket_arn  = "arn:aws:s3:::${local.bucket_name}"

  function_name   = "${var.name_prefix}-reconcile-month"
  payer_role_name = "${var.name_prefix}-cost-reader"
  topic_name      = "${var.name_prefix}-reconciliation-reports"
  topic_arn       = "arn:aws:sns:${var.region}:${var.account_id}:${local.topic_name}"

  configuration_key = "config/reconciliation.yaml"
  configuration     = yamldecode(var.configuration)

  audit_environment = { for queue in var.flows.audit[*] : "AUDIT_QUEUE_URL" => queue.queue_url }
  database_environment = merge([
    for database in var.flows.database[*] : {
      DATABASE_ARN        = database.cluster_arn
      DATABASE_SECRET_ARN = database.secret_arn
      DATABASE_NAME       = database.name
    }
  ]...)

  settings_json = jsonencode(merge(local.athena_settings, {
    EXPORTS_URI     = join(",", var.costs.exports_uris)
    MAIL_RECIPIENTS = join(",", var.reporting.notifications.mail_recipients)
    STATIC_RATES    = jsonencode(var.rates.static)
  }))
  settings_key = "config/settings-${substr(sha256(local.settings_json), 0, 16)}.json"

  environment = merge(local.audit_environment, local.database_environment, {
    BUCKET              = local.bucket_name
    CONFIGURATION_KEY   = local.configuration_key
    SETTINGS_KEY        = local.settings_key
    ACCOUNT_ID          = var.account_id
    SOURCE              = var.costs.source
    CALLS_PER_SECOND    = tostring(var.costs.calls_per_second)
    DAILY_USD           = tostring(var.costs.daily_usd)
    MAX_RATE_AGE_DAYS   = tostring(var.rates.maximum_age_days)
    PAYER_ROLE_NAME     = local.payer_role_name
    EXTERNAL_ID         = var.payers.external_id == null ? "" : var.payers.external_id
    BUDGETS_TABLE       = var.flows.budgets_table_name == null ? "" : var.flows.budgets_table_name
    BUDGET_STATUS_TABLE = var.flows.budget_status_table_name == null ? "" : var.flows.budget_status_table_name
    INVOICES_TABLE      = var.flows.invoices_table_name == null ? "" : var.flows.invoices_table_name
    CLOSE_DAY           = tostring(var.reporting.close_day)
    WATCH_UNTIL_DAY     = tostring(var.reporting.watch_until_day)
    FORMATS             = join(",", var.reporting.formats)
    LINK_SECONDS        = tostring(var.reporting.link_seconds)
    PAGE_URL            = var.reporting.page_url == null ? "" : var.reporting.page_url
    TOPIC_ARN           = local.topic_arn
    MAIL_SENDER         = var.reporting.notifications.mail_sender == null ? "" : var.reporting.notifications.mail_sender
    WEBHOOK_SECRET_ARN  = var.reporting.notifications.webhook_secret_arn == null ? "" : var.reporting.notifications.webhook_secret_arn
  })

  layers = ["core", "reports", "duckdb"]
  # Too large to upload: Lambda reads them from the bucket.
  layers_in_bucket = { for name in local.layers : name => var.packages.layers[name] if var.packages.layers[name].upload == "s3" }
}

module "reconcile_month" {
  source = "../lambda_function"

  account_id  = var.account_id
  region      = var.region
  kms_key_arn = var.kms_key_arn
  settings    = var.function_settings
  alarms      = { enabled = var.alarms.enabled, topic_arns = var.alarms.topic_arns }
  policy_json = data.aws_iam_policy_document.reconcile_month.json
  package     = var.packages.code
  layer_arns  = [for name in local.layers : aws_lambda_layer_version.this[name].arn]
  schedule    = { expression = var.reporting.schedule_expression, input_json = jsonencode({}) }
  tags        = var.tags

  function = {
    name                 = local.function_name
    description          = "Reconciles a month's costs with budgets and invoices, and reports"
    handler              = "finops.reconciliation.handlers.reconcile_month"
    memory_mb            = var.reporting.memory_mb
    ephemeral_storage_mb = var.reporting.ephemeral_storage_mb
    timeout_seconds      = 900
  }

  environment = local.environment
}

resource "aws_lambda_layer_version" "this" {
  for_each = toset(local.layers)

  layer_name        = "${var.name_prefix}-reconciliation-${each.key}"
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

# Accounts, rules and budgets. Each run reads them.
resource "aws_s3_object" "configuration" {
  bucket       = module.bucket.ready_bucket_name
  key          = local.configuration_key
  content      = var.configuration
  content_type = "application/yaml"
  kms_key_id   = var.kms_key_arn
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

# Subscribe here to be told of reports. Mail and chat are settings of the function.
resource "aws_sns_topic" "reports" {
  #checkov:skip=CKV_AWS_26:a customer managed key is a setting
  name              = local.topic_name
  kms_master_key_id = var.kms_key_arn
  tags              = var.tags
}
