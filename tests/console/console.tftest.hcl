# Plans only, with a real provider and invented credentials: what the container may do is compared whole, so that a
# statement that is missing, wider or new fails here.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "000000000000"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  account_id  = "111111111111"
  region      = "eu-west-1"
  environment = "prod"
  image       = { uri = "111111111111.dkr.ecr.eu-west-1.amazonaws.com/finops-console:1" }
  address = {
    domain_name     = "finops.example.com"
    certificate_arn = "arn:aws:acm:eu-west-1:111111111111:certificate/1b7c"
  }
  login = { domain = "example-finops" }
  network = {
    vpc_id             = "vpc-0a1b"
    public_subnet_ids  = ["subnet-0a", "subnet-0b"]
    private_subnet_ids = ["subnet-1a"]
    ingress_cidrs      = ["203.0.113.0/24", "198.51.100.0/24"]
  }
  flows = {
    invoices_bucket     = "inv"
    billing_bucket      = "bil"
    database_arn        = "arn:aws:rds:eu-west-1:111111111111:cluster:finops"
    database_secret_arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:db"
  }
}

override_data {
  target = data.aws_route_tables.own
  values = { ids = ["rtb-own"] }
}

override_data {
  target = data.aws_route_tables.main
  values = { ids = ["rtb-main"] }
}

override_data {
  target = data.aws_route_tables.to_internet
  values = { ids = ["rtb-own"] }
}

run "defaults" {
  command = plan
  module { source = "../../modules/console" }

  # what the container may do
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      FindFlows = ["Allow", ["lambda:GetFunctionConfiguration"], [
        for name in ["append-audit-entries", "load-billing-file", "receive-invoices", "reconcile-month", "write-audit-head"] :
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-${name}"
      ], null]
      RunFunctions = ["Allow", ["lambda:InvokeFunction"], [
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-reconcile-month",
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-repair-budget-drift",
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-withdraw-billing-file",
      ], null]
      EditBudgets = ["Allow", [
        "dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PutItem",
        "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem",
      ], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-budgets"], null]
      ReadBudgetStatus = ["Allow", ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"],
      ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-budget-status"], null]
      ApproveRaises = ["Allow", ["dynamodb:UpdateItem"],
      ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-budget-status"], null]
      ApplyRaises = ["Allow", ["sqs:GetQueueUrl", "sqs:SendMessage"],
      ["arn:aws:sqs:eu-west-1:111111111111:finops-budget-accounts"], null]
      ReviewInvoices = ["Allow", ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem"],
      ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices"], null]
      EditVendors = ["Allow", ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem"],
      ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-vendors"], null]
      ListInvoices = ["Allow", ["dynamodb:Query"], [
        "arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices/index/by_month",
        "arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices/index/by_status",
        "arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices/index/search_by_month",
        "arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices/index/search_by_status",
      ], null]
      ReadDocuments = ["Allow", ["s3:GetObject", "s3:GetObjectVersion"],
      ["arn:aws:s3:::inv/json/*", "arn:aws:s3:::inv/raw/*", "arn:aws:s3:::inv/textract/*"], null]
      WriteDocuments = ["Allow", ["s3:PutObject"], ["arn:aws:s3:::inv/raw/*", "arn:aws:s3:::inv/textract/*"], null]
      ResumeWorkflow = ["Allow", ["states:SendTaskSuccess"],
      ["arn:aws:states:eu-west-1:111111111111:stateMachine:finops-invoice-workflow"], null]
      ProcessDuplicates = ["Allow", ["states:StartExecution"],
      ["arn:aws:states:eu-west-1:111111111111:stateMachine:finops-invoice-workflow"], null]
      RedriveWorkflow = ["Allow", ["states:RedriveExecution"],
      ["arn:aws:states:eu-west-1:111111111111:execution:finops-invoice-workflow:*"], null]
      ReadBillingFiles = ["Allow", ["s3:GetObject", "s3:GetObjectVersion"],
      ["arn:aws:s3:::bil/billing/*", "arn:aws:s3:::bil/config/*", "arn:aws:s3:::bil/quarantine/*", "arn:aws:s3:::bil/rates/*"], null]
      WriteBillingFiles = ["Allow", ["s3:PutObject"], ["arn:aws:s3:::bil/billing/*", "arn:aws:s3:::bil/rates/*"], null]
      ListRefusedRows = ["Allow", ["s3:ListBucket"], ["arn:aws:s3:::bil"],
      { StringLike = { "s3:prefix" = "quarantine/*" } }]
      LoadFilesAgain = ["Allow", ["sqs:GetQueueUrl", "sqs:SendMessage"],
      ["arn:aws:sqs:eu-west-1:111111111111:finops-billing-files"], null]
      AskDatabase = ["Allow", ["rds-data:ExecuteStatement"],
      ["arn:aws:rds:eu-west-1:111111111111:cluster:finops"], null]
      ReadDatabaseSecret = ["Allow", ["secretsmanager:GetSecretValue"],
      ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:db"], null]
    })
    error_message = "The container's policy has changed: ${output.policy_json}"
  }

  # people come in by https and cognito only
  assert {
    condition     = aws_lb_listener.https.protocol == "HTTPS" && startswith(aws_lb_listener.https.ssl_policy, "ELBSecurityPolicy-TLS13")
    error_message = "The console is not behind TLS 1.2 and 1.3."
  }
  assert {
    condition     = aws_lb_listener.http.default_action[0].type == "redirect"
    error_message = "Port 80 does more than redirect."
  }
  assert {
    condition     = aws_cognito_user_pool.this.admin_create_user_config[0].allow_admin_create_user_only
    error_message = "People can sign up by themselves."
  }
  assert {
    condition     = aws_cognito_user_pool.this.mfa_configuration == "ON"
    error_message = "A second factor is not asked for."
  }
  assert {
    condition = (
      aws_cognito_user_pool_client.console.explicit_auth_flows == toset(["ALLOW_REFRESH_TOKEN_AUTH"])
      && aws_cognito_user_pool_client.console.write_attributes == toset(["zoneinfo"])
      && aws_cognito_user_pool.this.user_attribute_update_settings[0].attributes_require_verification_before_update == toset(["email"])
    )
    error_message = "Somebody could sign in past the hosted login, or take another address."
  }

  assert {
    condition     = aws_cognito_user_pool_client.console.id_token_validity == 10
    error_message = "sessions do not end after ten hours"
  }
  assert {
    condition     = !aws_cognito_user_pool_client.console.generate_secret
    error_message = "The client has a secret, which would lie in the state."
  }
  assert {
    condition     = aws_cognito_user_pool_client.console.callback_urls == toset(["https://finops.example.com/oauth2callback"])
    error_message = "The login leads elsewhere."
  }
  assert {
    condition     = { for role, group in aws_cognito_user_group.this : role => group.name } == { approver = "finops-approver", editor = "finops-editor", viewer = "finops-viewer" }
    error_message = "The groups are not those that the console knows."
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.browsers) == 4
    error_message = "Browsers come from elsewhere than from ingress_cidrs, or by other ports than 80 and 443."
  }
  assert {
    condition     = !aws_ecs_service.this.network_configuration[0].assign_public_ip
    error_message = "The container has a public address."
  }
  assert {
    condition     = one(aws_lb_target_group.this.stickiness).type == "lb_cookie"
    error_message = "A session does not stay with its container."
  }
  assert {
    condition = {
      for name, alarm in module.alarms.alarms : name => [alarm.alarm_name, alarm.metric_name, alarm.statistic, alarm.comparison_operator, alarm.threshold, alarm.treat_missing_data]
      } == {
      errors    = ["finops-console-errors", "HTTPCode_Target_5XX_Count", "Sum", "GreaterThanOrEqualToThreshold", 5, "notBreaching"]
      unhealthy = ["finops-console-unhealthy", "HealthyHostCount", "Minimum", "LessThanThreshold", 1, "breaching"]
    }
    error_message = "A console that does not answer, or with errors, starts no alarm."
  }
}

run "trail_and_reports_are_added_where_they_are_deployed" {
  command = plan
  module { source = "../../modules/console" }

  variables {
    network = {
      vpc_id             = "vpc-0a1b"
      public_subnet_ids  = ["subnet-0a", "subnet-0b"]
      private_subnet_ids = ["subnet-1a"]
      ingress_cidrs      = ["203.0.113.0/24"]
      access_logs_bucket = "logs"
    }
    flows = {
      invoices_bucket       = "inv"
      billing_bucket        = "bil"
      database_arn          = "arn:aws:rds:eu-west-1:111111111111:cluster:finops"
      database_secret_arn   = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:db"
      reports_bucket        = "rep"
      audit_bucket          = "aud"
      audit_signing_key_arn = "arn:aws:kms:eu-west-1:111111111111:key/sign"
      kms_key_arns          = ["arn:aws:kms:eu-west-1:111111111111:key/data"]
    }
  }

  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json).Statement : s.Sid => [sort(flatten([s.Action])), sort(flatten([s.Resource]))]
      if contains(["ListReports", "ReadReports", "ListTrail", "ReadTrail", "RecordWhatPeopleDo", "VerifyTrail", "UseKeys"], s.Sid)
      }) == jsonencode({
      ListReports        = [["s3:ListBucket"], ["arn:aws:s3:::rep"]]
      ReadReports        = [["s3:GetObject"], ["arn:aws:s3:::rep/provisional/*", "arn:aws:s3:::rep/reports/*"]]
      ListTrail          = [["s3:ListBucket", "s3:ListBucketVersions"], ["arn:aws:s3:::aud"]]
      ReadTrail          = [["s3:GetObject", "s3:GetObjectVersion"], ["arn:aws:s3:::aud/*"]]
      RecordWhatPeopleDo = [["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo"]]
      VerifyTrail        = [["kms:Verify"], ["arn:aws:kms:eu-west-1:111111111111:key/sign"]]
      UseKeys            = [["kms:Decrypt", "kms:GenerateDataKey"], ["arn:aws:kms:eu-west-1:111111111111:key/data"]]
    })
    error_message = "What is added for the trail, the reports and keys has changed: ${output.policy_json}"
  }

  assert {
    condition     = one(aws_lb.this.access_logs).bucket == "logs" && one(aws_lb.this.access_logs).enabled
    error_message = "Requests are logged where a bucket is named for them."
  }
}

# The login's domain has no VPC endpoint: https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html
run "refuses_subnets_with_endpoints_only" {
  command = plan
  module { source = "../../modules/console" }

  override_data {
    target = data.aws_route_tables.to_internet
    values = { ids = ["rtb-main"] }
  }

  expect_failures = [aws_ecs_service.this]
}

run "a_subnet_without_a_table_of_its_own_has_the_main_one" {
  command = plan
  module { source = "../../modules/console" }

  override_data {
    target = data.aws_route_tables.own
    values = { ids = [] }
  }

  override_data {
    target = data.aws_route_tables.to_internet
    values = { ids = ["rtb-main"] }
  }

  assert {
    condition     = length(local.isolated_subnet_ids) == 0
    error_message = "The VPC's main route table is not looked at."
  }
}

run "without_alarms" {
  command = plan
  module { source = "../../modules/console" }
  variables { alarms = { enabled = false, topic_arns = ["arn:aws:sns:eu-west-1:111111111111:people"] } }

  assert {
    condition     = length(module.alarms.alarms) == 0 && output.observability.impacts.unavailable.alarm_names == []
    error_message = "Alarms are a setting."
  }
}
