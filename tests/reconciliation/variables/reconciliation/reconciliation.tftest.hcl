# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

variables {
  account_id = "111111111111"
  region     = "eu-west-1"
  packages = {
    code = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    layers = {
      core    = { path = "core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", upload = "direct" }
      duckdb  = { path = "duckdb.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", upload = "s3" }
      reports = { path = "reports.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    }
  }
  configuration = <<-EOT
    currency: USD
    payer_accounts:
      - {id: "111111111111", name: Example Holding, business_unit: Corporate IT}
  EOT
}

run "refuses_an_account_id_of_eleven_digits" {
  command = plan
  variables { account_id = "11111111111" }
  expect_failures = [var.account_id]
}

run "refuses_a_name_prefix_in_capitals" {
  command = plan
  variables { name_prefix = "FinOps" }
  expect_failures = [var.name_prefix]
}

run "refuses_packages_without_the_layer_duckdb" {
  command = plan
  variables {
    packages = {
      code   = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
      layers = { core = { path = "core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }, reports = { path = "reports.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
    }
  }
  expect_failures = [var.packages]
}

run "refuses_a_configuration_that_is_no_mapping" {
  command = plan
  variables { configuration = "- one\n- two\n" }
  expect_failures = [var.configuration]
}

run "refuses_a_payer_of_the_configuration_that_no_role_is_assumed_in" {
  command = plan
  variables { configuration = "payer_accounts: [{id: 555555555555}]" }
  expect_failures = [var.payers]
}

run "refuses_a_source_that_is_unknown" {
  command = plan
  variables { costs = { source = "cur" } }
  expect_failures = [var.costs]
}

run "refuses_exports_that_are_nowhere" {
  command = plan
  variables { costs = { source = "focus" } }
  expect_failures = [var.costs]
}

run "refuses_an_exports_uri_with_a_wildcard" {
  command = plan
  variables { costs = { source = "focus", exports_uris = ["s3://exports/*"] } }
  expect_failures = [var.costs]
}

run "refuses_a_key_by_its_alias" {
  command = plan
  variables { costs = { exports_key_arns = ["arn:aws:kms:us-east-1:555555555555:alias/exports"] } }
  expect_failures = [var.costs]
}

run "refuses_a_ledger_without_its_database" {
  command = plan
  variables { costs = { source = "ledger" } }
  expect_failures = [var.costs]
}

run "refuses_to_ask_cost_explorer_never" {
  command = plan
  variables { costs = { calls_per_second = 0 } }
  expect_failures = [var.costs]
}

run "refuses_a_day_that_pays_for_no_page" {
  command = plan
  variables { costs = { daily_usd = 0.001 } }
  expect_failures = [var.costs]
}

run "refuses_an_export_twice" {
  command = plan
  variables { costs = { source = "focus", exports_uris = ["s3://exports/focus", "s3://exports/focus"] } }
  expect_failures = [var.costs]
}

run "refuses_athena_without_an_export" {
  command = plan
  variables { costs = { athena = {} } }
  expect_failures = [var.costs]
}

run "refuses_an_engine_that_is_unknown" {
  command = plan
  variables { costs = { exports_uris = ["s3://exports/focus"], athena = { engine = "spark" } } }
  expect_failures = [var.costs]
}

run "refuses_a_format_that_athena_has_no_table_for" {
  command = plan
  variables { costs = { exports_uris = ["s3://exports/focus"], athena = { format = "json" } } }
  expect_failures = [var.costs]
}

run "refuses_a_limit_below_athenas_least" {
  command = plan
  variables { costs = { exports_uris = ["s3://exports/focus"], athena = { most_gb_scanned = 0 } } }
  expect_failures = [var.costs]
}

run "refuses_a_negative_size" {
  command = plan
  variables { costs = { exports_uris = ["s3://exports/focus"], athena = { from_mb = -1 } } }
  expect_failures = [var.costs]
}

run "refuses_to_close_a_month_after_it_is_watched" {
  command = plan
  variables { reporting = { close_day = 16 } }
  expect_failures = [var.reporting]
}

run "refuses_a_format_twice" {
  command = plan
  variables { reporting = { formats = ["csv", "csv"] } }
  expect_failures = [var.reporting]
}

run "refuses_a_format_that_is_unknown" {
  command = plan
  variables { reporting = { formats = ["pdf"] } }
  expect_failures = [var.reporting]
}

run "refuses_links_that_outlive_credentials" {
  command = plan
  variables { reporting = { link_seconds = 86400 } }
  expect_failures = [var.reporting]
}

run "refuses_too_little_memory" {
  command = plan
  variables { reporting = { memory_mb = 256 } }
  expect_failures = [var.reporting]
}

run "refuses_recipients_without_a_sender" {
  command = plan
  variables { reporting = { notifications = { mail_recipients = ["cfo@example.com"] } } }
  expect_failures = [var.reporting]
}

run "refuses_a_webhook_url_in_place_of_a_secret" {
  command = plan
  variables { reporting = { notifications = { webhook_secret_arn = "https://hooks.example.com/1" } } }
  expect_failures = [var.reporting]
}

run "refuses_to_drop_the_reports_of_an_open_month" {
  command = plan
  variables { bucket = { provisional_days = 30 } }
  expect_failures = [var.bucket]
}

run "refuses_to_archive_before_s3_does" {
  command = plan
  variables { bucket = { archive_days = 29 } }
  expect_failures = [var.bucket]
}

run "refuses_rates_of_the_future" {
  command = plan
  variables { rates = { maximum_age_days = -1 } }
  expect_failures = [var.rates]
}

run "refuses_a_rate_of_zero" {
  command = plan
  variables { rates = { static = { CAD = "0" } } }
  expect_failures = [var.rates]
}

run "refuses_a_payer_id_of_eleven_digits" {
  command = plan
  variables { payers = { account_ids = ["55555555555"], external_id = "finops-example" } }
  expect_failures = [var.payers]
}

run "refuses_the_own_account_as_another_payer" {
  command = plan
  variables { payers = { account_ids = ["111111111111"], external_id = "finops-example" } }
  expect_failures = [var.payers]
}

run "refuses_payers_without_an_external_id" {
  command = plan
  variables { payers = { account_ids = ["555555555555"] } }
  expect_failures = [var.payers]
}

run "refuses_an_external_id_with_a_space" {
  command = plan
  variables { payers = { external_id = "fin ops" } }
  expect_failures = [var.payers]
}

run "refuses_an_external_id_of_one_letter" {
  command = plan
  variables { payers = { external_id = "f" } }
  expect_failures = [var.payers]
}

run "refuses_an_external_id_that_is_too_long" {
  command = plan
  variables { payers = { external_id = format("%01225d", 0) } }
  expect_failures = [var.payers]
}

run "refuses_packages_without_the_layer_reports" {
  command = plan
  variables {
    packages = {
      code   = { path = "finops.zip", sha256_base64 = "x" }
      layers = { core = { path = "core.zip", sha256_base64 = "x" }, duckdb = { path = "duckdb.zip", sha256_base64 = "x" } }
    }
  }
  expect_failures = [var.packages]
}

run "refuses_packages_without_the_layer_core" {
  command = plan
  variables {
    packages = {
      code   = { path = "finops.zip", sha256_base64 = "x" }
      layers = { reports = { path = "reports.zip", sha256_base64 = "x" }, duckdb = { path = "duckdb.zip", sha256_base64 = "x" } }
    }
  }
  expect_failures = [var.packages]
}

run "refuses_to_ask_cost_explorer_more_than_100_times_a_second" {
  command = plan
  variables { costs = { calls_per_second = 101 } }
  expect_failures = [var.costs]
}

run "refuses_rates_older_than_a_year" {
  command = plan
  variables { rates = { maximum_age_days = 367 } }
  expect_failures = [var.rates]
}

run "refuses_a_rate_of_an_unknown_currency" {
  command = plan
  variables { rates = { static = { cad = "0.79" } } }
  expect_failures = [var.rates]
}

run "refuses_to_close_a_month_on_its_first_day" {
  command = plan
  variables { reporting = { close_day = 1 } }
  expect_failures = [var.reporting]
}

run "refuses_to_watch_a_month_after_the_28th" {
  command = plan
  variables { reporting = { watch_until_day = 29 } }
  expect_failures = [var.reporting]
}

run "refuses_no_format" {
  command = plan
  variables { reporting = { formats = [] } }
  expect_failures = [var.reporting]
}

run "refuses_links_for_less_than_a_minute" {
  command = plan
  variables { reporting = { link_seconds = 59 } }
  expect_failures = [var.reporting]
}

run "refuses_a_page_without_tls" {
  command = plan
  variables { reporting = { page_url = "http://finops.example.com" } }
  expect_failures = [var.reporting]
}

run "refuses_a_sender_that_is_not_an_address" {
  command = plan
  variables { reporting = { notifications = { mail_sender = "finops", mail_recipients = ["cfo@example.com"] } } }
  expect_failures = [var.reporting]
}

run "refuses_a_recipient_that_is_not_an_address" {
  command = plan
  variables { reporting = { notifications = { mail_sender = "finops@example.com", mail_recipients = ["cfo"] } } }
  expect_failures = [var.reporting]
}

run "refuses_a_sender_without_recipients" {
  command = plan
  variables { reporting = { notifications = { mail_sender = "finops@example.com" } } }
  expect_failures = [var.reporting]
}

run "refuses_a_bucket_name_in_capitals" {
  command = plan
  variables { bucket = { name = "Reports" } }
  expect_failures = [var.bucket]
}

run "refuses_to_remove_replaced_versions_at_once" {
  command = plan
  variables { bucket = { noncurrent_days = 0 } }
  expect_failures = [var.bucket]
}

run "refuses_a_region_of_another_partition" {
  command = plan
  variables { region = "us-gov-west-1" }
  expect_failures = [var.region]
}

run "refuses_a_name_prefix_that_aws_reserves" {
  command = plan
  variables { name_prefix = "aws-finops" }
  expect_failures = [var.name_prefix]
}
