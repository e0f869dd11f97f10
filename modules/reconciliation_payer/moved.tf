# Deployments from before the module private_bucket keep their bucket.
moved {
  from = aws_s3_bucket.exports["focus"]
  to   = module.exports["focus"].aws_s3_bucket.this
}

moved {
  from = aws_s3_bucket_versioning.exports["focus"]
  to   = module.exports["focus"].aws_s3_bucket_versioning.this
}

moved {
  from = aws_s3_bucket_server_side_encryption_configuration.exports["focus"]
  to   = module.exports["focus"].aws_s3_bucket_server_side_encryption_configuration.this
}

moved {
  from = aws_s3_bucket_ownership_controls.exports["focus"]
  to   = module.exports["focus"].aws_s3_bucket_ownership_controls.this
}

moved {
  from = aws_s3_bucket_public_access_block.exports["focus"]
  to   = module.exports["focus"].aws_s3_bucket_public_access_block.this
}

moved {
  from = aws_s3_bucket_policy.exports["focus"]
  to   = module.exports["focus"].aws_s3_bucket_policy.this
}

moved {
  from = aws_s3_bucket_lifecycle_configuration.exports["focus"]
  to   = module.exports["focus"].aws_s3_bucket_lifecycle_configuration.this[0]
}
