# Values that the module refuses, one per run. Its variables alone make a module without a provider, which is quick.

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

run "nobody_says_who_they_are_outside_the_local_cloud" {
  command = plan
  variables { environment = "local" }
  expect_failures = [var.environment]
}

run "an_image_without_a_tag_is_refused" {
  command = plan
  variables { image = { uri = "finops-console" } }
  expect_failures = [var.image]
}

run "a_host_name_is_wanted" {
  command = plan
  variables { address = { domain_name = "https://finops.example.com/", certificate_arn = "arn:aws:acm:eu-west-1:111111111111:certificate/1b7c" } }
  expect_failures = [var.address]
}

run "a_load_balancer_needs_two_subnets" {
  command = plan
  variables {
    network = {
      vpc_id             = "vpc-0a1b"
      public_subnet_ids  = ["subnet-0a"]
      private_subnet_ids = ["subnet-1a"]
      ingress_cidrs      = []
    }
  }
  expect_failures = [var.network]
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

run "refuses_an_environment_in_capitals" {
  command = plan
  variables { environment = "Prod" }
  expect_failures = [var.environment]
}

run "refuses_a_login_domain_in_capitals" {
  command = plan
  variables { login = { domain = "Example" } }
  expect_failures = [var.login]
}

run "refuses_an_unknown_second_factor" {
  command = plan
  variables { login = { domain = "example-finops", multi_factor = "SMS" } }
  expect_failures = [var.login]
}

run "refuses_sessions_of_more_than_a_day" {
  command = plan
  variables { login = { session_hours = 25 } }
  expect_failures = [var.login]
}

run "refuses_an_idle_time_in_which_nobody_can_work" {
  command = plan
  variables { login = { idle_minutes = 1 } }
  expect_failures = [var.login]
}

run "refuses_no_private_subnet" {
  command = plan
  variables {
    network = {
      vpc_id             = "vpc-0a1b"
      public_subnet_ids  = ["subnet-0a", "subnet-0b"]
      private_subnet_ids = []
      ingress_cidrs      = []
    }
  }
  expect_failures = [var.network]
}

run "refuses_an_address_in_place_of_a_network" {
  command = plan
  variables {
    network = {
      vpc_id             = "vpc-0a1b"
      public_subnet_ids  = ["subnet-0a", "subnet-0b"]
      private_subnet_ids = ["subnet-1a"]
      ingress_cidrs      = ["203.0.113.7"]
    }
  }
  expect_failures = [var.network]
}

run "refuses_an_unknown_architecture" {
  command = plan
  variables { container = { architecture = "arm64" } }
  expect_failures = [var.container]
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

run "refuses_a_login_domain_that_cognito_reserves" {
  command = plan
  variables { login = { domain = "my-aws-bills" } }
  expect_failures = [var.login]
}

run "refuses_a_login_domain_made_of_a_name_that_cognito_reserves" {
  command = plan
  variables {
    name_prefix = "outlaws"
    login       = {}
  }
  expect_failures = [var.login]
}
