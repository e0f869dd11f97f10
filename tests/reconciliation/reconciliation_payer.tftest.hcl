# Plans only, with a real provider and invented credentials: policies are compared whole.

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "000000000000"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  account_id = "555555555555"
  hub        = { role_arn = "arn:aws:iam::111111111111:role/finops-reconcile-month", external_id = "finops-example" }
}

run "role_alone" {
  command = plan
  module { source = "../../modules/reconciliation_payer" }

  assert {
    condition = jsonencode([
      for s in jsondecode(output.policy_json.trust).Statement : [s.Effect, s.Action, s.Principal, s.Condition]
      ]) == jsonencode([[
        "Allow", "sts:AssumeRole", { AWS = "arn:aws:iam::111111111111:role/finops-reconcile-month" },
        { StringEquals = { "sts:ExternalId" = "finops-example" } },
    ]])
    error_message = "The function of the management account alone may assume the role, with the external id."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(output.policy_json.cost_reader).Statement : [s.Effect, sort(s.Action), s.Resource]
      ]) == jsonencode([[
        "Allow", ["ce:GetCostAndUsage", "ce:GetDimensionValues", "invoicing:ListInvoiceSummaries"], "*",
    ]])
    error_message = "The role reads costs and invoices, and nothing else."
  }

  assert {
    condition = (
      aws_iam_role.cost_reader.name == "finops-cost-reader"
      && keys(output.policy_json) == ["cost_reader", "trust"]
      && length(module.exports) + length(aws_bcmdataexports_export.focus) == 0
      && output.export_uri == null
    )
    error_message = "Without the setting there is no export."
  }
}

run "with_an_export" {
  command = plan
  module { source = "../../modules/reconciliation_payer" }
  variables {
    focus_export = {}
  }

  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.exports).Statement :
      s.Sid => [s.Effect, { for kind, names in s.Principal : kind => sort(flatten([names])) }, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      DataExportsWrite = [
        "Allow", { Service = ["bcm-data-exports.amazonaws.com", "billingreports.amazonaws.com"] },
        ["s3:GetBucketPolicy", "s3:PutObject"],
        ["arn:aws:s3:::finops-focus-555555555555", "arn:aws:s3:::finops-focus-555555555555/*"],
        {
          ArnLike      = { "aws:SourceArn" = ["arn:aws:bcm-data-exports:us-east-1:555555555555:export/*", "arn:aws:cur:us-east-1:555555555555:definition/*"] }
          StringEquals = { "aws:SourceAccount" = "555555555555" }
        },
      ]
      DenyWithoutTls = [
        "Deny", { AWS = ["*"] }, ["s3:*"],
        ["arn:aws:s3:::finops-focus-555555555555", "arn:aws:s3:::finops-focus-555555555555/*"],
        { Bool = { "aws:SecureTransport" = "false" } },
      ]
      HubLists = [
        "Allow", { AWS = ["arn:aws:iam::111111111111:role/finops-reconcile-month"] }, ["s3:ListBucket"],
        ["arn:aws:s3:::finops-focus-555555555555"],
        { StringLike = { "s3:prefix" = "exports/*" } },
      ]
      HubLocates = [
        "Allow", { AWS = ["arn:aws:iam::111111111111:role/finops-reconcile-month"] }, ["s3:GetBucketLocation"],
        ["arn:aws:s3:::finops-focus-555555555555"], null,
      ]
      HubReads = [
        "Allow", { AWS = ["arn:aws:iam::111111111111:role/finops-reconcile-month"] }, ["s3:GetObject"],
        ["arn:aws:s3:::finops-focus-555555555555/exports/*"], null,
      ]
    })
    error_message = "Data Exports writes for this account's exports, the management's function reads them, all by TLS."
  }

  assert {
    condition = alltrue([
      for export in aws_bcmdataexports_export.focus["focus"].export : alltrue([
        export.name == "finops-focus",
        endswith(export.data_query[0].query_statement, " FROM FOCUS_1_2_AWS"),
        alltrue([
          for column in [
            "BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodStart", "ChargeCategory", "ChargeClass",
            "ChargePeriodStart", "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ServiceName", "SubAccountId",
            "SubAccountName", "Tags",
          ] : contains(split(", ", trimsuffix(trimprefix(export.data_query[0].query_statement, "SELECT "), " FROM FOCUS_1_2_AWS")), column)
        ]),
        export.data_query[0].table_configurations["FOCUS_1_2_AWS"]["TIME_GRANULARITY"] == "DAILY",
        export.destination_configurations[0].s3_destination[0].s3_bucket == "finops-focus-555555555555",
        export.destination_configurations[0].s3_destination[0].s3_prefix == "exports",
        export.destination_configurations[0].s3_destination[0].s3_output_configurations[0].format == "PARQUET",
        export.destination_configurations[0].s3_destination[0].s3_output_configurations[0].overwrite == "OVERWRITE_REPORT",
        export.refresh_cadence[0].frequency == "SYNCHRONOUS",
      ])
    ])
    error_message = "The export is FOCUS 1.2 by day, with each column that the flow reads."
  }

  assert {
    condition = (
      jsonencode(module.exports["focus"].settings.lifecycle_rules) == jsonencode({
        exports = { abort_upload_days = 2, archive_days = null, expiration_days = 800, noncurrent_days = 7, prefix = "" }
      })
      && !module.exports["focus"].settings.force_destroy
      && module.exports["focus"].settings.kms_key_arn == null
      && output.export_uri == "s3://finops-focus-555555555555/exports/finops-focus/data"
    )
    error_message = "The bucket keeps what reports look back to."
  }
}

run "an_export_is_encrypted_with_your_key" {
  command = plan
  module { source = "../../modules/reconciliation_payer" }
  variables {
    focus_export = {}
    kms_key_arn  = "arn:aws:kms:us-east-1:555555555555:key/1b7c"
  }

  assert {
    condition     = module.exports["focus"].settings.kms_key_arn == var.kms_key_arn
    error_message = "The key encrypts the bucket."
  }
}

run "people_may_read_too_where_they_are_named" {
  command = plan
  module { source = "../../modules/reconciliation_payer" }
  variables {
    reader_arns = ["arn:aws:iam::111111111111:role/finance"]
  }

  assert {
    condition = jsonencode(jsondecode(output.policy_json.trust).Statement[0].Principal) == jsonencode({
      AWS = ["arn:aws:iam::111111111111:role/finops-reconcile-month", "arn:aws:iam::111111111111:role/finance"]
    })
    error_message = "Those who are named may assume the role, with the same external id."
  }
}
