# In the local cloud an access key of 12 digits selects the account.
provider "aws" {
  alias  = "management"
  region = var.region

  access_key                  = "111111111111"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true

  default_tags {
    tags = local.tags
  }

  endpoints {
    budgets        = var.endpoint_url
    cloudwatch     = var.endpoint_url
    cloudwatchlogs = var.endpoint_url
    dynamodb       = var.endpoint_url
    ec2            = var.endpoint_url
    events         = var.endpoint_url
    iam            = var.endpoint_url
    kms            = var.endpoint_url
    lambda         = var.endpoint_url
    rds            = var.endpoint_url
    s3             = var.endpoint_url
    scheduler      = var.endpoint_url
    secretsmanager = var.endpoint_url
    ses            = var.endpoint_url
    sfn            = var.endpoint_url
    sns            = var.endpoint_url
    sqs            = var.endpoint_url
    ssm            = var.endpoint_url
    sts            = var.endpoint_url
  }
}

provider "aws" {
  alias  = "spoke_222222222222"
  region = var.region

  access_key                  = "222222222222"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true

  default_tags {
    tags = local.tags
  }

  endpoints {
    budgets        = var.endpoint_url
    cloudwatch     = var.endpoint_url
    cloudwatchlogs = var.endpoint_url
    dynamodb       = var.endpoint_url
    events         = var.endpoint_url
    iam            = var.endpoint_url
    kms            = var.endpoint_url
    lambda         = var.endpoint_url
    scheduler      = var.endpoint_url
    sns            = var.endpoint_url
    sqs            = var.endpoint_url
    ssm            = var.endpoint_url
    sts            = var.endpoint_url
  }
}

provider "aws" {
  alias  = "spoke_333333333333"
  region = var.region

  access_key                  = "333333333333"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true

  default_tags {
    tags = local.tags
  }

  endpoints {
    budgets        = var.endpoint_url
    cloudwatch     = var.endpoint_url
    cloudwatchlogs = var.endpoint_url
    dynamodb       = var.endpoint_url
    events         = var.endpoint_url
    iam            = var.endpoint_url
    kms            = var.endpoint_url
    lambda         = var.endpoint_url
    scheduler      = var.endpoint_url
    sns            = var.endpoint_url
    sqs            = var.endpoint_url
    ssm            = var.endpoint_url
    sts            = var.endpoint_url
  }
}

provider "aws" {
  alias  = "payer_555555555555"
  region = var.region

  access_key                  = "555555555555"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true

  default_tags {
    tags = local.tags
  }

  endpoints {
    bcmdataexports = var.endpoint_url
    iam            = var.endpoint_url
    s3             = var.endpoint_url
    sts            = var.endpoint_url
  }
}

provider "aws" {
  alias  = "payer_666666666666"
  region = var.region

  access_key                  = "666666666666"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true

  default_tags {
    tags = local.tags
  }

  endpoints {
    bcmdataexports = var.endpoint_url
    iam            = var.endpoint_url
    s3             = var.endpoint_url
    sts            = var.endpoint_url
  }
}
