output "bucket_name" {
  description = "Bucket of the trail."
  value       = module.bucket.bucket_name
}

output "queue_url" {
  description = "URL of the queue that flows send entries to: their AUDIT_QUEUE_URL."
  value       = local.queue_url
}

output "queue_arn" {
  description = "ARN of the queue that flows send entries to."
  value       = local.queue_arn
}

output "sender_policy_json" {
  description = "Policy that lets a function send entries. With kms_key_arn the function must be allowed to use the key, too."
  value       = data.aws_iam_policy_document.send.json
}

output "signing_key_arn" {
  description = "KMS key that signs heads; null if they are not signed. Whoever verifies the trail needs kms:Verify on it."
  value       = local.heads_are_signed ? local.signing_key_arn : null
}

output "function_names" {
  description = "Names of the functions."
  value       = { for name, function in module.function : replace(name, "-", "_") => function.function_name }
}

output "failure_queue_urls" {
  description = "URLs of the failure queue of each function, and of the queue of entries that could not be written (`entries`)."
  value = merge(
    { for name, function in module.function : replace(name, "-", "_") => function.failure_queue_url },
    { entries = aws_sqs_queue.failures.url },
  )
}

output "policy_json" {
  description = "The whole policy of each function's role."
  value       = { for name, function in module.function : replace(name, "-", "_") => function.policy_json }
}
