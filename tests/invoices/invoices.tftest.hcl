# Plans only, with a real provider and invented credentials: policies are compared whole, so that a
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

# What AWS answers, where another document names it: the plan then holds these documents whole.
override_resource {
  target          = module.function["extract-invoice"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-extract-invoice" }
}

override_resource {
  target          = module.function["fail-invoice"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-fail-invoice" }
}

override_resource {
  target          = module.function["finish-extraction"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-finish-extraction" }
}

override_resource {
  target          = module.function["notify-invoice"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-notify-invoice" }
}

override_resource {
  target          = module.function["process-invoice"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-process-invoice" }
}

override_resource {
  target          = module.function["receive-invoices"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-receive-invoices" }
}

override_resource {
  target          = module.function["review-invoice"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-review-invoice" }
}

override_resource {
  target          = module.function["validate-invoice"].aws_lambda_function.this
  override_during = plan
  values          = { arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-validate-invoice" }
}

override_resource {
  target          = module.function["receive-invoices"].aws_sqs_queue.failures
  override_during = plan
  values          = { arn = "arn:aws:sqs:eu-west-1:111111111111:finops-receive-invoices-failures" }
}

override_resource {
  target          = module.function["finish-extraction"].aws_sqs_queue.failures
  override_during = plan
  values          = { arn = "arn:aws:sqs:eu-west-1:111111111111:finops-finish-extraction-failures" }
}

override_resource {
  target          = aws_sqs_queue.this["files"]
  override_during = plan
  values          = { arn = "arn:aws:sqs:eu-west-1:111111111111:finops-invoice-files" }
}

override_resource {
  target          = aws_sqs_queue.this["extractions"]
  override_during = plan
  values          = { arn = "arn:aws:sqs:eu-west-1:111111111111:finops-invoice-extractions" }
}

# The provider would ask AWS whether the definition is valid.
override_resource {
  target          = aws_sfn_state_machine.this
  override_during = plan
  values          = { arn = "arn:aws:states:eu-west-1:111111111111:stateMachine:finops-invoice-workflow" }
}

run "defaults" {
  command = plan
  module { source = "../../modules/invoices" }

  # receive invoices policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.receive_invoices).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      ConsumeFiles  = ["Allow", ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-invoice-files"], null]
      KeepRecords   = ["Allow", ["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/textract/*"], null]
      SendFailures  = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-receive-invoices-failures"], null]
      StartWorkflow = ["Allow", ["states:StartExecution"], ["arn:aws:states:eu-west-1:111111111111:stateMachine:finops-invoice-workflow"], null]
      UseTable      = ["Allow", ["dynamodb:GetItem", "dynamodb:PutItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices"], null]
      WriteLogs     = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-receive-invoices:*"], null]
      WriteTraces   = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The intake reads its queue and starts the workflow."
  }

  # extract invoice policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.extract_invoice).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      CountSpending                = ["Allow", ["dynamodb:UpdateItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices"], null]
      ReadSettings                 = ["Allow", ["s3:GetObject"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/${local.settings_key}"], null]
      KeepRecords                  = ["Allow", ["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/textract/*"], null]
      LetTextractTellOfCompletions = ["Allow", ["iam:PassRole"], ["arn:aws:iam::111111111111:role/finops-invoice-extractions"], { StringEquals = { "iam:PassedToService" = "textract.amazonaws.com" } }]
      ReadByTextract               = ["Allow", ["textract:AnalyzeExpense", "textract:GetExpenseAnalysis", "textract:StartExpenseAnalysis"], ["*"], null]
      ReadDocuments                = ["Allow", ["s3:GetObject", "s3:GetObjectVersion"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/raw/*"], null]
      ResumeWorkflow               = ["Allow", ["states:SendTaskSuccess"], ["arn:aws:states:eu-west-1:111111111111:stateMachine:finops-invoice-workflow"], null]
      SendFailures                 = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-extract-invoice-failures"], null]
      UseTable                     = ["Allow", ["dynamodb:GetItem", "dynamodb:PutItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices"], null]
      TellMissingObjects           = ["Allow", ["s3:ListBucket", "s3:ListBucketVersions"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1"], null]
      WriteLogs                    = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-extract-invoice:*"], null]
      WriteTraces                  = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The extraction reads documents, has Textract read them, and says when that is done at once."
  }

  # finish extraction policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.finish_extraction).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      ReadSettings        = ["Allow", ["s3:GetObject"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/${local.settings_key}"], null]
      CollectFromTextract = ["Allow", ["textract:GetExpenseAnalysis"], ["*"], null]
      ConsumeCompletions  = ["Allow", ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-invoice-extractions"], null]
      KeepRecords         = ["Allow", ["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/textract/*"], null]
      ResumeWorkflow      = ["Allow", ["states:SendTaskSuccess"], ["arn:aws:states:eu-west-1:111111111111:stateMachine:finops-invoice-workflow"], null]
      SendFailures        = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-finish-extraction-failures"], null]
      UseTable            = ["Allow", ["dynamodb:GetItem", "dynamodb:PutItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices"], null]
      WriteLogs           = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-finish-extraction:*"], null]
      WriteTraces         = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The collector reads its queue and Textract's answers."
  }

  # validate invoice policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.validate_invoice).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      KeepRecords        = ["Allow", ["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/textract/*"], null]
      KnowVendors        = ["Allow", ["dynamodb:GetItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-vendors"], null]
      ReadJsonInvoices   = ["Allow", ["s3:GetObject", "s3:GetObjectVersion"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/json/*"], null]
      ReadRules          = ["Allow", ["s3:GetObject"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/config/rules.json"], null]
      SendFailures       = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-validate-invoice-failures"], null]
      StartWorkflow      = ["Allow", ["states:StartExecution"], ["arn:aws:states:eu-west-1:111111111111:stateMachine:finops-invoice-workflow"], null]
      UseTable           = ["Allow", ["dynamodb:GetItem", "dynamodb:PutItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices"], null]
      TellMissingObjects = ["Allow", ["s3:ListBucket", "s3:ListBucketVersions"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1"], null]
      WriteLogs          = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-validate-invoice:*"], null]
      WriteTraces        = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The validator reads JSON invoices and rules, and starts workflows of further invoices."
  }

  # review invoice policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.review_invoice).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      KeepRecords    = ["Allow", ["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/textract/*"], null]
      ResumeWorkflow = ["Allow", ["states:SendTaskSuccess"], ["arn:aws:states:eu-west-1:111111111111:stateMachine:finops-invoice-workflow"], null]
      SendFailures   = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-review-invoice-failures"], null]
      StartWorkflow  = ["Allow", ["states:StartExecution"], ["arn:aws:states:eu-west-1:111111111111:stateMachine:finops-invoice-workflow"], null]
      UseTable       = ["Allow", ["dynamodb:GetItem", "dynamodb:PutItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices"], null]
      WriteLogs      = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-review-invoice:*"], null]
      WriteTraces    = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The review takes decisions, and passes on what was decided before it asked."
  }

  # what reviewers get
  assert {
    condition = jsonencode({
      for s in jsondecode(output.reviewer_policy_json).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      Decide          = ["Allow", ["lambda:InvokeFunctionUrl"], ["arn:aws:lambda:eu-west-1:111111111111:function:finops-review-invoice"], { StringEquals = { "lambda:FunctionUrlAuthType" = "AWS_IAM" } }]
      DecideByUrlOnly = ["Allow", ["lambda:InvokeFunction"], ["arn:aws:lambda:eu-west-1:111111111111:function:finops-review-invoice"], { Bool = { "lambda:InvokedViaFunctionUrl" = "true" } }]
      FindFlow        = ["Allow", ["lambda:GetFunctionConfiguration", "lambda:GetFunctionUrlConfig"], ["arn:aws:lambda:eu-west-1:111111111111:function:finops-receive-invoices", "arn:aws:lambda:eu-west-1:111111111111:function:finops-review-invoice"], null]
      ReadInvoices    = ["Allow", ["dynamodb:GetItem", "dynamodb:Query"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices", "arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices/index/*"], null]
      ReadKeptAnswers = ["Allow", ["s3:GetObject"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/textract/*"], null]
      ReadVendors     = ["Allow", ["dynamodb:GetItem", "dynamodb:Scan"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-vendors"], null]
    })
    error_message = "Reviewers decide through the function that records who they are, and in no other way."
  }

  # who changes vendors
  assert {
    condition = jsonencode({
      for s in jsondecode(output.vendor_manager_policy_json).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      ChangeVendors = ["Allow", ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan", "dynamodb:UpdateItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-vendors"], null]
      FindFlow      = ["Allow", ["lambda:GetFunctionConfiguration"], ["arn:aws:lambda:eu-west-1:111111111111:function:finops-receive-invoices"], null]
    })
    error_message = "Who changes vendors changes nothing else."
  }

  assert {
    condition = (
      aws_dynamodb_table.vendors.deletion_protection_enabled
      && aws_dynamodb_table.vendors.point_in_time_recovery[0].enabled
      && aws_dynamodb_table.vendors.server_side_encryption[0].enabled
    )
    error_message = "Vendors are kept as invoices are."
  }

  assert {
    condition     = aws_lambda_function_url.decisions.authorization_type == "AWS_IAM"
    error_message = "Lambda verifies who decides."
  }

  # process invoice policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.process_invoice).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      KeepRecords    = ["Allow", ["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/textract/*"], null]
      LearnVendors   = ["Allow", ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-vendors"], null]
      NumberInvoices = ["Allow", ["dynamodb:UpdateItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices"], null]
      SendFailures   = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-process-invoice-failures"], null]
      UseTable       = ["Allow", ["dynamodb:GetItem", "dynamodb:PutItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices"], null]
      WriteLogs      = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-process-invoice:*"], null]
      WriteTraces    = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The function that processes has the tables of invoices and vendors, and nothing else."
  }

  # notify invoice policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.notify_invoice).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      KeepRecords     = ["Allow", ["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/textract/*"], null]
      SendFailures    = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-notify-invoice-failures"], null]
      TellSubscribers = ["Allow", ["sns:Publish"], ["arn:aws:sns:eu-west-1:111111111111:finops-invoices-failure", "arn:aws:sns:eu-west-1:111111111111:finops-invoices-review", "arn:aws:sns:eu-west-1:111111111111:finops-invoices-success"], null]
      UseTable        = ["Allow", ["dynamodb:GetItem", "dynamodb:PutItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices"], null]
      WriteLogs       = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-notify-invoice:*"], null]
      WriteTraces     = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The announcer publishes to three topics, and mails nobody unless a sender is set."
  }

  # fail invoice policy
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.fail_invoice).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      KeepRecords     = ["Allow", ["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1/textract/*"], null]
      SendFailures    = ["Allow", ["sqs:SendMessage"], ["arn:aws:sqs:eu-west-1:111111111111:finops-fail-invoice-failures"], null]
      TellSubscribers = ["Allow", ["sns:Publish"], ["arn:aws:sns:eu-west-1:111111111111:finops-invoices-failure"], null]
      UseTable        = ["Allow", ["dynamodb:GetItem", "dynamodb:PutItem"], ["arn:aws:dynamodb:eu-west-1:111111111111:table/finops-invoices"], null]
      WriteLogs       = ["Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], ["arn:aws:logs:eu-west-1:111111111111:log-group:/aws/lambda/finops-fail-invoice:*"], null]
      WriteTraces     = ["Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "Failures are published to their own topic."
  }

  # other roles
  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.workflow).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
      }) == jsonencode({
      DeliverLogs = ["Allow", [
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
      ], ["*"], null]
      InvokeFunctions = ["Allow", ["lambda:InvokeFunction"], [
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-extract-invoice",
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-fail-invoice",
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-notify-invoice",
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-process-invoice",
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-review-invoice",
        "arn:aws:lambda:eu-west-1:111111111111:function:finops-validate-invoice",
      ], null]
      WriteTraces = ["Allow", ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"], null]
    })
    error_message = "The workflow calls its six functions, and writes logs and traces."
  }

  assert {
    condition = jsonencode({
      for s in jsondecode(output.policy_json.completion).Statement :
      s.Sid => [s.Effect, sort(flatten([s.Action])), sort(flatten([s.Resource])), try(s.Condition, null)]
    }) == jsonencode({ TellOfCompletions = ["Allow", ["sns:Publish"], ["arn:aws:sns:eu-west-1:111111111111:finops-invoices-extractions"], null] })
    error_message = "Textract may say that a document is read, and nothing else."
  }

  assert {
    condition = jsonencode({
      for name, role in { workflow = aws_iam_role.workflow, completion = aws_iam_role.completion } : name => [
        for s in jsondecode(role.assume_role_policy).Statement : [s.Effect, s.Action, s.Principal, s.Condition]
      ]
      }) == jsonencode({
      for name, service in { workflow = "states", completion = "textract" } : name => [[
        "Allow", "sts:AssumeRole", { Service = "${service}.amazonaws.com" }, { StringEquals = { "aws:SourceAccount" = "111111111111" } },
      ]]
    })
    error_message = "Step Functions and Textract alone, and for this account alone, may assume these roles."
  }

  assert {
    condition = sort(keys(output.policy_json)) == sort([
      "completion", "extract_invoice", "fail_invoice", "finish_extraction", "notify_invoice", "process_invoice",
      "receive_invoices", "review_invoice", "validate_invoice", "workflow",
    ])
    error_message = "Every role is looked at above."
  }

  # bucket
  assert {
    condition     = output.bucket_name == "finops-invoices-111111111111-eu-west-1" && !module.bucket.settings.force_destroy
    error_message = "The bucket's name is the account's and region's own, and it is not destroyed with what it holds."
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(module.bucket.policy_json).Statement :
      [s.Sid, s.Effect, s.Principal, s.Action, sort(flatten([s.Resource])), s.Condition]
      ]) == jsonencode([[
        "DenyWithoutTls", "Deny", { AWS = "*" }, "s3:*", ["arn:aws:s3:::finops-invoices-111111111111-eu-west-1", "arn:aws:s3:::finops-invoices-111111111111-eu-west-1/*"], { Bool = { "aws:SecureTransport" = "false" } },
    ]])
    error_message = "The bucket's policy refuses whoever comes without TLS, and grants nothing."
  }

  assert {
    condition = jsonencode(module.bucket.settings.lifecycle_rules) == jsonencode({
      uploads = { abort_upload_days = 2, archive_days = null, expiration_days = null, noncurrent_days = null, prefix = "" }
    })
    error_message = "Only unfinished uploads are removed: a document that another of its name replaced stays as long as its record."
  }

  assert {
    condition = jsonencode({
      for one in aws_s3_bucket_notification.this.queue : one.filter_prefix => [one.id, one.events, one.queue_arn]
      }) == jsonencode({
      "json/" = ["json", ["s3:ObjectCreated:*"], "arn:aws:sqs:eu-west-1:111111111111:finops-invoice-files"]
      "raw/"  = ["raw", ["s3:ObjectCreated:*"], "arn:aws:sqs:eu-west-1:111111111111:finops-invoice-files"]
    })
    error_message = "Documents and JSON wake the intake; what the flow itself writes wakes nobody."
  }

  # queues
  assert {
    condition = jsonencode({
      for name, queue in aws_sqs_queue.this : name => [
        for s in jsondecode(queue.policy).Statement : [s.Effect, s.Principal, s.Action, s.Resource, s.Condition]
      ]
      }) == jsonencode({
      extractions = [["Allow", { Service = "sns.amazonaws.com" }, "sqs:SendMessage", "arn:aws:sqs:eu-west-1:111111111111:finops-invoice-extractions", {
        ArnEquals = { "aws:SourceArn" = "arn:aws:sns:eu-west-1:111111111111:finops-invoices-extractions" }
      }]]
      files = [["Allow", { Service = "s3.amazonaws.com" }, "sqs:SendMessage", "arn:aws:sqs:eu-west-1:111111111111:finops-invoice-files", {
        ArnEquals    = { "aws:SourceArn" = "arn:aws:s3:::finops-invoices-111111111111-eu-west-1" }
        StringEquals = { "aws:SourceAccount" = "111111111111" }
      }]]
    })
    error_message = "This bucket and this topic, and nothing else, put messages into the queues."
  }

  assert {
    condition = jsonencode({
      for name, queue in aws_sqs_queue.this : name => [
        queue.visibility_timeout_seconds, queue.message_retention_seconds, queue.sqs_managed_sse_enabled, jsondecode(queue.redrive_policy),
      ]
      }) == jsonencode({
      extractions = [1800, 1209600, true, { deadLetterTargetArn = "arn:aws:sqs:eu-west-1:111111111111:finops-finish-extraction-failures", maxReceiveCount = 5 }]
      files       = [360, 1209600, true, { deadLetterTargetArn = "arn:aws:sqs:eu-west-1:111111111111:finops-receive-invoices-failures", maxReceiveCount = 5 }]
    })
    error_message = "Messages are encrypted, kept for 14 days, and after five failures wait in the function's failure queue."
  }

  assert {
    condition = alltrue([
      for mapping in aws_lambda_event_source_mapping.this : mapping.function_response_types == toset(["ReportBatchItemFailures"])
    ])
    error_message = "One bad message of a batch fails alone."
  }

  # table
  assert {
    condition = (
      aws_dynamodb_table.invoices.name == "finops-invoices"
      && aws_dynamodb_table.invoices.deletion_protection_enabled
      && aws_dynamodb_table.invoices.point_in_time_recovery[0].enabled
      && aws_dynamodb_table.invoices.server_side_encryption[0].enabled
    )
    error_message = "The table is encrypted, protected and can be restored."
  }
  assert {
    condition = jsonencode({
      for index in aws_dynamodb_table.invoices.global_secondary_index :
      index.name => [index.hash_key, index.range_key, index.projection_type, try(join(",", index.non_key_attributes), "")]
      }) == jsonencode({
      by_month         = ["received_month", "received_at", "ALL", ""]
      by_status        = ["status", "received_at", "ALL", ""]
      search_by_month  = ["received_month", "received_at", "INCLUDE", "searched"]
      search_by_status = ["status", "received_at", "INCLUDE", "searched"]
    })
    error_message = "Lists have whole records; a search reads only what people search for."
  }

  # alarms
  assert {
    condition = sort(keys(module.alarms.alarms)) == sort([
      "bank-details-changed", "extractions-delay", "extractions-failing", "files-delay", "files-failing", "spending-caps", "workflow-failures",
    ])
    error_message = "Messages that wait or fail and executions that fail raise an alarm."
  }
  assert {
    condition = jsonencode({ for name, alarm in module.alarms.alarms : name => [alarm.metric_name, alarm.dimensions] if endswith(name, "-failing") }) == jsonencode({
      extractions-failing = ["MessagesFailed", { service = "finops-finish-extraction" }]
      files-failing       = ["MessagesFailed", { service = "finops-receive-invoices" }]
    })
    error_message = "What fails is counted by the function that reads the queue."
  }
}

run "locked_originals" {
  command = plan
  module { source = "../../modules/invoices" }

  variables { bucket = { originals_lock = { mode = "COMPLIANCE", years = 10 } } }

  assert {
    condition = module.bucket.settings.lock_by_version && module.bucket.settings.object_lock == null && jsonencode([
      for s in jsondecode(output.policy_json["receive_invoices"]).Statement : [s.Action, s.Resource]
      if contains(["LockOriginals", "TellMissingObjects"], s.Sid)
      ]) == jsonencode([
      [["s3:PutObjectRetention", "s3:GetObjectRetention"], [for folder in ["raw", "json"] : "arn:aws:s3:::finops-invoices-111111111111-eu-west-1/${folder}/*"]],
      [["s3:ListBucketVersions", "s3:ListBucket"], "arn:aws:s3:::finops-invoices-111111111111-eu-west-1"],
    ])
    error_message = "Whoever receives invoices locks originals, and nothing else is locked."
  }

  assert {
    condition = jsonencode({
      for name, value in local.environments["receive-invoices"] : name => value if startswith(name, "ORIGINALS_LOCK")
    }) == jsonencode({ ORIGINALS_LOCK_MODE = "COMPLIANCE", ORIGINALS_LOCK_YEARS = "10" })
    error_message = "It is told how long."
  }
}

run "shadow_policy" {
  command = plan
  module { source = "../../modules/invoices" }

  variables {
    extraction = { shadow = true }
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(output.policy_json.finish_extraction).Statement : [s.Action, s.Resource] if contains(["ReadDocuments", "TellMissingObjects"], s.Sid)
      ]) == jsonencode([
      [["s3:GetObjectVersion", "s3:GetObject"], "arn:aws:s3:::finops-invoices-111111111111-eu-west-1/raw/*"],
      [["s3:ListBucketVersions", "s3:ListBucket"], "arn:aws:s3:::finops-invoices-111111111111-eu-west-1"],
    ])
    error_message = "Who compares both engines reads the document once more, and knows when it is gone."
  }
}

run "mailing_policy" {
  command = plan
  module { source = "../../modules/invoices" }

  variables {
    customer_mail = { sender = "invoices@example.com", recipients = { "C-7" = ["ap@example.com"] } }
  }

  assert {
    condition = jsonencode([
      for s in jsondecode(output.policy_json.notify_invoice).Statement : [s.Action, sort(s.Resource), s.Condition] if s.Sid == "MailCustomers"
      ]) == jsonencode([[
        "ses:SendEmail",
        [
          "arn:aws:ses:eu-west-1:111111111111:configuration-set/*",
          "arn:aws:ses:eu-west-1:111111111111:identity/*",
        ],
        { StringEquals = { "ses:FromAddress" = "invoices@example.com" } },
    ]])
    error_message = "With a sender, mail goes out from that address alone."
  }

  assert {
    condition = (
      jsondecode(jsondecode(aws_s3_object.settings.content)["CUSTOMERS"]) == { "C-7" = ["ap@example.com"] }
      && local.environments["notify-invoice"]["SETTINGS_KEY"] == aws_s3_object.settings.key
      && jsonencode([for s in jsondecode(output.policy_json.notify_invoice).Statement : [s.Action, s.Resource] if s.Sid == "ReadSettings"])
      == jsonencode([["s3:GetObject", "arn:aws:s3:::finops-invoices-111111111111-eu-west-1/${local.settings_key}"]])
    )
    error_message = "Whom it goes to is known to the deployment, and the function may read that."
  }

  assert {
    condition = jsonencode([
      module.alarms.alarms["bank-details-changed"].metric_name, module.alarms.alarms["bank-details-changed"].dimensions,
    ]) == jsonencode(["BankDetailsChanged", { service = "finops-validate-invoice" }])
    error_message = "Another account of a known vendor raises an alarm."
  }

  assert {
    condition     = module.alarms.alarms["mails-refused"].metric_name == "CustomerMailsRefused"
    error_message = "Refused mail fails no invoice, and raises an alarm."
  }
}

run "audited" {
  command = plan
  module { source = "../../modules/invoices" }

  variables {
    audit = {
      queue_url = "https://sqs.eu-west-1.amazonaws.com/111111111111/finops-audit-entries.fifo"
      queue_arn = "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo"
    }
  }

  assert {
    condition = jsonencode({
      for name, policy in output.policy_json : name => [for s in jsondecode(policy).Statement : [s.Effect, s.Action, s.Resource] if s.Sid == "RecordAuditEntries"]
      }) == jsonencode({
      for name, policy in output.policy_json : name => [
        for grant in [["Allow", "sqs:SendMessage", "arn:aws:sqs:eu-west-1:111111111111:finops-audit-entries.fifo"]] : grant if contains(
          [
            "extract_invoice", "fail_invoice", "finish_extraction", "notify_invoice", "process_invoice", "receive_invoices",
            "review_invoice", "validate_invoice",
          ], name
        )
      ]
    })
    error_message = "The flow's functions, and not the roles of its workflow and of Textract, may send to the trail's queue, and nobody to another."
  }

  assert {
    condition = alltrue([
      for name, environment in local.environments : lookup(environment, "AUDIT_QUEUE_URL", "") == (
        contains([
          "extract_invoice", "fail_invoice", "finish_extraction", "notify_invoice", "process_invoice", "receive_invoices",
          "review_invoice", "validate_invoice",
        ], replace(name, "-", "_")) ? var.audit.queue_url : ""
      )
    ])
    error_message = "Who may send is told where to."
  }
}

run "workflow" {
  command = plan
  module { source = "../../modules/invoices" }

  variables {
    review     = { days = 2, personal_session_roles = ["Finance"] }
    extraction = { timeout_seconds = 900 }
  }

  assert {
    condition = alltrue([
      for name in ["review-invoice", "validate-invoice"] : (
        local.environments[name].PERSONAL_SESSION_ROLES == "[\"Finance\"]" && local.environments[name].SEPARATION_OF_DUTIES == "true"
      )
    ])
    error_message = "Who takes decisions and who acts on them know the same rules."
  }

  assert {
    condition = jsonencode({
      for name, state in jsondecode(aws_sfn_state_machine.this.definition).States : name => try(state.TimeoutSeconds, null)
      if endswith(try(state.Resource, ""), ".waitForTaskToken")
    }) == jsonencode({ AwaitExtraction = 900, ReviewInvoice = 172800 })
    error_message = "What waits for others does not wait for ever."
  }

  assert {
    condition = alltrue([
      for name, state in jsondecode(aws_sfn_state_machine.this.definition).States :
      state.Retry[0].MaxAttempts == (contains(["AwaitExtraction", "ExtractInvoice"], name) ? 30 : 8) && !contains(state.Retry[0].ErrorEquals, "States.ALL") && !contains(state.Retry[0].ErrorEquals, "States.TaskFailed")
      if state.Type == "Task"
    ])
    error_message = "Only what may succeed later is tried again."
  }

  # https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html
  assert {
    condition = alltrue([
      for name, state in jsondecode(aws_sfn_state_machine.this.definition).States :
      length(setsubtract([
        "Lambda.ClientExecutionTimeoutException", "Lambda.ServiceException", "Lambda.AWSLambdaException",
        "Lambda.SdkClientException", "Lambda.TooManyRequestsException",
      ], state.Retry[0].ErrorEquals)) == 0
      if state.Type == "Task"
    ])
    error_message = "What Lambda itself fails with is tried again."
  }

  assert {
    condition = alltrue([
      for name, state in jsondecode(aws_sfn_state_machine.this.definition).States :
      state.Retry[1].MaxAttempts == 3 && length(setsubtract(["EngineFailure", "Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout"], state.Retry[1].ErrorEquals)) == 0 && length(setintersection(state.Retry[0].ErrorEquals, state.Retry[1].ErrorEquals)) == 0
      if state.Type == "Task"
    ])
    error_message = "A crash ends a document within minutes."
  }

  assert {
    condition = jsonencode([
      for name, state in jsondecode(aws_sfn_state_machine.this.definition).States : name
      if state.Type == "Task" && try(state.Catch[length(state.Catch) - 1].Next, "") != "FailInvoice"
    ]) == jsonencode(["FailInvoice"])
    error_message = "A step that fails is recorded."
  }

  assert {
    condition = toset([
      for choice in jsondecode(aws_sfn_state_machine.this.definition).States.WhereToGoOn.Choices : choice.Next
      ]) == toset([
      for name, state in jsondecode(aws_sfn_state_machine.this.definition).States : name
      if state.Type == "Task" && !contains(["ExtractInvoice", "FailInvoice"], name)
    ])
    error_message = "A redriven execution goes on with any step."
  }
}

run "no_alarms_and_a_key" {
  command = plan
  module { source = "../../modules/invoices" }

  variables {
    alarms      = { enabled = false }
    kms_key_arn = "arn:aws:kms:eu-west-1:111111111111:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = length(module.alarms.alarms) == 0
    error_message = "Alarms can be left to others."
  }

  assert {
    condition = (
      aws_sfn_state_machine.this.encryption_configuration[0].kms_key_id == var.kms_key_arn
      && aws_sfn_state_machine.this.encryption_configuration[0].kms_data_key_reuse_period_seconds == 300
      && jsonencode([
        for s in jsondecode(output.policy_json.workflow).Statement : [sort(flatten([s.Action])), s.Resource] if s.Sid == "UseEncryptionKey"
      ]) == jsonencode([[["kms:Decrypt", "kms:GenerateDataKey"], var.kms_key_arn]])
    )
    error_message = "The key encrypts the workflow, whose role may use it."
  }
}
