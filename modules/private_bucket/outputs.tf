output "bucket_name" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.bucket
}

output "ready_bucket_name" {
  description = "Name of the bucket, available once the bucket keeps versions, locks and encrypts objects and has its policy: for objects that Terraform or AWS writes at once. It does not wait for lifecycle rules, which take a minute."
  value       = aws_s3_bucket.this.bucket

  depends_on = [
    aws_s3_bucket_object_lock_configuration.this,
    aws_s3_bucket_policy.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}

output "policy_json" {
  description = "The whole bucket policy."
  value       = aws_s3_bucket_policy.this.policy
}

output "settings" {
  description = "The bucket's settings as planned: `force_destroy`, `kms_key_arn`, `lifecycle_rules` by id (as in the variable), `object_lock`, `lock_by_version` and `upload_origins`."
  value = {
    force_destroy = aws_s3_bucket.this.force_destroy
    kms_key_arn = one(compact([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule : rule.apply_server_side_encryption_by_default[0].kms_master_key_id
    ]))
    lifecycle_rules = {
      for rule in flatten(aws_s3_bucket_lifecycle_configuration.this[*].rule) : rule.id => {
        prefix            = one(rule.filter).prefix
        expiration_days   = one(rule.expiration[*].days)
        archive_days      = one(rule.transition[*].days)
        noncurrent_days   = one(rule.noncurrent_version_expiration[*].noncurrent_days)
        abort_upload_days = one(rule.abort_incomplete_multipart_upload[*].days_after_initiation)
      }
    }
    object_lock     = one([for rule in flatten(aws_s3_bucket_object_lock_configuration.this[*].rule) : one([for r in rule.default_retention : { mode = r.mode, days = r.days }])])
    lock_by_version = length(aws_s3_bucket_object_lock_configuration.this) == 1 && length(flatten(aws_s3_bucket_object_lock_configuration.this[*].rule)) == 0
    upload_origins  = flatten([for rule in flatten(aws_s3_bucket_cors_configuration.this[*].cors_rule) : rule.allowed_origins])
  }
}
