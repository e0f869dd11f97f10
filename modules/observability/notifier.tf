# Posts what the topic hears to a chat: docs/decisions/0024-our-own-notifier.md.
locals {
  notifier_name = "${var.name_prefix}-notify-operators"
}

module "notifier" {
  source = "../lambda_function"
  count  = var.webhook == null ? 0 : 1

  account_id  = var.account_id
  region      = var.region
  kms_key_arn = var.kms_key_arn
  settings    = var.function_settings
  alarms      = { enabled = var.alarms.enabled, topic_arns = var.alarms.topic_arns }
  policy_json = data.aws_iam_policy_document.notifier[0].json
  package     = var.packages.code
  layer_arns  = [aws_lambda_layer_version.core[0].arn]
  tags        = var.tags

  function = {
    name        = local.notifier_name
    description = "Posts alarms to a chat"
    handler     = "finops.alarms.handlers.notify_operators"
  }

  environment = {
    WEBHOOK_SECRET_ARN = var.webhook.secret_arn
    FORMAT             = var.webhook.format
    PRIVATE_ADDRESSES  = tostring(var.webhook.private_addresses)
  }
}

data "aws_iam_policy_document" "notifier" {
  count = var.webhook == null ? 0 : 1

  statement {
    sid       = "ReadWebhook"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.webhook.secret_arn]
  }
}

resource "aws_lambda_layer_version" "core" {
  count = var.webhook == null ? 0 : 1

  layer_name        = "${var.name_prefix}-observability-core"
  filename          = var.packages.layers["core"].path
  s3_bucket         = var.packages.layers["core"].s3_bucket
  s3_key            = var.packages.layers["core"].s3_key
  s3_object_version = var.packages.layers["core"].s3_object_version
  source_code_hash  = var.packages.layers["core"].sha256_base64
}

resource "aws_sns_topic_subscription" "notifier" {
  count = var.webhook == null ? 0 : 1

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "lambda"
  endpoint  = module.notifier[0].function_arn

  depends_on = [aws_lambda_permission.topic]
}

resource "aws_lambda_permission" "topic" {
  count = var.webhook == null ? 0 : 1

  statement_id  = "TopicInvokes"
  action        = "lambda:InvokeFunction"
  function_name = module.notifier[0].function_name
  principal     = "sns.amazonaws.com"
  source_arn    = aws_sns_topic.alarms.arn
}
