# People drop files into billing/ and rates/. The flow writes quarantine/ and chunks/.
module "bucket" {
  source = "../private_bucket"

  name            = local.bucket_name
  force_destroy   = var.bucket.force_destroy
  kms_key_arn     = var.kms_key_arn
  upload_origins  = var.bucket.upload_origins
  lock_by_version = var.bucket.originals_lock != null
  tags            = var.tags

  # The ledger names a version of each file: versions stay. Those of the flow's own files expire one day after the file.
  lifecycle_rules = [
    { id = "uploads", abort_upload_days = 2 },
    { id = "chunks", prefix = "chunks/", expiration_days = 14, noncurrent_days = 1 },
    { id = "quarantine", prefix = "quarantine/", expiration_days = var.bucket.quarantine_days, noncurrent_days = 1 },
  ]
}

resource "aws_s3_bucket_notification" "this" {
  bucket = module.bucket.bucket_name

  dynamic "queue" {
    for_each = toset(["billing/", "rates/"])
    content {
      id            = trimsuffix(queue.value, "/")
      queue_arn     = aws_sqs_queue.files.arn
      events        = ["s3:ObjectCreated:*"]
      filter_prefix = queue.value
    }
  }
}
