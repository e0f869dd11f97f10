# In the local cloud an access key of 12 digits selects the account. AWS_ENDPOINT_URL leads there, which
# localcloud.terraform sets: with blocks of `endpoints` each start of the provider takes 2 s more.
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
}
