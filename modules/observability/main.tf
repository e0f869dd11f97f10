# ARNs are built from names, so that a plan shows the dashboard whole.
locals {
  topic_name = "${var.name_prefix}-alarms"
  topic_arn  = "arn:aws:sns:${var.region}:${var.account_id}:${local.topic_name}"
  alarms_arn = "arn:aws:cloudwatch:${var.region}:${var.account_id}:alarm"
  told       = concat([aws_sns_topic.alarms.arn], var.alarms.topic_arns)
}

# Who subscribes hears of impacts, each once, and not of the alarms that they are made of.
resource "aws_sns_topic" "alarms" {
  #checkov:skip=CKV_AWS_26:a customer managed key is a setting
  name              = local.topic_name
  kms_master_key_id = var.kms_key_arn
  tags              = var.tags
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.topic.json
}

data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "AlarmsPublish"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.alarms_arn}:${var.name_prefix}-*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

# What people are told: one alarm for each way in which a flow fails those who rely on it.
locals {
  impacts = merge([
    for flow, impacts in merge({ for flow, of in var.flows : flow => of.impacts }, { observability = local.own_impacts }) : {
      for name, impact in impacts : "${flow}-${name}" => impact if var.alarms.enabled && length(impact.alarm_names) > 0
    }
  ]...)

  # Whom the notifier cannot tell hears of it by the topic's other subscribers, and by alarms.topic_arns.
  own_impacts = {
    not-posted = {
      description = "Alarms do not reach the chat."
      alarm_names = flatten([for notifier in module.notifier : values(notifier.alarm_names)])
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "impact" {
  for_each = local.impacts

  alarm_name        = "${var.name_prefix}-${each.key}"
  alarm_description = each.value.description
  alarm_rule        = join(" OR ", [for name in sort(each.value.alarm_names) : "ALARM(\"${name}\")"])
  alarm_actions     = local.told
  ok_actions        = local.told
  tags              = var.tags
}
