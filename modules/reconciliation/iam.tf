locals {
  tables_arn       = "arn:aws:dynamodb:${var.region}:${var.account_id}:table"
  written_prefixes = ["cache", "provisional", "reports"]

  # The bucket and the folder of each URI.
  exports = [
    for parts in [for uri in var.costs.exports_uris : split("/", trimsuffix(trimprefix(uri, "s3://"), "/"))] : {
      bucket_arn = "arn:aws:s3:::${parts[0]}"
      folder     = join("/", slice(parts, 1, length(parts)))
    }
  ]
}

# What the function may do. lambda_function adds logs, traces, its failure queue and the key.
data "aws_iam_policy_document" "reconcile_month" {
  #checkov:skip=CKV_AWS_356:Invoicing and the listing of an organization have no resources to name, Cost Explorer's queries neither
  #checkov:skip=CKV_AWS_111:Cost Explorer and Invoicing are read only, and have no resources to name

  dynamic "statement" {
    for_each = length(var.payers.account_ids) > 0 ? ["payers"] : []
    content {
      sid       = "AssumePayerRoles"
      actions   = ["sts:AssumeRole"]
      resources = [for payer in sort(var.payers.account_ids) : "arn:aws:iam::${payer}:role/${local.payer_role_name}"]
    }
  }

  statement {
    sid       = "ReadOwnCosts"
    actions   = ["ce:GetCostAndUsage", "invoicing:ListInvoiceSummaries"]
    resources = ["*"]
  }

  dynamic "statement" {
    for_each = try(local.configuration.organization_tags, null) == null ? [] : ["organization"]
    content {
      sid       = "ReadOrganization"
      actions   = ["organizations:ListAccounts", "organizations:ListTagsForResource"]
      resources = ["*"]
    }
  }

  statement {
    sid       = "ReadConfiguration"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/${local.configuration_key}", "${local.bucket_arn}/${local.settings_key}"]
  }

  statement {
    sid       = "KeepReports"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = [for prefix in local.written_prefixes : "${local.bucket_arn}/${prefix}/*"]
  }

  # The whole bucket: without this permission S3 answers AccessDenied for a missing object, such as an answer that is not cached yet.
  statement {
    sid       = "ListReports"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]
  }

  dynamic "statement" {
    for_each = length(local.exports) > 0 ? ["exports"] : []
    content {
      sid       = "ReadExports"
      actions   = ["s3:GetObject"]
      resources = [for export in local.exports : join("/", compact([export.bucket_arn, export.folder, "*"]))]
    }
  }

  dynamic "statement" {
    for_each = length(var.costs.exports_key_arns) > 0 ? ["keys"] : []
    content {
      sid       = "DecryptExports"
      actions   = ["kms:Decrypt"]
      resources = var.costs.exports_key_arns
    }
  }

  dynamic "statement" {
    for_each = { for number, export in local.exports : number => export }
    content {
      sid       = "ListExports${statement.key}"
      actions   = ["s3:ListBucket"]
      resources = [statement.value.bucket_arn]

      condition {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = statement.value.folder == "" ? ["*"] : [statement.value.folder, "${statement.value.folder}/*"]
      }
    }
  }

  dynamic "statement" {
    for_each = local.athena
    content {
      sid       = "QueryExports"
      actions   = ["athena:GetQueryExecution", "athena:StartQueryExecution"]
      resources = [local.workgroup_arn]
    }
  }

  # Athena looks tables up, and reads and writes, with the permissions of its caller:
  # https://docs.aws.amazon.com/athena/latest/ug/s3-permissions.html
  dynamic "statement" {
    for_each = local.athena
    content {
      sid     = "ReadTables"
      actions = ["glue:GetDatabase", "glue:GetPartitions", "glue:GetTable"]
      resources = [
        "${local.glue_arn}:catalog",
        "${local.glue_arn}:database/${local.database_name}",
        "${local.glue_arn}:table/${local.database_name}/*",
      ]
    }
  }

  dynamic "statement" {
    for_each = local.athena
    content {
      sid       = "UseQueryBuckets"
      actions   = ["s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts"]
      resources = concat(distinct(local.exports[*].bucket_arn), [local.bucket_arn, "${local.bucket_arn}/${local.query_folder}/*"])
    }
  }

  dynamic "statement" {
    for_each = var.flows.budgets_table_name[*]
    content {
      sid       = "ReadBudgets"
      actions   = ["dynamodb:Scan"]
      resources = ["${local.tables_arn}/${statement.value}"]
    }
  }

  dynamic "statement" {
    for_each = var.flows.budget_status_table_name[*]
    content {
      sid       = "ReadInheritedBudgets"
      actions   = ["dynamodb:Scan"]
      resources = ["${local.tables_arn}/${statement.value}"]
    }
  }

  dynamic "statement" {
    for_each = var.flows.invoices_table_name[*]
    content {
      sid       = "ReadInvoices"
      actions   = ["dynamodb:Query"]
      resources = ["${local.tables_arn}/${statement.value}/index/by_month"]
    }
  }

  dynamic "statement" {
    for_each = var.flows.database[*]
    content {
      sid       = "ReadLedger"
      actions   = ["rds-data:ExecuteStatement"]
      resources = [statement.value.cluster_arn]
    }
  }

  dynamic "statement" {
    for_each = var.flows.database[*]
    content {
      sid       = "ReadDatabaseSecret"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value.secret_arn]
    }
  }

  statement {
    sid       = "TellSubscribers"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]
  }

  dynamic "statement" {
    for_each = var.reporting.notifications.mail_sender[*]
    content {
      sid     = "MailReports"
      actions = ["ses:SendEmail"]
      # SES also checks the configuration set, and recipients that this account has verified: the sender is what limits.
      resources = [
        for kind in ["identity", "configuration-set"] : "arn:aws:ses:${var.region}:${var.account_id}:${kind}/*"
      ]

      condition {
        test     = "StringEquals"
        variable = "ses:FromAddress"
        values   = [statement.value]
      }
    }
  }

  dynamic "statement" {
    for_each = var.reporting.notifications.webhook_secret_arn[*]
    content {
      sid       = "ReadWebhook"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.flows.audit[*]
    content {
      sid       = "RecordAuditEntries"
      actions   = ["sqs:SendMessage"]
      resources = [statement.value.queue_arn]
    }
  }
}
