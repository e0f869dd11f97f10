# The trail: trail/STREAM/ (entries), ids/STREAM/ (which entries are there), heads/ (how far each stream has come).
# There is no lifecycle: an audit trail is kept, a million entries cost about 0.03 USD a month.
resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144:replication to another region is the organization's choice
  #checkov:skip=CKV_AWS_18:access logs are the organization's choice, as CloudTrail data events are
  #checkov:skip=CKV_AWS_145:a customer managed key is a setting
  #checkov:skip=CKV2_AWS_61:nothing in an audit trail expires
  #checkov:skip=CKV2_AWS_62:nobody waits for entries
  bucket              = local.bucket_name
  object_lock_enabled = true
  force_destroy       = var.bucket.force_destroy
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    default_retention {
      mode = var.bucket.lock_mode
      days = var.bucket.lock_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
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
