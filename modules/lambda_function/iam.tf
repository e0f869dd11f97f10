resource "aws_iam_role" "this" {
  name                 = var.function.name
  description          = "Execution role of the function ${var.function.name}"
  assume_role_policy   = data.aws_iam_policy_document.lambda_trust.json
  permissions_boundary = var.settings.permissions_boundary_arn
  # `finops doctor` tells by it whether the role still has the policy that was deployed.
  tags = merge(var.tags, { policy-sha256 = local.policy_sha256 })
}

data "aws_iam_policy_document" "lambda_trust" {
  statement {
    sid     = "LambdaAssumes"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = var.function.name
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.this.json
}

locals {
  # Of what the policy says, in whatever order: the provider changes no policy for its order.
  policy_sha256 = sha256(join("\n", sort([
    for one in jsondecode(data.aws_iam_policy_document.this.json).Statement : jsonencode([
      try(one.Sid, ""),
      one.Effect,
      sort(flatten([try(one.Action, [])])),
      sort(flatten([try(one.NotAction, [])])),
      sort(flatten([try(one.Resource, [])])),
      sort(flatten([try(one.NotResource, [])])),
      [for test, keys in try(one.Condition, {}) : [test, [for key, values in keys : [key, sort(flatten([values]))]]]],
    ])
  ])))

  network_interface_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]
}

data "aws_iam_policy_document" "this" {
  #checkov:skip=CKV_AWS_356:X-Ray has no resources to name, and network interfaces have no names before they are made
  #checkov:skip=CKV_AWS_111:X-Ray has no resources to name, and network interfaces have no names before they are made
  source_policy_documents = [var.policy_json]

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.log_group_arn}:*"]
  }

  statement {
    sid       = "SendFailures"
    actions   = ["sqs:SendMessage"]
    resources = [local.failure_queue_arn]
  }

  dynamic "statement" {
    for_each = var.settings.tracing ? ["xray"] : []
    content {
      sid       = "WriteTraces"
      actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      resources = ["*"]
    }
  }

  # Lambda connects the function to the VPC as the function's role; the function's own code needs none of it, and may not:
  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
  dynamic "statement" {
    for_each = var.settings.network == null ? {} : { Allow = "ConnectToNetwork", Deny = "NotForFunctionCode" }
    content {
      sid       = statement.value
      effect    = statement.key
      actions   = local.network_interface_actions
      resources = ["*"]

      dynamic "condition" {
        for_each = statement.key == "Deny" ? [local.function_arn] : []
        content {
          test     = "ArnEquals"
          variable = "lambda:SourceFunctionArn"
          values   = [condition.value]
        }
      }
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn[*]
    content {
      sid       = "UseEncryptionKey"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
}
