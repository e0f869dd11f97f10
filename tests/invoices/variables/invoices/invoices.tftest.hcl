# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

variables {
  account_id = "111111111111"
  region     = "eu-west-1"
  packages = {
    code = { path = "finops.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    layers = {
      core      = { path = "core.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
      documents = { path = "documents.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
      invoices  = { path = "invoices.zip", sha256_base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    }
  }
}

run "refuses_an_account_id_of_two_digits" {
  command = plan
  variables { account_id = "11" }
  expect_failures = [var.account_id]
}

run "refuses_a_name_prefix_in_capitals" {
  command = plan
  variables { name_prefix = "Fin" }
  expect_failures = [var.name_prefix]
}

run "refuses_packages_without_the_core_layer" {
  command = plan
  variables { packages = { code = { path = "a", sha256_base64 = "b" }, layers = { invoices = { path = "a", sha256_base64 = "b" }, documents = { path = "a", sha256_base64 = "b" } } } }
  expect_failures = [var.packages]
}

run "refuses_packages_without_the_invoices_layer" {
  command = plan
  variables { packages = { code = { path = "a", sha256_base64 = "b" }, layers = { core = { path = "a", sha256_base64 = "b" }, documents = { path = "a", sha256_base64 = "b" } } } }
  expect_failures = [var.packages]
}

run "refuses_packages_without_the_documents_layer" {
  command = plan
  variables { packages = { code = { path = "a", sha256_base64 = "b" }, layers = { core = { path = "a", sha256_base64 = "b" }, invoices = { path = "a", sha256_base64 = "b" } } } }
  expect_failures = [var.packages]
}

run "refuses_a_bucket_name_in_capitals" {
  command = plan
  variables { bucket = { name = "Invoices" } }
  expect_failures = [var.bucket]
}

run "refuses_an_unknown_lock" {
  command = plan
  variables { bucket = { originals_lock = { mode = "governance", years = 10 } } }
  expect_failures = [var.bucket]
}

run "refuses_a_lock_of_part_of_a_year" {
  command = plan
  variables { bucket = { originals_lock = { mode = "GOVERNANCE", years = 0.5 } } }
  expect_failures = [var.bucket]
}

run "refuses_to_destroy_originals_that_nobody_can_delete" {
  command = plan
  variables { bucket = { force_destroy = true, originals_lock = { mode = "COMPLIANCE", years = 10 } } }
  expect_failures = [var.bucket]
}

run "refuses_an_upload_origin_with_a_path" {
  command = plan
  variables { bucket = { upload_origins = ["https://finops.example.com/upload"] } }
  expect_failures = [var.bucket]
}

run "refuses_a_single_reader_of_the_queue" {
  command = plan
  variables { extraction = { intake = { maximum_concurrency = 1 } } }
  expect_failures = [var.extraction]
}

run "refuses_more_than_100_readers_of_the_queue" {
  command = plan
  variables { extraction = { intake = { maximum_concurrency = 101 } } }
  expect_failures = [var.extraction]
}

run "refuses_too_few_tries" {
  command = plan
  variables { extraction = { intake = { maximum_tries = 2 } } }
  expect_failures = [var.extraction]
}

run "refuses_too_many_tries" {
  command = plan
  variables { extraction = { intake = { maximum_tries = 21 } } }
  expect_failures = [var.extraction]
}

run "refuses_an_unknown_engine" {
  command = plan
  variables { extraction = { engine = "guess" } }
  expect_failures = [var.extraction]
}

run "refuses_a_negative_price" {
  command = plan
  variables { extraction = { price_per_page = -0.01 } }
  expect_failures = [var.extraction]
}

run "refuses_too_little_memory" {
  command = plan
  variables { extraction = { memory_mb = 255 } }
  expect_failures = [var.extraction]
}

run "refuses_too_much_memory" {
  command = plan
  variables { extraction = { memory_mb = 10241 } }
  expect_failures = [var.extraction]
}

run "refuses_an_extraction_of_less_than_a_minute" {
  command = plan
  variables { extraction = { timeout_seconds = 59 } }
  expect_failures = [var.extraction]
}

run "refuses_an_extraction_of_more_than_a_day" {
  command = plan
  variables { extraction = { timeout_seconds = 86401 } }
  expect_failures = [var.extraction]
}

run "refuses_a_day_without_a_page" {
  command = plan
  variables { extraction = { daily_pages = 0 } }
  expect_failures = [var.extraction]
}

run "refuses_a_day_that_pays_for_no_page" {
  command = plan
  variables { extraction = { daily_usd = 0.001 } }
  expect_failures = [var.extraction]
}

run "refuses_a_confidence_above_100_percent" {
  command = plan
  variables { validation = { confidence = { total = 101 } } }
  expect_failures = [var.validation]
}

run "refuses_a_negative_confidence" {
  command = plan
  variables { validation = { confidence = { total = -1 } } }
  expect_failures = [var.validation]
}

run "refuses_a_negative_tolerance" {
  command = plan
  variables { validation = { tolerance = -1 } }
  expect_failures = [var.validation]
}

run "refuses_a_currency_in_words" {
  command = plan
  variables { validation = { json_currency = "dollars" } }
  expect_failures = [var.validation]
}

run "refuses_a_rule_of_unknown_severity" {
  command = plan
  variables { validation = { rules = [{ name = "a", expression = "total > 1", message = "m", severity = "WORSE" }] } }
  expect_failures = [var.validation]
}

run "refuses_two_rules_of_the_same_name" {
  command = plan
  variables {
    validation = {
      rules = [
        { name = "a", expression = "total > 1", message = "m" },
        { name = "a", expression = "total > 2", message = "m" },
      ]
    }
  }
  expect_failures = [var.validation]
}

run "refuses_a_review_without_time" {
  command = plan
  variables { review = { days = 0 } }
  expect_failures = [var.review]
}

run "refuses_a_review_of_more_than_60_days" {
  command = plan
  variables { review = { days = 61, maximum_escalations = 1 } }
  expect_failures = [var.review]
}

run "refuses_negative_escalations" {
  command = plan
  variables { review = { maximum_escalations = -1 } }
  expect_failures = [var.review]
}

run "refuses_escalations_that_outlast_a_workflow" {
  command = plan
  variables { review = { days = 60, maximum_escalations = 6 } }
  expect_failures = [var.review]
}

run "refuses_a_sender_that_is_not_an_address" {
  command = plan
  variables { customer_mail = { sender = "nobody", recipients = {} } }
  expect_failures = [var.customer_mail]
}

run "refuses_a_recipient_that_is_not_an_address" {
  command = plan
  variables { customer_mail = { sender = "us@example.com", recipients = { "C-7" = ["@example.com"] } } }
  expect_failures = [var.customer_mail]
}

run "refuses_more_recipients_than_a_mail_has" {
  command = plan
  variables { customer_mail = { sender = "us@example.com", recipients = { "C-7" = [for number in range(51) : "a${number}@example.com"] } } }
  expect_failures = [var.customer_mail]
}

run "refuses_an_alarm_within_a_minute" {
  command = plan
  variables { alarms = { maximum_delay_seconds = 59 } }
  expect_failures = [var.alarms]
}

run "refuses_a_region_of_another_partition" {
  command = plan
  variables { region = "us-gov-west-1" }
  expect_failures = [var.region]
}

run "refuses_that_every_session_counts_as_a_person" {
  command = plan
  variables { review = { personal_session_roles = ["*"] } }
  expect_failures = [var.review]
}

run "refuses_a_name_prefix_that_aws_reserves" {
  command = plan
  variables { name_prefix = "aws-finops" }
  expect_failures = [var.name_prefix]
}
