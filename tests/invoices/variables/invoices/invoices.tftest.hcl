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

run "settings_that_cannot_be" {
  command = plan
  variables {
    account_id  = "11"
    name_prefix = "Fin"
    bucket      = { name = "A" }
    intake      = { maximum_concurrency = 1 }
    extraction  = { engine = "guess" }
    validation  = { json_currency = "dollars" }
    review      = { days = 0 }
    alarms      = { maximum_delay_seconds = 1 }
    mail_sender = "nobody"
  }
  expect_failures = [
    var.account_id, var.name_prefix, var.bucket, var.intake, var.extraction, var.validation, var.review, var.alarms,
    var.mail_sender,
  ]
}

run "rules_that_cannot_be" {
  command = plan
  variables {
    validation = {
      rules = [
        { name = "a", expression = "total > 1", message = "m", severity = "WORSE" },
        { name = "a", expression = "total > 2", message = "m" },
      ]
    }
  }
  expect_failures = [var.validation]
}
