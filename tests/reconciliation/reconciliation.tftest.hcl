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
      core    = { path = "core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", upload = "direct" }
      duckdb  = { path = "duckdb.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", upload = "s3" }
      reports = { path = "reports.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    }
  }
  configuration = <<-EOT
    currency: USD
    payer_accounts:
      - {id: "111111111111", name: Example Holding, business_unit: Corporate IT}
  EOT
}

run "own_account_alone" {
  command = plan
  module { source = "../../modules/reconciliation" }

  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      KeepReports       = ["Allow", ["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1/cache/*", "arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1/provisional/*", "arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1/reports/*"], null]
      ListReports       = ["Allow", ["s3:ListBucket"], ["arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1"], null]
      ReadConfiguration = ["Allow", ["s3:GetObject"], ["arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1/config/reconciliation.yaml", "arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1/${local.settings_key}"], null]
      ReadOwnCosts      = ["Allow", ["ce:GetCostAndUsage", "invoicing:ListInvoiceSummaries"], ["*"], null]
      SendFailures      = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-reconcile-month-failures"], null]
      TellSubscribers   = ["Allow", ["sns:Publish"], ["arn:aws:sns:eu-west-1:111111111111:finops-reconciliation-reports"], null]
      WriteLogs         = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-reconcile-month:*"], null]
      WriteTraces       = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "Without settings the function reads the own account's costs, and keeps and tells of reports."
  }

  assert {
    condition     = !module.bucket.settings.force_destroy && module.bucket.settings.kms_key_arn == null
    error_message = "The bucket is encrypted with S3's own key, and is not destroyed while it holds objects."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(module.bucket.policy_json).Statement : [s.Sid, s.Effect, s.Principal, s.Action, s.Condition]
    ]) == jsonencode([["DenyWithoutTls", "Deny", { AWS = "*" }, "s3:*", { Bool = { "aws:SecureTransport" = "false" } }]])
    error_message = "The bucket is reached by TLS only."
  }

  assert {
    condition = jsonencode({
      for id, rule in module.bucket.settings.lifecycle_rules :
      id => [rule.prefix, rule.expiration_days, rule.archive_days, rule.noncurrent_days, rule.abort_upload_days]
      }) == jsonencode({
      replaced    = ["", null, null, 365, 2]
      provisional = ["provisional/", 60, null, null, null]
      reports     = ["reports/", null, 90, null, null]
      cache       = ["cache/", 400, null, null, null]
    })
    error_message = "Provisional reports and cached answers go, reports move, replaced versions go."
  }

  assert {
    condition     = aws_s3_object.configuration.key == "config/reconciliation.yaml" && aws_s3_object.configuration.content == var.configuration
    error_message = "The configuration lies where the function reads it."
  }

  assert {
    condition = (
      keys(aws_s3_object.layer) == ["duckdb"]
      && aws_s3_object.layer["duckdb"].key == "layers/duckdb-47DEQpj8HBSa--TI.zip"
      && aws_lambda_layer_version.this["duckdb"].s3_key == "layers/duckdb-47DEQpj8HBSa--TI.zip"
      && aws_lambda_layer_version.this["duckdb"].filename == null
      && aws_lambda_layer_version.this["core"].filename == "core.zip"
      && aws_lambda_layer_version.this["core"].s3_key == null
      && aws_lambda_layer_version.this["reports"].filename == "reports.zip"
    )
    error_message = "Lambda fetches from the bucket the layer that is too big for an upload, and no other."
  }

  assert {
    condition = (
      module.alarms.alarms["reports-missing"].evaluation_periods * module.alarms.alarms["reports-missing"].period == 172800
      && module.alarms.alarms["reports-missing"].treat_missing_data == "breaching"
      && module.alarms.alarms["checks-broken"].metric_name == "ReconciliationChecksBroken"
      && module.alarms.alarms["spending-caps"].metric_name == "SpendingCapsReached"
      && alltrue([for alarm in module.alarms.alarms : alarm.dimensions == tomap({ service = "finops-reconcile-month" })])
    )
    error_message = "Two days without a report alarm, reports that do not add up, and the day's limit of Cost Explorer."
  }
}

run "everything_set" {
  command = plan
  module { source = "../../modules/reconciliation" }

  variables {
    payers      = { account_ids = ["555555555555", "666666666666"], external_id = "finops-example" }
    kms_key_arn = "arn:aws:kms:eu-west-1:111111111111:key/00000000-0000-0000-0000-000000000000"
    flows = {
      budgets_table_name       = "finops-budgets"
      budget_status_table_name = "finops-budget-status"
      invoices_table_name      = "finops-invoices"
      audit = {
        queue_url = "https://sqs.eu-west-1.amazonaws.com/111111111111/finops-audit-entries.fifo"
        queue_arn = "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo"
      }
      database = {
        cluster_arn = "arn:aws:rds:eu-west-1:111111111111:cluster:finops"
        secret_arn  = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:rds-AbCdEf"
        name        = "finops"
      }
    }

    configuration = <<-EOT
      payer_accounts:
        - {id: "111111111111", name: Example Holding, business_unit: Corporate IT}
        - {id: 555555555555, name: Example GmbH, business_unit: Werke}
      organization_tags: {business_unit: unit}
    EOT

    rates = { maximum_age_days = 3, static = { CAD = "0.79" } }
    costs = {
      source           = "focus"
      exports_uris     = ["s3://finops-focus-555555555555/exports/finops-focus/data/", "s3://exports"]
      exports_key_arns = ["arn:aws:kms:us-east-1:555555555555:key/1b7c"]
      calls_per_second = 2
      daily_usd        = 7.5
    }
    reporting = {
      formats             = ["html", "xlsx"]
      close_day           = 7
      watch_until_day     = 20
      link_seconds        = 3600
      page_url            = "https://finops.example.com/reports"
      memory_mb           = 3008
      schedule_expression = "rate(12 hours)"
      notifications = {
        mail_sender        = "finops@example.com"
        mail_recipients    = ["cfo@example.com", "it@example.com"]
        webhook_secret_arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:chat-AbCdEf"
      }
    }
    function_settings = { tracing = false }
    alarms            = { enabled = false }
  }

  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      AssumePayerRoles     = ["Allow", ["sts:AssumeRole"], ["arn:aws:iam::555555555555:role/finops-cost-reader", "arn:aws:iam::666666666666:role/finops-cost-reader"], null]
      DecryptExports       = ["Allow", ["kms:Decrypt"], ["arn:aws:kms:us-east-1:555555555555:key/1b7c"], null]
      KeepReports          = ["Allow", ["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1/cache/*", "arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1/provisional/*", "arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1/reports/*"], null]
      ListExports0         = ["Allow", ["s3:ListBucket"], ["arn:aws:s3:::finops-focus-555555555555"], { StringLike = { "s3:prefix" = ["exports/finops-focus/data", "exports/finops-focus/data/*"] } }]
      ListExports1         = ["Allow", ["s3:ListBucket"], ["arn:aws:s3:::exports"], { StringLike = { "s3:prefix" = "*" } }]
      ListReports          = ["Allow", ["s3:ListBucket"], ["arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1"], null]
      MailReports          = ["Allow", ["ses:SendEmail"], ["arn:aws:ses:eu-west-1:111111111111:configuration-set/*", "arn:aws:ses:eu-west-1:111111111111:identity/*"], { StringEquals = { "ses:FromAddress" = "finops@example.com" } }]
      ReadBudgets          = ["Allow", ["dynamodb:Scan"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-budgets"], null]
      ReadConfiguration    = ["Allow", ["s3:GetObject"], ["arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1/config/reconciliation.yaml", "arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1/${local.settings_key}"], null]
      ReadDatabaseSecret   = ["Allow", ["secretsmanager:GetSecretValue"], ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:rds-AbCdEf"], null]
      ReadExports          = ["Allow", ["s3:GetObject"], ["arn:aws:s3:::exports/*", "arn:aws:s3:::finops-focus-555555555555/exports/finops-focus/data/*"], null]
      ReadInheritedBudgets = ["Allow", ["dynamodb:Scan"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-budget-status"], null]
      ReadInvoices         = ["Allow", ["dynamodb:Query"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices/index/by_month"], null]
      ReadLedger           = ["Allow", ["rds-data:ExecuteStatement"], ["arn:aws:rds:eu-west-1:111111111111:cluster:finops"], null]
      ReadOrganization     = ["Allow", ["organizations:ListAccounts", "organizations:ListTagsForResource"], ["*"], null]
      ReadOwnCosts         = ["Allow", ["ce:GetCostAndUsage", "invoicing:ListInvoiceSummaries"], ["*"], null]
      ReadWebhook          = ["Allow", ["secretsmanager:GetSecretValue"], ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:chat-AbCdEf"], null]
      RecordAuditEntries   = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo"], null]
      SendFailures         = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-reconcile-month-failures"], null]
      TellSubscribers      = ["Allow", ["sns:Publish"], ["arn:aws:sns:eu-west-1:111111111111:finops-reconciliation-reports"], null]
      UseEncryptionKey     = ["Allow", ["kms:Decrypt", "kms:GenerateDataKey"], ["arn:aws:kms:eu-west-1:111111111111:key/00000000-0000-0000-0000-000000000000"], null]
      WriteLogs            = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-reconcile-month:*"], null]
    })
    error_message = "Each setting lets the function do what it needs for it, and no more."
  }

  assert {
    condition = output.environment == {
      BUCKET              = "finops-reconciliation-111111111111-eu-west-1"
      CONFIGURATION_KEY   = "config/reconciliation.yaml"
      SETTINGS_KEY        = local.settings_key
      ACCOUNT_ID          = "111111111111"
      SOURCE              = "focus"
      CALLS_PER_SECOND    = "2"
      DAILY_USD           = "7.5"
      MAX_RATE_AGE_DAYS   = "3"
      PAYER_ROLE_NAME     = "finops-cost-reader"
      EXTERNAL_ID         = "finops-example"
      BUDGETS_TABLE       = "finops-budgets"
      BUDGET_STATUS_TABLE = "finops-budget-status"
      INVOICES_TABLE      = "finops-invoices"
      DATABASE_ARN        = "arn:aws:rds:eu-west-1:111111111111:cluster:finops"
      DATABASE_SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:rds-AbCdEf"
      DATABASE_NAME       = "finops"
      CLOSE_DAY           = "7"
      WATCH_UNTIL_DAY     = "20"
      FORMATS             = "html,xlsx"
      LINK_SECONDS        = "3600"
      PAGE_URL            = "https://finops.example.com/reports"
      TOPIC_ARN           = "arn:aws:sns:eu-west-1:111111111111:finops-reconciliation-reports"
      MAIL_SENDER         = "finops@example.com"
      WEBHOOK_SECRET_ARN  = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:chat-AbCdEf"
      AUDIT_QUEUE_URL     = "https://sqs.eu-west-1.amazonaws.com/111111111111/finops-audit-entries.fifo"
    }
    error_message = "The function is told all settings."
  }

  assert {
    condition = aws_s3_object.settings.key == local.settings_key && aws_s3_object.settings.content == jsonencode({
      EXPORTS_URI     = "s3://finops-focus-555555555555/exports/finops-focus/data/,s3://exports"
      MAIL_RECIPIENTS = "cfo@example.com,it@example.com"
      STATIC_RATES    = "{\"CAD\":\"0.79\"}"
    })
    error_message = "Settings that may outgrow the function's environment are in an object of their own."
  }

  assert {
    condition = (
      aws_sns_topic.reports.kms_master_key_id == var.kms_key_arn
      && aws_s3_object.configuration.kms_key_id == var.kms_key_arn
      && module.bucket.settings.kms_key_arn == var.kms_key_arn
      && length(module.alarms.alarms) == 0
    )
    error_message = "The key encrypts bucket, objects and topic; alarms can be off."
  }
}

run "athena" {
  command = plan
  module { source = "../../modules/reconciliation" }

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:111111111111:key/00000000-0000-0000-0000-000000000000"
    costs = {
      exports_uris = ["s3://finops-focus-555555555555/exports/finops-focus/data/", "s3://exports/cur"]
      athena       = { most_gb_scanned = 2, columns = [{ name = "line_item_usage_amount", type = "double" }, { name = "Tags" }] }
    }
  }

  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json).Statement : s.Sid => [sort(flatten([s.Action])), sort(flatten([s.Resource]))]
      if contains(["QueryExports", "ReadTables", "UseQueryBuckets"], s.Sid)
      }) == jsonencode({
      QueryExports = [["athena:GetQueryExecution", "athena:StartQueryExecution"], ["arn:aws:athena:eu-west-1:111111111111:workgroup/finops-reconciliation"]]
      ReadTables = [["glue:GetDatabase", "glue:GetPartitions", "glue:GetTable"], [
        "arn:aws:glue:eu-west-1:111111111111:catalog",
        "arn:aws:glue:eu-west-1:111111111111:database/finops_reconciliation",
        "arn:aws:glue:eu-west-1:111111111111:table/finops_reconciliation/*",
      ]]
      UseQueryBuckets = [["s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts"], [
        "arn:aws:s3:::exports",
        "arn:aws:s3:::finops-focus-555555555555",
        "arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1",
        "arn:aws:s3:::finops-reconciliation-111111111111-eu-west-1/cache/athena/*",
      ]]
    })
    error_message = "The function may query its workgroup, read its tables, and use the buckets of both."
  }

  assert {
    condition = (
      aws_athena_workgroup.exports["athena"].configuration[0].enforce_workgroup_configuration
      && aws_athena_workgroup.exports["athena"].configuration[0].bytes_scanned_cutoff_per_query == 2147483648
      && aws_athena_workgroup.exports["athena"].configuration[0].result_configuration[0].output_location == "s3://finops-reconciliation-111111111111-eu-west-1/cache/athena/results/"
      && aws_athena_workgroup.exports["athena"].configuration[0].result_configuration[0].encryption_configuration[0].kms_key_arn == var.kms_key_arn
    )
    error_message = "No query scans more than the limit, whoever starts it, and results are encrypted."
  }

  assert {
    condition = (
      aws_glue_catalog_table.exports["export_0"].storage_descriptor[0].location == "s3://finops-focus-555555555555/exports/finops-focus/data/"
      && aws_glue_catalog_table.exports["export_1"].parameters["storage.location.template"] == "s3://exports/cur/BILLING_PERIOD=$${billing_period}/"
      && [for column in aws_glue_catalog_table.exports["export_1"].storage_descriptor[0].columns : "${column.name} ${column.type}"] == ["line_item_usage_amount double", "tags string"]
      && aws_glue_catalog_table.exports["export_1"].partition_keys[0].name == "billing_period"
    )
    error_message = "Each export has a table, whose partitions are the folders of its billing periods."
  }

  assert {
    condition = jsondecode(jsondecode(aws_s3_object.settings.content).ATHENA) == {
      engine          = "auto"
      from_mb         = 1024
      most_gb_scanned = 2
      usd_per_tb      = 5
      workgroup       = "finops-reconciliation"
      database        = "finops_reconciliation"
      tables          = { "s3://finops-focus-555555555555/exports/finops-focus/data/" = "export_0", "s3://exports/cur" = "export_1" }
    }
    error_message = "The function is told of Athena."
  }
}

run "athena_of_csv_files" {
  command = plan
  module { source = "../../modules/reconciliation" }

  variables { costs = { exports_uris = ["s3://exports/focus"], athena = { format = "csv" } } }

  assert {
    condition = (
      aws_glue_catalog_table.exports["export_0"].parameters["skip.header.line.count"] == "1"
      && strcontains(aws_glue_catalog_table.exports["export_0"].storage_descriptor[0].ser_de_info[0].serialization_library, "OpenCSVSerde")
      && toset([for column in aws_glue_catalog_table.exports["export_0"].storage_descriptor[0].columns : column.type]) == toset(["string"])
      && aws_athena_workgroup.exports["athena"].configuration[0].result_configuration[0].encryption_configuration[0].encryption_option == "SSE_S3"
    )
    error_message = "Cells of CSV files are texts."
  }
}
