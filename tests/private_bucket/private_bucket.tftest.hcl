# Plans only, with a real provider and invented credentials.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "000000000000"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  name = "example-files"
}

run "defaults" {
  command = plan
  module { source = "../../modules/private_bucket" }

  assert {
    condition = (
      aws_s3_bucket_public_access_block.this.block_public_acls
      && aws_s3_bucket_public_access_block.this.block_public_policy
      && aws_s3_bucket_public_access_block.this.ignore_public_acls
      && aws_s3_bucket_public_access_block.this.restrict_public_buckets
      && aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    )
    error_message = "All public access is blocked, and ACLs are off."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "Replaced objects stay as old versions."
  }

  assert {
    condition = jsonencode([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      [rule.bucket_key_enabled, rule.apply_server_side_encryption_by_default[0].sse_algorithm, rule.apply_server_side_encryption_by_default[0].kms_master_key_id]
    ]) == jsonencode([[false, "AES256", ""]])
    error_message = "Objects are encrypted with S3's own key."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(aws_s3_bucket_policy.this.policy).Statement :
      [s.Sid, s.Effect, s.Principal, s.Action, sort(flatten([s.Resource])), s.Condition]
      ]) == jsonencode([[
        "DenyWithoutTls", "Deny", { AWS = "*" }, "s3:*",
        ["arn:aws:s3:::example-files", "arn:aws:s3:::example-files/*"],
        { Bool = { "aws:SecureTransport" = "false" } },
    ]])
    error_message = "The policy denies requests without TLS and grants nothing."
  }

  assert {
    condition = (
      aws_s3_bucket.this.bucket == "example-files"
      && !aws_s3_bucket.this.force_destroy
      && length(aws_s3_bucket_object_lock_configuration.this) == 0
      && length(aws_s3_bucket_lifecycle_configuration.this) == 0
      && length(aws_s3_bucket_cors_configuration.this) == 0
    )
    error_message = "Nothing expires, is locked, is destroyed or is uploaded from a page unless a setting says so."
  }

  assert {
    condition     = output.bucket_name == "example-files" && output.ready_bucket_name == "example-files" && output.policy_json == aws_s3_bucket_policy.this.policy
    error_message = "The outputs name the bucket and its policy."
  }

  assert {
    condition = jsonencode(output.settings) == jsonencode({
      force_destroy = false, kms_key_arn = null, lifecycle_rules = {}, lock_by_version = false, object_lock = null, upload_origins = []
    })
    error_message = "The output settings shows the defaults."
  }
}

run "every_setting" {
  command = plan
  module { source = "../../modules/private_bucket" }

  variables {
    force_destroy = true
    kms_key_arn   = "arn:aws:kms:eu-west-1:111111111111:key/encryption"
    object_lock   = { mode = "GOVERNANCE", days = 7 }
    policy_json   = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"ReaderReads\",\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::example-files/*\",\"Principal\":{\"AWS\":\"arn:aws:iam::222222222222:role/reader\"}}]}"
    lifecycle_rules = [
      { id = "replaced", abort_upload_days = 2, noncurrent_days = 30 },
      { id = "drafts", prefix = "drafts/", expiration_days = 60 },
      { id = "archive", prefix = "archive/", archive_days = 90 },
    ]
    upload_origins = ["https://finops.example.com"]
  }

  assert {
    condition     = [for s in jsondecode(aws_s3_bucket_policy.this.policy).Statement : s.Sid] == ["DenyWithoutTls", "ReaderReads"]
    error_message = "The caller's statements join the module's own."
  }

  assert {
    condition = jsonencode([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      [rule.bucket_key_enabled, rule.apply_server_side_encryption_by_default[0].sse_algorithm, rule.apply_server_side_encryption_by_default[0].kms_master_key_id]
    ]) == jsonencode([[true, "aws:kms", "arn:aws:kms:eu-west-1:111111111111:key/encryption"]])
    error_message = "Objects are encrypted with the key, through an S3 bucket key."
  }

  assert {
    condition = (
      aws_s3_bucket.this.object_lock_enabled
      && jsonencode([
        for rule in aws_s3_bucket_object_lock_configuration.this[0].rule : [rule.default_retention[0].mode, rule.default_retention[0].days]
      ]) == jsonencode([["GOVERNANCE", 7]])
    )
    error_message = "Each new object is locked for the number of days."
  }

  assert {
    condition = jsonencode([
      for rule in aws_s3_bucket_lifecycle_configuration.this[0].rule : [
        rule.id, rule.status, rule.filter[0].prefix, rule.expiration[*].days, rule.noncurrent_version_expiration[*].noncurrent_days,
        rule.abort_incomplete_multipart_upload[*].days_after_initiation, [for t in rule.transition : [t.days, t.storage_class]],
      ]
      ]) == jsonencode([
      ["replaced", "Enabled", "", [], [30], [2], []],
      ["drafts", "Enabled", "drafts/", [60], [], [], []],
      ["archive", "Enabled", "archive/", [], [], [], [[90, "STANDARD_IA"]]],
    ])
    error_message = "The lifecycle rules keep their order, and hold what was given and nothing else."
  }

  assert {
    condition = jsonencode([
      for rule in aws_s3_bucket_cors_configuration.this[0].cors_rule : [rule.allowed_methods, rule.allowed_origins]
    ]) == jsonencode([[["POST"], ["https://finops.example.com"]]])
    error_message = "Browsers may upload from the named pages, by POST only."
  }

  assert {
    condition = jsonencode(output.settings) == jsonencode({
      force_destroy = true
      kms_key_arn   = "arn:aws:kms:eu-west-1:111111111111:key/encryption"
      lifecycle_rules = {
        archive  = { abort_upload_days = null, archive_days = 90, expiration_days = null, noncurrent_days = null, prefix = "archive/" }
        drafts   = { abort_upload_days = null, archive_days = null, expiration_days = 60, noncurrent_days = null, prefix = "drafts/" }
        replaced = { abort_upload_days = 2, archive_days = null, expiration_days = null, noncurrent_days = 30, prefix = "" }
      }
      lock_by_version = false
      object_lock     = { days = 7, mode = "GOVERNANCE" }
      upload_origins  = ["https://finops.example.com"]
    })
    error_message = "The output settings shows what was set."
  }
}

run "locks_by_version" {
  command = plan
  module { source = "../../modules/private_bucket" }

  variables { lock_by_version = true }

  assert {
    condition = (
      length(aws_s3_bucket_object_lock_configuration.this) == 1
      && length(aws_s3_bucket_object_lock_configuration.this[0].rule) == 0
      && output.settings.lock_by_version && output.settings.object_lock == null
    )
    error_message = "Object Lock is on, and nothing is locked by itself."
  }
}
