# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

variables {
  account_id = "111111111111"
  region     = "eu-west-1"
  database = {
    cluster_arn       = "arn:aws:rds:eu-west-1:111111111111:cluster:finops-billing"
    secret_arn        = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:rds-master-a1b2c3"
    loader_secret_arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-loader-a1b2c3"
    reader_secret_arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-reader-a1b2c3"
    name              = "billing"
  }
  packages = {
    code = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    layers = {
      billing = { path = "billing.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
      core    = { path = "core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
      duckdb  = { path = "duckdb.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", upload = "s3" }
    }
  }
}

run "refuses_account_id" {
  command = plan
  variables { account_id = "1111" }
  expect_failures = [var.account_id]
}

run "refuses_name_prefix" {
  command = plan
  variables { name_prefix = "Fin_Ops" }
  expect_failures = [var.name_prefix]
}

run "refuses_packages_without_the_billing_layer" {
  command = plan
  variables {
    packages = { code = { path = "a", sha256_base64 = "b" }, layers = { core = { path = "a", sha256_base64 = "b" }, duckdb = { path = "a", sha256_base64 = "b" } } }
  }
  expect_failures = [var.packages]
}

run "refuses_bucket_name" {
  command = plan
  variables { bucket = { name = "Bills_Of_Acme" } }
  expect_failures = [var.bucket]
}

run "refuses_an_unknown_lock" {
  command = plan
  variables { bucket = { originals_lock = { mode = "governance", years = 10 } } }
  expect_failures = [var.bucket]
}

run "refuses_a_lock_of_no_year" {
  command = plan
  variables { bucket = { originals_lock = { mode = "GOVERNANCE", years = 0 } } }
  expect_failures = [var.bucket]
}

run "refuses_to_destroy_originals_that_nobody_can_delete" {
  command = plan
  variables { bucket = { force_destroy = true, originals_lock = { mode = "COMPLIANCE", years = 10 } } }
  expect_failures = [var.bucket]
}

run "refuses_bad_rows_for_no_day" {
  command = plan
  variables { bucket = { quarantine_days = 0 } }
  expect_failures = [var.bucket]
}

run "refuses_tiny_large_files" {
  command = plan
  variables { loading = { large_file_bytes = 1023 } }
  expect_failures = [var.loading]
}

run "refuses_tiny_chunks" {
  command = plan
  variables { loading = { chunk_bytes = 1023 } }
  expect_failures = [var.loading]
}

run "refuses_no_chunk_at_once" {
  command = plan
  variables { loading = { chunk_concurrency = 0 } }
  expect_failures = [var.loading]
}

run "refuses_too_many_chunks_at_once" {
  command = plan
  variables { loading = { chunk_concurrency = 101 } }
  expect_failures = [var.loading]
}

run "refuses_one_loader" {
  command = plan
  variables { loading = { maximum_concurrency = 1 } }
  expect_failures = [var.loading]
}

run "refuses_too_many_loaders" {
  command = plan
  variables { loading = { maximum_concurrency = 101 } }
  expect_failures = [var.loading]
}

run "refuses_too_few_tries" {
  command = plan
  variables { loading = { maximum_tries = 2 } }
  expect_failures = [var.loading]
}

run "refuses_too_many_tries" {
  command = plan
  variables { loading = { maximum_tries = 21 } }
  expect_failures = [var.loading]
}

run "refuses_too_little_memory" {
  command = plan
  variables { loading = { memory_mb = 128 } }
  expect_failures = [var.loading]
}

run "refuses_too_much_memory" {
  command = plan
  variables { loading = { memory_mb = 10241 } }
  expect_failures = [var.loading]
}

run "refuses_too_little_time" {
  command = plan
  variables { loading = { timeout_seconds = 60 } }
  expect_failures = [var.loading]
}

run "refuses_more_time_than_a_function_has" {
  command = plan
  variables { loading = { timeout_seconds = 901 } }
  expect_failures = [var.loading]
}

run "refuses_rates_of_the_future" {
  command = plan
  variables { rates = { maximum_age_days = -1 } }
  expect_failures = [var.rates]
}

run "refuses_rates_too_old" {
  command = plan
  variables { rates = { maximum_age_days = 367 } }
  expect_failures = [var.rates]
}

run "refuses_unknown_currency" {
  command = plan
  variables { rates = { static = { cad = "0.79" } } }
  expect_failures = [var.rates]
}

run "refuses_rate_of_zero" {
  command = plan
  variables { rates = { static = { CAD = "0" } } }
  expect_failures = [var.rates]
}

run "refuses_rate_that_is_no_number" {
  command = plan
  variables { rates = { static = { CAD = "0,79" } } }
  expect_failures = [var.rates]
}

run "refuses_to_fetch_rates_without_tls" {
  command = plan
  variables { rates = { ecb = { url = "http://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml" } } }
  expect_failures = [var.rates]
}

run "refuses_a_url_of_rates_with_a_user" {
  command = plan
  variables { rates = { ecb = { url = "https://me:secret@www.ecb.europa.eu/daily.xml" } } }
  expect_failures = [var.rates]
}

run "refuses_point_for_thousands_and_decimals" {
  command = plan
  variables { datasets = { acme = { thousands = "." } } }
  expect_failures = [var.datasets]
}

run "refuses_comma_for_thousands_and_decimals" {
  command = plan
  variables { datasets = { werke = { decimal_comma = true, thousands = "," } } }
  expect_failures = [var.datasets]
}

run "refuses_delay" {
  command = plan
  variables { alarms = { maximum_delay_seconds = 59 } }
  expect_failures = [var.alarms]
}

run "refuses_packages_without_the_core_layer" {
  command = plan
  variables { packages = { code = { path = "a", sha256_base64 = "b" }, layers = { billing = { path = "a", sha256_base64 = "b" }, duckdb = { path = "a", sha256_base64 = "b" } } } }
  expect_failures = [var.packages]
}

run "refuses_packages_without_the_layer_that_reads_parquet" {
  command = plan
  variables { packages = { code = { path = "a", sha256_base64 = "b" }, layers = { billing = { path = "a", sha256_base64 = "b" }, core = { path = "a", sha256_base64 = "b" } } } }
  expect_failures = [var.packages]
}

run "refuses_an_upload_origin_with_a_path" {
  command = plan
  variables { bucket = { upload_origins = ["https://finops.example.com/upload"] } }
  expect_failures = [var.bucket]
}

run "refuses_a_region_of_another_partition" {
  command = plan
  variables { region = "us-gov-west-1" }
  expect_failures = [var.region]
}

run "refuses_one_secret_for_two_purposes" {
  command = plan
  variables {
    database = {
      cluster_arn       = "arn:aws:rds:eu-west-1:111111111111:cluster:finops-billing"
      secret_arn        = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:rds-master-a1b2c3"
      loader_secret_arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:rds-master-a1b2c3"
      reader_secret_arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:billing-reader-a1b2c3"
      name              = "billing"
    }
  }
  expect_failures = [var.database]
}

run "refuses_password_rotation_days" {
  command = plan
  variables { password_rotation_days = 1 }
  expect_failures = [var.password_rotation_days]
}

run "refuses_a_name_prefix_that_aws_reserves" {
  command = plan
  variables { name_prefix = "aws-finops" }
  expect_failures = [var.name_prefix]
}
