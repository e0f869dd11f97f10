# Terraform writes config/ and layers/. The function writes reports/ (closed months, each revision once), provisional/
# (open months) and cache/ (answers of Cost Explorer, which charges 0.01 USD for each).
module "bucket" {
  source = "../private_bucket"

  name          = local.bucket_name
  force_destroy = var.bucket.force_destroy
  kms_key_arn   = var.kms_key_arn
  tags          = var.tags

  lifecycle_rules = [
    { id = "replaced", abort_upload_days = 2, noncurrent_days = var.bucket.noncurrent_days },
    # The last provisional report of a month has no use once the month is closed.
    { id = "provisional", prefix = "provisional/", expiration_days = var.bucket.provisional_days },
    { id = "reports", prefix = "reports/", archive_days = var.bucket.archive_days },
    # Longer than the twelve months that a report looks back.
    { id = "cache", prefix = "cache/", expiration_days = 400 },
  ]
}
