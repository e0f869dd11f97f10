# Optional: all costs of the payer as a FOCUS export, which costs nothing to read, unlike Cost Explorer.
resource "aws_bcmdataexports_export" "focus" {
  for_each = local.exports

  tags = var.tags

  export {
    name        = local.export_name
    description = "Costs of the payer ${var.account_id} as FOCUS 1.2, by day"

    data_query {
      query_statement = "SELECT ${join(", ", local.focus_columns)} FROM FOCUS_1_2_AWS"
      table_configurations = {
        FOCUS_1_2_AWS = { TIME_GRANULARITY = "DAILY" }
      }
    }

    destination_configurations {
      s3_destination {
        s3_bucket = module.exports[each.key].ready_bucket_name # Data Exports checks that it may write there
        s3_prefix = each.value.prefix
        s3_region = var.region

        s3_output_configurations {
          format      = "PARQUET"
          compression = "PARQUET"
          output_type = "CUSTOM"
          overwrite   = "OVERWRITE_REPORT"
        }
      }
    }

    refresh_cadence {
      frequency = "SYNCHRONOUS"
    }
  }
}

module "exports" {
  source   = "../private_bucket"
  for_each = local.exports

  name          = local.bucket_name
  force_destroy = each.value.force_destroy
  kms_key_arn   = var.kms_key_arn
  policy_json   = data.aws_iam_policy_document.exports[each.key].json
  tags          = var.tags

  # Each refresh writes the files of a month again.
  lifecycle_rules = [
    { id = "exports", abort_upload_days = 2, expiration_days = each.value.keep_days, noncurrent_days = 7 },
  ]
}

data "aws_iam_policy_document" "exports" {
  for_each = local.exports

  # https://docs.aws.amazon.com/cur/latest/userguide/dataexports-s3-bucket.html
  statement {
    sid       = "DataExportsWrite"
    actions   = ["s3:GetBucketPolicy", "s3:PutObject"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

    principals {
      type        = "Service"
      identifiers = ["bcm-data-exports.amazonaws.com", "billingreports.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values = [
        "arn:aws:bcm-data-exports:us-east-1:${var.account_id}:export/*",
        "arn:aws:cur:us-east-1:${var.account_id}:definition/*",
      ]
    }
  }

  statement {
    sid       = "HubReads"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/${each.value.prefix}/*"]

    principals {
      type        = "AWS"
      identifiers = [var.hub.role_arn]
    }
  }

  # Athena asks where a bucket is: https://docs.aws.amazon.com/athena/latest/ug/cross-account-permissions.html
  statement {
    sid       = "HubLocates"
    actions   = ["s3:GetBucketLocation"]
    resources = [local.bucket_arn]

    principals {
      type        = "AWS"
      identifiers = [var.hub.role_arn]
    }
  }

  statement {
    sid       = "HubLists"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]

    principals {
      type        = "AWS"
      identifiers = [var.hub.role_arn]
    }

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${each.value.prefix}/*"]
    }
  }
}
