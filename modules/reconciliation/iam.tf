locals {
  tables_arn       = "arn:aws:dynamodb:${var.region}:${var.account_id}:table"
  written_prefixes = ["cache", "provisional", "reports"]

  # Of each URI: the bucket, and where the exports start in it.
  exports = [
    for uri in var.costs.exports_uris : {
      bucket_arn = "arn:aws:s3:::${split("/", trimprefix(uri, "s3://"))[0]}"
      prefix     = trimprefix("${trimsuffix(join("/", slice(split("/", uri), 3, length(split("/", uri)))), "/")}/", "/")
    }
  ]
}

# What the function may do; lambda_function adds logs, traces, its failure queue and the key.
data "aws_iam_policy_document" "reconcile_month" {
  #checkov:skip=CKV_AWS_356:Invoicing and the listing of an organization have no resources to name, Cost Explorer's queries neither
  #checkov:skip=CKV_AWS_111:Cost Explorer and Invoicing are read only, and have no resources to name

  dynamic "statement" {
    for_each = length(var.payers) > 0 ? ["payers"] : []
    content {
      sid       = "AssumePayerRoles"
      actions   = ["sts:AssumeRole"]
      resources = [for payer in sort(var.payers) : "arn:aws:iam::${payer}:role/${local.payer_role_name}"]
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
    resources = ["${local.bucket_arn}/${local.configuration_key}"]
  }

  statement {
    sid       = "KeepReports"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = [for prefix in local.written_prefixes : "${local.bucket_arn}/${prefix}/*"]
  }

  statement {
    sid       = "ListReports"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = [for prefix in local.written_prefixes : "${prefix}/*"]
    }
  }

  dynamic "statement" {
    for_each = length(local.exports) > 0 ? ["exports"] : []
    content {
      sid       = "ReadExports"
      actions   = ["s3:GetObject"]
      resources = [for export in local.exports : "${export.bucket_arn}/${export.prefix}*"]
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
        values   = ["${statement.value.prefix}*"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.budgets_table_name[*]
    content {
      sid       = "ReadBudgets"
      actions   = ["dynamodb:Query", "dynamodb:Scan"]
      resources = ["${local.tables_arn}/${statement.value}"]
    }
  }

  dynamic "statement" {
    for_each = var.invoices_table_name[*]
    content {
      sid     = "ReadInvoices"
      actions = ["dynamodb:Query", "dynamodb:Scan"]
      resources = [
        "${local.tables_arn}/${statement.value}",
        "${local.tables_arn}/${statement.value}/index/by_month",
        "${local.tables_arn}/${statement.value}/index/by_status",
      ]
    }
  }

  dynamic "statement" {
    for_each = var.database[*]
    content {
      sid       = "ReadLedger"
      actions   = ["rds-data:ExecuteStatement"]
      resources = [statement.value.cluster_arn]
    }
  }

  dynamic "statement" {
    for_each = var.database[*]
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
    for_each = var.notifications.mail_sender[*]
    content {
      sid     = "MailReports"
      actions = ["ses:SendEmail", "ses:SendRawEmail"]
      # SES may know the address, or its whole domain.
      resources = [
        for identity in [statement.value, split("@", statement.value)[1]] :
        "arn:aws:ses:${var.region}:${var.account_id}:identity/${identity}"
      ]
    }
  }

  dynamic "statement" {
    for_each = var.notifications.webhook_secret_arn[*]
    content {
      sid       = "ReadWebhook"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.audit[*]
    content {
      sid       = "RecordAuditEntries"
      actions   = ["sqs:SendMessage"]
      resources = [statement.value.queue_arn]
    }
  }
}
