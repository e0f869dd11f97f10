# ARNs are built from names. So policies are known at plan, and nothing waits for a queue, which the provider needs
# 25 seconds to create.
locals {
  bucket_name = coalesce(var.bucket.name, "${var.name_prefix}-invoices-${var.account_id}-${var.region}")
  bucket_arn  = "arn:aws:s3:::${local.bucket_name}"
  table_name  = "${var.name_prefix}-invoices"
  table_arn   = "arn:aws:dynamodb:${var.region}:${var.account_id}:table/${local.table_name}"

  vendors_table_name = "${var.name_prefix}-vendors"
  vendors_table_arn  = "arn:aws:dynamodb:${var.region}:${var.account_id}:table/${local.vendors_table_name}"

  workflow_name = "${var.name_prefix}-invoice-workflow"
  workflow_arn  = "arn:aws:states:${var.region}:${var.account_id}:stateMachine:${local.workflow_name}"

  review_function_arn = "arn:aws:lambda:${var.region}:${var.account_id}:function:${var.name_prefix}-review-invoice"

  rules_key = "config/rules.json"
  settings_json = jsonencode(merge(
    { TRUSTED_VENDORS = jsonencode(var.extraction.trusted_vendors) },
    { for mail in var.customer_mail[*] : "CUSTOMERS" => jsonencode(mail.recipients) },
  ))
  settings_key = "config/settings-${substr(sha256(local.settings_json), 0, 16)}.json"
  topics       = { for name in ["success", "failure", "review", "extractions"] : name => "${var.name_prefix}-invoices-${name}" }
  topic_arns   = { for name, topic in local.topics : name => "arn:aws:sns:${var.region}:${var.account_id}:${topic}" }

  audit_environment = { for queue in var.audit[*] : "AUDIT_QUEUE_URL" => queue.queue_url }

  table_environment = merge(local.audit_environment, {
    BUCKET = local.bucket_name
    TABLE  = local.table_name
  })
  # Commands and the console find the table of vendors by the intake function.
  vendors_environment = { VENDORS_TABLE = local.vendors_table_name }
  workflow_environment = merge(local.table_environment, {
    WORKFLOW_ARN         = local.workflow_arn
    SEPARATION_OF_DUTIES = tostring(var.review.separation_of_duties)

    PERSONAL_SESSION_ROLES = jsonencode(var.review.personal_session_roles)
  })
  topics_environment = merge(local.table_environment, {
    SUCCESS_TOPIC_ARN = local.topic_arns["success"]
    FAILURE_TOPIC_ARN = local.topic_arns["failure"]
    REVIEW_TOPIC_ARN  = local.topic_arns["review"]
  })
  mail_environment = merge([for mail in var.customer_mail[*] : {
    MAIL_SENDER  = mail.sender
    SETTINGS_KEY = local.settings_key
  }]...)
  extraction_environment = merge(local.workflow_environment, {
    COMPLETION_TOPIC_ARN  = local.topic_arns["extractions"]
    COMPLETION_ROLE_ARN   = "arn:aws:iam::${var.account_id}:role/${local.completion_role_name}"
    ENGINE                = var.extraction.engine
    SETTINGS_KEY          = local.settings_key
    SHADOW                = tostring(var.extraction.shadow)
    PRICE_PER_PAGE        = tostring(var.extraction.price_per_page)
    DAILY_PAGES           = tostring(var.extraction.daily_pages)
    DAILY_USD             = tostring(var.extraction.daily_usd)
    PAGES_WITHOUT_CONSENT = tostring(var.extraction.pages_without_consent)
  })

  # The functions that share everything but their handler, policy, environment and limits.
  functions = {
    receive-invoices = {
      description = "Receives new invoices, and starts a workflow for each"
      handler     = "receive_invoices"
      layers      = ["core", "invoices"]
      timeout     = 60
    }
    extract-invoice = {
      description = "Sends a document to Amazon Textract"
      handler     = "extract_invoice"
      layers      = ["core", "invoices", "documents"]
      timeout     = 300
    }
    finish-extraction = {
      description = "Collects the results of Amazon Textract for a long document"
      handler     = "finish_extraction"
      layers      = ["core", "invoices", "documents"]
      timeout     = local.collecting_seconds
    }
    validate-invoice = {
      description = "Builds an invoice from the extracted fields, and checks it"
      handler     = "validate_invoice"
      layers      = ["core", "invoices"]
      timeout     = 120
    }
    review-invoice = {
      description = "Waits for a person to decide about an invoice, and takes the decision"
      handler     = "review_invoice"
      layers      = ["core", "invoices"]
      timeout     = 60
    }
    process-invoice = {
      description = "Gives an invoice its number, unless it is a duplicate"
      handler     = "process_invoice"
      layers      = ["core", "invoices"]
      timeout     = 60
    }
    notify-invoice = {
      description = "Announces the result of an invoice"
      handler     = "notify_invoice"
      layers      = ["core", "invoices"]
      timeout     = 60
    }
    fail-invoice = {
      description = "Records which step of an invoice failed, and why"
      handler     = "fail_invoice"
      layers      = ["core", "invoices"]
      timeout     = 60
    }
  }

  originals_environment = { for name, value in {
    ORIGINALS_LOCK_MODE  = try(var.bucket.originals_lock.mode, null)
    ORIGINALS_LOCK_YEARS = try(tostring(var.bucket.originals_lock.years), null)
  } : name => value if value != null }

  # Not part of `functions`: what needs only the names of functions must not wait for the resources named here.
  policies = {
    receive-invoices  = data.aws_iam_policy_document.receive_invoices.json
    extract-invoice   = data.aws_iam_policy_document.extract_invoice.json
    finish-extraction = data.aws_iam_policy_document.finish_extraction.json
    validate-invoice  = data.aws_iam_policy_document.validate_invoice.json
    review-invoice    = data.aws_iam_policy_document.review_invoice.json
    process-invoice   = data.aws_iam_policy_document.process_invoice.json
    notify-invoice    = data.aws_iam_policy_document.notify_invoice.json
    fail-invoice      = data.aws_iam_policy_document.fail_invoice.json
  }
  environments = {
    receive-invoices  = merge(local.workflow_environment, local.vendors_environment, local.originals_environment)
    extract-invoice   = local.extraction_environment
    finish-extraction = local.extraction_environment
    validate-invoice = merge(local.workflow_environment, local.vendors_environment, {
      JSON_CURRENCY = var.validation.json_currency
      RULES_KEY     = local.rules_key
      CHECKS = jsonencode({
        confidence      = var.validation.confidence
        refuse_past_due = var.validation.refuse_past_due
        tolerance       = var.validation.tolerance
      })
    })
    review-invoice = merge(local.workflow_environment, {
      MAXIMUM_ESCALATIONS = tostring(var.review.maximum_escalations)
    })
    process-invoice = merge(local.table_environment, local.vendors_environment)
    notify-invoice  = merge(local.topics_environment, local.mail_environment)
    fail-invoice    = local.topics_environment
  }
}

resource "aws_lambda_layer_version" "this" {
  for_each = toset(["core", "invoices", "documents"])

  layer_name        = "${var.name_prefix}-invoices-${each.key}"
  filename          = var.packages.layers[each.key].path
  s3_bucket         = var.packages.layers[each.key].s3_bucket
  s3_key            = var.packages.layers[each.key].s3_key
  s3_object_version = var.packages.layers[each.key].s3_object_version
  source_code_hash  = var.packages.layers[each.key].sha256_base64
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
  layer_arns  = [for name in each.value.layers : aws_lambda_layer_version.this[name].arn]
  environment = local.environments[each.key]
  tags        = var.tags

  function = {
    name            = "${var.name_prefix}-${each.key}"
    description     = each.value.description
    handler         = "finops.invoices.handlers.${each.value.handler}"
    memory_mb       = var.extraction.memory_mb
    timeout_seconds = each.value.timeout
  }
}

# Where people decide about invoices. Lambda verifies who signed a request, and tells the function.
resource "aws_lambda_function_url" "decisions" {
  function_name      = module.function["review-invoice"].function_name
  authorization_type = "AWS_IAM"
}

# Invoices by ID, the records that make each invoice unique, and the last number of each year.
resource "aws_dynamodb_table" "invoices" {
  #checkov:skip=CKV_AWS_119:a customer managed key is a setting
  #checkov:skip=CKV2_AWS_16:on demand, which scales by itself
  name                        = local.table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "id"
  deletion_protection_enabled = var.table.deletion_protection
  tags                        = var.tags

  dynamic "attribute" {
    for_each = ["id", "received_at", "received_month", "status"]
    content {
      name = attribute.value
      type = "S"
    }
  }

  global_secondary_index {
    name            = "by_status"
    hash_key        = "status"
    range_key       = "received_at"
    projection_type = "ALL"
  }

  global_secondary_index {
    name            = "by_month"
    hash_key        = "received_month"
    range_key       = "received_at"
    projection_type = "ALL"
  }

  # What people search for, without the records, which are most of an item.
  dynamic "global_secondary_index" {
    for_each = { by_status = "status", by_month = "received_month" }
    content {
      name               = "search_${global_secondary_index.key}"
      hash_key           = global_secondary_index.value
      range_key          = "received_at"
      projection_type    = "INCLUDE"
      non_key_attributes = ["searched"]
    }
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

# Vendors by ID, and by what they are recognised: tax ids, accounts, domains and names.
resource "aws_dynamodb_table" "vendors" {
  #checkov:skip=CKV_AWS_119:a customer managed key is a setting
  #checkov:skip=CKV2_AWS_16:on demand, which scales by itself
  name                        = local.vendors_table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "id"
  deletion_protection_enabled = var.table.deletion_protection
  tags                        = var.tags

  attribute {
    name = "id"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

# The deployment's own checks. A function reads them when it starts.
resource "aws_s3_object" "rules" {
  bucket       = module.bucket.ready_bucket_name
  key          = local.rules_key
  content      = jsonencode(var.validation.rules)
  content_type = "application/json"
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
