# What Terraform writes: config/ and layers/. What the function writes: reports/ (closed months, each revision once),
# provisional/ (open months) and cache/ (answers of Cost Explorer, each of which cost a cent).
resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144:replication to another region is the organization's choice
  #checkov:skip=CKV_AWS_18:access logs are the organization's choice, as CloudTrail data events are
  #checkov:skip=CKV_AWS_145:a customer managed key is a setting
  #checkov:skip=CKV2_AWS_62:the topic tells of reports
  bucket        = local.bucket_name
  force_destroy = var.bucket.force_destroy
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.bucket.json

  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "replaced"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }

    noncurrent_version_expiration {
      noncurrent_days = var.bucket.noncurrent_days
    }
  }

  # A month's last provisional report is no use once the month is closed.
  rule {
    id     = "provisional"
    status = "Enabled"

    filter {
      prefix = "provisional/"
    }

    expiration {
      days = var.bucket.provisional_days
    }
  }

  rule {
    id     = "reports"
    status = "Enabled"

    filter {
      prefix = "reports/"
    }

    transition {
      days          = var.bucket.archive_days
      storage_class = "STANDARD_IA"
    }
  }

  # Longer than the twelve months that a report looks back.
  rule {
    id     = "cache"
    status = "Enabled"

    filter {
      prefix = "cache/"
    }

    expiration {
      days = 400
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

data "aws_iam_policy_document" "bucket" {
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
}
