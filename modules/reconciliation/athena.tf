# Exports that are too large for one function are summed up by Athena: a workgroup with a limit for each query, and a table
# over each export. https://docs.aws.amazon.com/athena/latest/ug/workgroups-setting-control-limits-cloudwatch.html
locals {
  athena         = { for athena in var.costs.athena[*] : "athena" => athena }
  query_folder   = "cache/athena"
  workgroup_name = "${var.name_prefix}-reconciliation"
  workgroup_arn  = "arn:aws:athena:${var.region}:${var.account_id}:workgroup/${local.workgroup_name}"
  glue_arn       = "arn:aws:glue:${var.region}:${var.account_id}"
  database_name  = "${replace(var.name_prefix, "-", "_")}_reconciliation"

  # The export that the module reconciliation_payer makes, in the order of its columns:
  # https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-focus-1-2-aws-columns.html
  focus_types = merge(
    { for name in ["BilledCost", "EffectiveCost"] : name => "double" },
    { for name in ["BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart"] : name => "timestamp" },
    { Tags = "map<string,string>" },
  )
  focus_columns = [
    for name in [
      "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
      "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart",
      "CommitmentDiscountId", "CommitmentDiscountStatus", "CommitmentDiscountType", "EffectiveCost", "InvoiceId",
      "InvoiceIssuerName", "PricingCategory", "ProviderName", "PublisherName", "RegionId", "ServiceCategory", "ServiceName",
      "SubAccountId", "SubAccountName", "Tags",
    ] : { name = name, type = lookup(local.focus_types, name, "string") }
  ]

  # Numbered, because the URI of an export may be another one's with a slash.
  export_tables = merge([
    for athena in local.athena : {
      for number, uri in var.costs.exports_uris : "export_${number}" => {
        uri      = uri
        location = trimsuffix(uri, "/")
        form     = merge(local.forms[athena.format], { classification = athena.format })
        columns = [
          for column in coalesce(athena.columns, local.focus_columns) :
          { name = lower(column.name), type = athena.format == "csv" ? "string" : column.type }
        ]
      }
    }
  ]...)

  # Of CSV files Athena takes cells by their position, and all as texts.
  forms = {
    parquet = {
      input   = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
      output  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
      serde   = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
      options = {}
    }
    csv = {
      input   = "org.apache.hadoop.mapred.TextInputFormat"
      output  = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
      serde   = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
      options = { "skip.header.line.count" = "1" }
    }
  }

  athena_settings = { for athena in local.athena : "ATHENA" => jsonencode({
    engine          = athena.engine
    from_mb         = athena.from_mb
    most_gb_scanned = athena.most_gb_scanned
    usd_per_tb      = athena.usd_per_tb
    workgroup       = local.workgroup_name
    database        = local.database_name
    tables          = { for name, table in local.export_tables : table.uri => name }
  }) }
}

resource "aws_athena_workgroup" "exports" {
  for_each = local.athena

  name          = local.workgroup_name
  description   = "Sums up cost exports for ${local.function_name}"
  force_destroy = true # its history of queries
  tags          = var.tags

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = floor(each.value.most_gb_scanned * pow(1024, 3))

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location = "s3://${local.bucket_name}/${local.query_folder}/results/"

      encryption_configuration {
        encryption_option = var.kms_key_arn == null ? "SSE_S3" : "SSE_KMS"
        kms_key_arn       = var.kms_key_arn
      }
    }
  }
}

resource "aws_glue_catalog_database" "exports" {
  for_each = local.athena

  name        = local.database_name
  description = "Cost exports, as ${local.function_name} reads them"
  tags        = var.tags
}

# Partitions are computed from the names of folders, so that a new month needs no crawler:
# https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
resource "aws_glue_catalog_table" "exports" {
  for_each = local.export_tables

  name          = each.key
  database_name = aws_glue_catalog_database.exports["athena"].name
  description   = "The export in ${each.value.uri}"
  table_type    = "EXTERNAL_TABLE"

  parameters = merge(each.value.form.options, {
    EXTERNAL                                  = "TRUE"
    classification                            = each.value.form.classification
    "projection.enabled"                      = "true"
    "projection.billing_period.type"          = "date"
    "projection.billing_period.format"        = "yyyy-MM"
    "projection.billing_period.range"         = "2000-01,NOW"
    "projection.billing_period.interval"      = "1"
    "projection.billing_period.interval.unit" = "MONTHS"
    "storage.location.template"               = "${each.value.location}/BILLING_PERIOD=$${billing_period}/"
  })

  partition_keys {
    name = "billing_period"
    type = "string"
  }

  storage_descriptor {
    location      = "${each.value.location}/"
    input_format  = each.value.form.input
    output_format = each.value.form.output

    ser_de_info {
      serialization_library = each.value.form.serde
    }

    dynamic "columns" {
      for_each = each.value.columns
      content {
        name = columns.value.name
        type = columns.value.type
      }
    }
  }
}
