# Plans only, with a real provider and invented credentials.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "000000000000"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  region = "eu-west-1"
}

run "defaults" {
  command = plan
  module { source = "../../modules/billing_database" }

  # defaults
  assert {
    condition = (
      aws_rds_cluster.this.cluster_identifier == "finops-billing"
      && aws_rds_cluster.this.engine == "aurora-mysql"
      && aws_rds_cluster.this.engine_version == "8.0.mysql_aurora.3.10.4"
      && aws_rds_cluster.this.database_name == "billing"
      && aws_rds_cluster.this.enable_http_endpoint
    )
    error_message = "The database is Aurora MySQL 3.10, which AWS supports longest, and answers the Data API."
  }

  assert {
    condition = jsonencode([
      for one in aws_rds_cluster.this.serverlessv2_scaling_configuration :
      [one.min_capacity, one.max_capacity, one.seconds_until_auto_pause]
    ]) == jsonencode([[0, 8, 900]])
    error_message = "The database pauses after 15 minutes without use, and grows to 8 units."
  }

  assert {
    condition = (
      aws_rds_cluster.this.master_username == "finops"
      && aws_rds_cluster.this.manage_master_user_password
      && aws_rds_cluster.this.master_password == null
      && aws_rds_cluster.this.iam_database_authentication_enabled
      && length(aws_secretsmanager_secret_rotation.this) == 0
    )
    error_message = "RDS keeps the password, and changes it as it will; Terraform never knows it."
  }

  assert {
    condition = jsonencode({
      for purpose, one in aws_secretsmanager_secret.user : purpose => [one.name, one.kms_key_id, one.recovery_window_in_days]
    }) == jsonencode({ loader = ["finops-billing-loader", null, 0], reader = ["finops-billing-reader", null, 0] })
    error_message = "Each purpose has a secret, whose value Terraform never knows."
  }

  assert {
    condition     = aws_rds_cluster.this.storage_encrypted && length(aws_rds_cluster_instance.this) == 1
    error_message = "Storage is encrypted, and one instance is enough."
  }

  assert {
    condition = (
      aws_rds_cluster.this.deletion_protection
      && !aws_rds_cluster.this.skip_final_snapshot
      && aws_rds_cluster.this.final_snapshot_identifier == "finops-billing-final"
      && aws_rds_cluster.this.copy_tags_to_snapshot
      && aws_rds_cluster.this.backup_retention_period == 14
      && aws_rds_cluster.this.preferred_backup_window == "03:00-04:00"
    )
    error_message = "The cluster is protected, backed up for 14 days, and leaves a last snapshot."
  }

  assert {
    condition = alltrue([
      for one in aws_rds_cluster_instance.this :
      one.instance_class == "db.serverless" && !one.publicly_accessible && one.performance_insights_enabled && !one.auto_minor_version_upgrade
    ])
    error_message = "Instances are serverless, have no public address, and keep their version."
  }

  assert {
    condition = aws_rds_cluster_parameter_group.this.family == "aurora-mysql8.0" && jsonencode({
      for one in aws_rds_cluster_parameter_group.this.parameter : one.name => one.value
      }) == jsonencode({
      character_set_server     = "utf8mb4"
      require_secure_transport = "ON"
      slow_query_log           = "1"
    })
    error_message = "Connections need TLS, and slow queries are logged."
  }

  assert {
    condition     = aws_rds_cluster.this.enabled_cloudwatch_logs_exports == toset(["error", "slowquery"])
    error_message = "Errors and slow queries go to CloudWatch."
  }

  # own network
  assert {
    condition = (
      length(aws_vpc.this) == 1 && length(aws_default_security_group.this) == 1
      && aws_vpc.this[0].cidr_block == "10.79.0.0/24"
      && jsonencode([for one in aws_subnet.private : [one.cidr_block, one.availability_zone]]) == jsonencode([
        ["10.79.0.0/26", "eu-west-1a"], ["10.79.0.64/26", "eu-west-1b"],
      ])
      && alltrue([for one in aws_subnet.private : one.map_public_ip_on_launch != true])
    )
    error_message = "Without a network, one of two private subnets is made."
  }

  assert {
    condition = (
      length(aws_vpc_security_group_ingress_rule.cidr) == 0
      && length(aws_vpc_security_group_ingress_rule.security_group) == 0
    )
    error_message = "Nobody connects by default."
  }
}

run "given_network_with_bi_tools" {
  command = plan
  module { source = "../../modules/billing_database" }

  variables {
    network = {
      vpc_id     = "vpc-11111111111111111"
      subnet_ids = ["subnet-11111111111111111", "subnet-22222222222222222"]
    }
    access = { cidr_blocks = ["10.0.0.0/16"], security_group_ids = ["sg-11111111111111111"] }
  }

  assert {
    condition     = length(aws_vpc.this) == 0 && length(aws_subnet.private) == 0 && length(aws_default_security_group.this) == 0
    error_message = "A given network is used as it is."
  }

  assert {
    condition = (
      aws_db_subnet_group.this.subnet_ids == toset(var.network.subnet_ids)
      && aws_security_group.this.vpc_id == "vpc-11111111111111111"
    )
    error_message = "Database and security group are in the given network."
  }

  assert {
    condition = jsonencode([
      for one in concat(values(aws_vpc_security_group_ingress_rule.cidr), values(aws_vpc_security_group_ingress_rule.security_group)) :
      [one.cidr_ipv4, one.referenced_security_group_id, one.ip_protocol, one.from_port, one.to_port]
      ]) == jsonencode([
      ["10.0.0.0/16", null, "tcp", 3306, 3306],
      [null, "sg-11111111111111111", "tcp", 3306, 3306],
    ])
    error_message = "The named networks and groups reach MySQL, and no other port."
  }
}

run "always_on_with_key" {
  command = plan
  module { source = "../../modules/billing_database" }

  variables {
    name_prefix   = "acme"
    database_name = "books"
    capacity      = { minimum = 0.5, maximum = 16 }
    instances     = 2
    kms_key_arn   = "arn:aws:kms:eu-west-1:111111111111:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition = jsonencode([
      for one in aws_rds_cluster.this.serverlessv2_scaling_configuration : [one.min_capacity, one.max_capacity]
    ]) == jsonencode([[0.5, 16]])
    error_message = "A database that keeps half a unit never pauses."
  }

  assert {
    condition = (
      aws_rds_cluster.this.kms_key_id == var.kms_key_arn
      && aws_rds_cluster.this.master_user_secret_kms_key_id == var.kms_key_arn
      && alltrue([for one in aws_secretsmanager_secret.user : one.kms_key_id == var.kms_key_arn])
      && alltrue([for one in aws_rds_cluster_instance.this : one.performance_insights_kms_key_id == var.kms_key_arn])
    )
    error_message = "The key encrypts storage, the secrets and Performance Insights."
  }

  assert {
    condition     = jsonencode([for one in aws_rds_cluster_instance.this : one.identifier]) == jsonencode(["acme-billing-1", "acme-billing-2"])
    error_message = "Two instances are told apart."
  }

  assert {
    condition = (
      aws_rds_cluster.this.database_name == "books" && output.database_name == "books"
      && output.cluster_identifier == "acme-billing"
      && aws_rds_cluster.this.final_snapshot_identifier == "acme-billing-final"
    )
    error_message = "Names begin with the prefix."
  }
}

run "unprotected_and_quiet" {
  command = plan
  module { source = "../../modules/billing_database" }

  variables {
    deletion             = { protection = false, final_snapshot = false }
    backups              = { retention_days = 1 }
    log_exports          = []
    performance_insights = false
  }

  assert {
    condition = (
      !aws_rds_cluster.this.deletion_protection && aws_rds_cluster.this.skip_final_snapshot
      && aws_rds_cluster.this.final_snapshot_identifier == null
      && aws_rds_cluster.this.backup_retention_period == 1
    )
    error_message = "Protection, snapshot and backups are settings."
  }

  assert {
    condition = (
      aws_rds_cluster.this.enabled_cloudwatch_logs_exports == null
      && toset([for one in aws_rds_cluster_parameter_group.this.parameter : one.name]) == toset(["character_set_server", "require_secure_transport"])
      && alltrue([for one in aws_rds_cluster_instance.this : !one.performance_insights_enabled])
    )
    error_message = "Nothing is logged that was not asked for."
  }
}

run "password_rotation" {
  command = plan
  module { source = "../../modules/billing_database" }

  variables {
    password_rotation_days = 30
  }

  # RDS answers with the secret once the cluster is there.
  override_resource {
    target          = aws_rds_cluster.this
    override_during = plan
    values = {
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:rds!cluster-a1b2c3" }]
    }
  }

  assert {
    condition = jsonencode([
      for one in aws_secretsmanager_secret_rotation.this :
      [one.secret_id, one.rotation_lambda_arn, one.rotate_immediately, one.rotation_rules[0].automatically_after_days]
    ]) == jsonencode([["arn:aws:secretsmanager:eu-west-1:111111111111:secret:rds!cluster-a1b2c3", null, false, 30]])
    error_message = "RDS changes the password every 30 days, without a function and not at once."
  }
}

run "every_log" {
  command = plan
  module { source = "../../modules/billing_database" }

  variables {
    log_exports = ["audit", "error", "general", "slowquery"]
  }

  assert {
    condition = jsonencode({
      for one in aws_rds_cluster_parameter_group.this.parameter : one.name => one.value
      if !contains(["character_set_server", "require_secure_transport"], one.name)
      }) == jsonencode({
      general_log          = "1"
      server_audit_events  = "CONNECT,QUERY_DCL,QUERY_DDL,TABLE"
      server_audit_logging = "1"
      slow_query_log       = "1"
    })
    error_message = "Aurora writes what is exported."
  }
}
