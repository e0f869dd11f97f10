# By setting: all costs of the payer as a FOCUS export, which the management account reads at no cost per question.
resource "aws_bcmdataexports_export" "focus" {
  for_each = local.exports

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
        s3_bucket = local.bucket_name
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

  # Data Exports tries whether it may write.
  depends_on = [aws_s3_bucket_policy.exports]
}

resource "aws_s3_bucket" "exports" {
  #checkov:skip=CKV_AWS_144:what is lost, Data Exports writes again
  #checkov:skip=CKV_AWS_18:access logs are the organization's choice, as CloudTrail data events are
  #checkov:skip=CKV_AWS_145:the management account reads it, and would need the key too
  #checkov:skip=CKV2_AWS_62:nobody waits for exports
  for_each = local.exports

  bucket        = local.bucket_name
  force_destroy = each.value.force_destroy
}

resource "aws_s3_bucket_versioning" "exports" {
  for_each = local.exports
  bucket   = aws_s3_bucket.exports[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "exports" {
  for_each = local.exports
  bucket   = aws_s3_bucket.exports[each.key].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "exports" {
  for_each = local.exports
  bucket   = aws_s3_bucket.exports[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "exports" {
  for_each = local.exports
  bucket   = aws_s3_bucket.exports[each.key].id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "exports" {
  for_each = local.exports
  bucket   = aws_s3_bucket.exports[each.key].id
  policy   = data.aws_iam_policy_document.exports[each.key].json

  depends_on = [aws_s3_bucket_public_access_block.exports]
}

# Each refresh writes a month's files again.
resource "aws_s3_bucket_lifecycle_configuration" "exports" {
  for_each = local.exports
  bucket   = aws_s3_bucket.exports[each.key].id

  rule {
    id     = "exports"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }

    expiration {
      days = each.value.keep_days
    }

    noncurrent_version_expiration {
      noncurrent_days = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.exports]
}

data "aws_iam_policy_document" "exports" {
  for_each = local.exports

  statement {
    sid       = "DenyWithoutTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

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
