locals {
  role_name = "${var.name_prefix}-cost-reader"

  exports     = { for export in var.focus_export[*] : "focus" => export }
  export_name = "${var.name_prefix}-focus"
  bucket_name = try(coalesce(var.focus_export.bucket_name, "${var.name_prefix}-focus-${var.account_id}"), "")
  bucket_arn  = "arn:aws:s3:::${local.bucket_name}"

  # The columns of FOCUS 1.2 that a reconciliation needs, and those that people look for next:
  # https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-focus-1-2-aws-columns.html
  focus_columns = [
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart",
    "CommitmentDiscountId", "CommitmentDiscountStatus", "CommitmentDiscountType", "EffectiveCost", "InvoiceId",
    "InvoiceIssuerName", "PricingCategory", "ProviderName", "PublisherName", "RegionId", "ServiceCategory", "ServiceName",
    "SubAccountId", "SubAccountName", "Tags",
  ]
}

# The role that the management account assumes.
resource "aws_iam_role" "cost_reader" {
  name                 = local.role_name
  description          = "Lets the management account read this payer's costs and invoices"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "cost_reader" {
  name   = local.role_name
  role   = aws_iam_role.cost_reader.name
  policy = data.aws_iam_policy_document.cost_reader.json
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "HubAssumes"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = concat([var.hub.role_arn], var.reader_arns)
    }

    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.hub.external_id]
    }
  }
}

data "aws_iam_policy_document" "cost_reader" {
  #checkov:skip=CKV_AWS_356:Invoicing has no resources to name, Cost Explorer's queries neither
  statement {
    sid       = "ReadCosts"
    actions   = ["ce:GetCostAndUsage", "ce:GetDimensionValues", "invoicing:ListInvoiceSummaries"]
    resources = ["*"]
  }
}
