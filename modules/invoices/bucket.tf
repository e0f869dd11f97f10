# People drop documents into raw/ and json/. The flow writes textract/. Terraform writes config/.
module "bucket" {
  source = "../private_bucket"

  name            = local.bucket_name
  force_destroy   = var.bucket.force_destroy
  kms_key_arn     = var.kms_key_arn
  upload_origins  = var.bucket.upload_origins
  lock_by_version = var.bucket.originals_lock != null
  tags            = var.tags

  lifecycle_rules = [
    # The record of an invoice names a version of its document: that version stays, also when another file of the same name
    # replaces it.
    { id = "uploads", abort_upload_days = 2 },
  ]
}

resource "aws_s3_bucket_notification" "this" {
  bucket = module.bucket.bucket_name

  dynamic "queue" {
    for_each = toset(["json/", "raw/"])
    content {
      id            = trimsuffix(queue.value, "/")
      queue_arn     = aws_sqs_queue.this["files"].arn
      events        = ["s3:ObjectCreated:*"]
      filter_prefix = queue.value
    }
  }
}
