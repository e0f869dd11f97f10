locals {
  name = "${var.name_prefix}-console"
  port = 8501
  url  = "https://${var.address.domain_name}"

  roles = {
    viewer   = "Sees everything and changes nothing."
    editor   = "Uploads files, corrects invoices, edits budgets."
    approver = "Approves and rejects invoices, and approves raises of budgets, as well."
  }

  settings = {
    AWS_REGION              = var.region
    CONSOLE_IDLE_MINUTES    = tostring(var.login.idle_minutes)
    CONSOLE_URL             = local.url
    FINOPS_ENV              = var.environment
    FINOPS_NAME_PREFIX      = var.name_prefix
    OIDC_CLIENT_ID          = aws_cognito_user_pool_client.console.id
    OIDC_METADATA_URL       = "https://cognito-idp.${var.region}.amazonaws.com/${aws_cognito_user_pool.this.id}/.well-known/openid-configuration"
    POWERTOOLS_SERVICE_NAME = local.name
  }
}

resource "aws_ecs_cluster" "this" {
  name = local.name
  tags = var.tags

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:a customer managed key is a setting
  #checkov:skip=CKV_AWS_338:how long logs are kept is a setting
  name              = "/ecs/${local.name}"
  retention_in_days = var.settings.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.container.cpu
  memory                   = var.container.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  tags                     = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.container.architecture
  }

  # The only writable place. It holds the settings of the login while the container runs.
  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([{
    name                   = "console"
    image                  = var.image.uri
    essential              = true
    readonlyRootFilesystem = true
    environment            = [for name, value in local.settings : { name = name, value = value }]
    portMappings           = [{ containerPort = local.port, protocol = "tcp" }]
    mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    linuxParameters        = { initProcessEnabled = true }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = var.region
        awslogs-stream-prefix = "console"
      }
    }
  }])
}

resource "aws_ecs_service" "this" {
  name                              = local.name
  cluster                           = aws_ecs_cluster.this.id
  task_definition                   = aws_ecs_task_definition.this.arn
  desired_count                     = var.container.desired_count
  launch_type                       = "FARGATE"
  health_check_grace_period_seconds = 60
  propagate_tags                    = "SERVICE"
  tags                              = var.tags

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.network.private_subnet_ids
    security_groups  = [aws_security_group.service.id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = "console"
    container_port   = local.port
  }

  depends_on = [aws_lb_listener.https, aws_iam_role_policy.execution, aws_iam_role_policy.task]

  lifecycle {
    precondition {
      condition     = length(local.isolated_subnet_ids) == 0
      error_message = "network.private_subnet_ids must have a default route (0.0.0.0/0), as to a NAT gateway: the container asks the login's domain for tokens, which no VPC endpoint offers. Without one: ${join(", ", local.isolated_subnet_ids)}."
    }
  }
}

module "alarms" {
  source = "../metric_alarms"

  name_prefix = local.name
  settings    = var.alarms
  tags        = var.tags

  metrics = {
    unhealthy = {
      description         = "No console answers: see the events of the ECS service ${local.name} and the log ${aws_cloudwatch_log_group.this.name}."
      namespace           = "AWS/ApplicationELB"
      metric              = "HealthyHostCount"
      dimensions          = local.load_balancer_dimensions
      statistic           = "Minimum"
      period_seconds      = 60
      evaluation_periods  = 5
      comparison_operator = "LessThanThreshold"
      treat_missing_data  = "breaching"
    }
    errors = {
      description    = "The console answers with errors: see the log ${aws_cloudwatch_log_group.this.name}."
      namespace      = "AWS/ApplicationELB"
      metric         = "HTTPCode_Target_5XX_Count"
      dimensions     = local.load_balancer_dimensions
      period_seconds = 300
      threshold      = 5
    }
  }
}

locals {
  load_balancer_dimensions = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = aws_lb_target_group.this.arn_suffix }
}

# Deployments from before the module metric_alarms keep their alarms.
moved {
  from = aws_cloudwatch_metric_alarm.unhealthy
  to   = module.alarms.aws_cloudwatch_metric_alarm.this["unhealthy"]
}

moved {
  from = aws_cloudwatch_metric_alarm.errors
  to   = module.alarms.aws_cloudwatch_metric_alarm.this["errors"]
}
