# Aurora Serverless v2, used through the Data API: no function needs to be in its network.
locals {
  name        = "${var.name_prefix}-billing"
  own_network = var.network == null
  vpc_id      = local.own_network ? one(aws_vpc.this[*].id) : var.network.vpc_id
  subnet_ids  = local.own_network ? aws_subnet.private[*].id : var.network.subnet_ids

  # By default Aurora writes only its error log. It exports only the logs that it writes:
  # https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraMySQL.Integrating.CloudWatch.html
  log_parameters = {
    # TABLE names who read or wrote which table. QUERY_DML would log whole files, as they are sent to be loaded:
    # https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraMySQL.Auditing.html
    audit     = { server_audit_logging = "1", server_audit_events = "CONNECT,QUERY_DCL,QUERY_DDL,TABLE" }
    error     = {}
    general   = { general_log = "1" }
    slowquery = { slow_query_log = "1" }
  }
  parameters = merge(
    { character_set_server = "utf8mb4", require_secure_transport = "ON" },
    [for log in var.log_exports : local.log_parameters[log]]...
  )
}

resource "aws_rds_cluster" "this" {
  #checkov:skip=CKV_AWS_327:a customer managed key is a setting
  #checkov:skip=CKV_AWS_326:backtracking is not offered for Aurora Serverless v2
  #checkov:skip=CKV_AWS_139:deletion protection is on unless a setting turns it off; checkov reads no optional() default
  #checkov:skip=CKV_AWS_324:log exports are a setting, on by default
  #checkov:skip=CKV_AWS_325:the audit log is a setting, off by default
  #checkov:skip=CKV_AWS_133:backups are kept for as long as a setting says, a day at least; checkov reads no optional() default
  #checkov:skip=CKV2_AWS_8:backups are Aurora's own, for as long as a setting says; AWS Backup is the organization's choice
  cluster_identifier = local.name
  engine             = "aurora-mysql"
  engine_version     = var.engine_version
  database_name      = var.database_name

  # RDS creates the password, keeps it in Secrets Manager and rotates it.
  master_username               = "finops"
  manage_master_user_password   = true
  master_user_secret_kms_key_id = var.kms_key_arn
  tags                          = var.tags

  enable_http_endpoint                = true
  iam_database_authentication_enabled = true
  storage_encrypted                   = true
  kms_key_id                          = var.kms_key_arn

  db_subnet_group_name            = aws_db_subnet_group.this.name
  vpc_security_group_ids          = [aws_security_group.this.id]
  db_cluster_parameter_group_name = aws_rds_cluster_parameter_group.this.name
  network_type                    = "IPV4"

  backup_retention_period         = var.backups.retention_days
  preferred_backup_window         = var.backups.window
  copy_tags_to_snapshot           = true
  deletion_protection             = var.deletion.protection
  skip_final_snapshot             = !var.deletion.final_snapshot
  final_snapshot_identifier       = var.deletion.final_snapshot ? "${local.name}-final" : null
  enabled_cloudwatch_logs_exports = var.log_exports
  apply_immediately               = true

  serverlessv2_scaling_configuration {
    min_capacity             = var.capacity.minimum
    max_capacity             = var.capacity.maximum
    seconds_until_auto_pause = var.capacity.minimum == 0 ? var.capacity.pause_after_seconds : null
  }
}

resource "aws_rds_cluster_instance" "this" {
  #checkov:skip=CKV_AWS_118:enhanced monitoring costs by the second and is a setting of the account
  #checkov:skip=CKV_AWS_354:a customer managed key is a setting
  #checkov:skip=CKV_AWS_353:Performance Insights is a setting, on by default
  #checkov:skip=CKV_AWS_226:engine_version is a setting; AWS advises against leaving a long-term version unasked
  count = var.instances

  identifier                   = "${local.name}-${count.index + 1}"
  cluster_identifier           = aws_rds_cluster.this.id
  engine                       = aws_rds_cluster.this.engine
  engine_version               = aws_rds_cluster.this.engine_version
  instance_class               = "db.serverless"
  auto_minor_version_upgrade   = false
  publicly_accessible          = false
  performance_insights_enabled = var.performance_insights
  apply_immediately            = true
  tags                         = var.tags

  performance_insights_kms_key_id = var.performance_insights ? var.kms_key_arn : null
}

# RDS rotates the password itself, so there is no rotation function.
resource "aws_secretsmanager_secret_rotation" "this" {
  #checkov:skip=CKV_AWS_304:the setting is of 90 days at most; checkov reads no variable
  count = var.password_rotation_days == null ? 0 : 1

  secret_id          = aws_rds_cluster.this.master_user_secret[0].secret_arn
  rotate_immediately = false

  rotation_rules {
    automatically_after_days = var.password_rotation_days
  }
}

# The function migrate-billing-database makes these users. It writes their passwords here, and changes them: neither Terraform
# nor its state ever holds one. A secret that was destroyed is not missed, so its name is free at once.
resource "aws_secretsmanager_secret" "user" {
  #checkov:skip=CKV_AWS_149:a customer managed key is a setting
  #checkov:skip=CKV2_AWS_57:migrate-billing-database rotates them, on the schedule of the module billing
  for_each = {
    loader = "May write the tables of bills and rates, for the functions that load files"
    reader = "May read tables and views, for console, reconciliation and BI tools"
  }

  name                    = "${local.name}-${each.key}"
  description             = each.value
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = 0
  tags                    = var.tags
}

resource "aws_rds_cluster_parameter_group" "this" {
  name        = local.name
  family      = "aurora-mysql8.0"
  description = "TLS is required, and text is UTF-8"
  tags        = var.tags

  dynamic "parameter" {
    for_each = local.parameters
    content {
      name  = parameter.key
      value = parameter.value
    }
  }

  # Another description makes another group, and AWS deletes none that a cluster uses. Older deployments keep their words.
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_db_subnet_group" "this" {
  name        = local.name
  description = "Private subnets of the billing database"
  subnet_ids  = local.subnet_ids
  tags        = var.tags
}

# Closed by default: the Data API does not use this network. The rules below open it for BI tools.
resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:it is the cluster's
  name        = local.name
  description = "The billing database"
  vpc_id      = local.vpc_id
  tags        = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "cidr" {
  for_each = var.access.cidr_blocks

  security_group_id = aws_security_group.this.id
  description       = "MySQL from ${each.value}"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 3306
  to_port           = 3306
  tags              = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "security_group" {
  for_each = var.access.security_group_ids

  security_group_id            = aws_security_group.this.id
  description                  = "MySQL from ${each.value}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 3306
  to_port                      = 3306
  tags                         = var.tags
}

# A network without internet access, unless the caller gives one.
resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:nothing but the database is in it, and its security group is closed
  count = local.own_network ? 1 : 0

  cidr_block           = "10.79.0.0/24"
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = merge(var.tags, { Name = local.name })
}

resource "aws_default_security_group" "this" {
  count = local.own_network ? 1 : 0

  vpc_id = aws_vpc.this[0].id
  tags   = var.tags
}

resource "aws_subnet" "private" {
  count = local.own_network ? 2 : 0

  vpc_id            = aws_vpc.this[0].id
  cidr_block        = cidrsubnet(aws_vpc.this[0].cidr_block, 2, count.index)
  availability_zone = "${var.region}${["a", "b"][count.index]}"

  tags = merge(var.tags, { Name = "${local.name}-${count.index + 1}" })
}
