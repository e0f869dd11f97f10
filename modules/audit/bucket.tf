# The trail: trail/STREAM/ (entries), ids/STREAM/ (which entries exist), heads/ (how far each stream has come).
# Encrypted by S3's own key, whatever kms_key_arn is: a lock keeps an object for years, and whoever may schedule the
# deletion of its key makes it unreadable within days.
# No lifecycle rule: an audit trail is kept. A million entries cost about 0.03 USD a month.
module "bucket" {
  source = "../private_bucket"

  name          = local.bucket_name
  force_destroy = var.bucket.force_destroy
  policy_json   = data.aws_iam_policy_document.bucket.json
  object_lock   = { mode = var.bucket.lock_mode, days = var.bucket.lock_days }
  tags          = var.tags
}
