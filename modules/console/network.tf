resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_91:access logs are a setting: the bucket is the organization's
  #checkov:skip=CKV_AWS_150:deletion protection is a setting, on by default
  #checkov:skip=CKV2_AWS_28:a web ACL is the organization's choice; everybody signs in before anything is shown
  name                       = local.name
  internal                   = var.network.internal
  load_balancer_type         = "application"
  subnets                    = var.network.public_subnet_ids
  security_groups            = [aws_security_group.balancer.id]
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection
  # Pages keep a WebSocket open, with a ping every 20 s.
  idle_timeout = 120
  tags         = var.tags

  dynamic "access_logs" {
    for_each = var.network.access_logs_bucket[*]
    content {
      enabled = true
      bucket  = access_logs.value
      prefix  = local.name
    }
  }
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; behind it lies the VPC, where only the balancer reaches the port
  name                 = local.name
  vpc_id               = var.network.vpc_id
  port                 = local.port
  protocol             = "HTTP"
  target_type          = "ip"
  deregistration_delay = 60
  tags                 = var.tags

  # A session stays with its container.
  stickiness {
    type            = "lb_cookie"
    cookie_duration = 86400
  }

  health_check {
    path                = "/_stcore/health"
    interval            = 15
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.address.certificate_arn
  tags              = var.tags

  routing_http_response_strict_transport_security_header_value = "max-age=31536000"
  routing_http_response_x_content_type_options_header_value    = "nosniff"
  routing_http_response_x_frame_options_header_value           = "DENY"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"
  tags              = var.tags

  default_action {
    type = "redirect"

    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_security_group" "balancer" {
  name_prefix = "${local.name}-balancer-"
  description = "Load balancer of the FinOps console"
  vpc_id      = var.network.vpc_id
  tags        = var.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "browsers" {
  #checkov:skip=CKV_AWS_260:port 80 redirects to HTTPS and does nothing else
  for_each = {
    for one in setproduct(var.network.ingress_cidrs, [80, 443]) : "${one[0]} ${one[1]}" => { cidr = one[0], port = one[1] }
  }

  security_group_id = aws_security_group.balancer.id
  description       = "Browsers"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  tags              = var.tags
}

resource "aws_vpc_security_group_egress_rule" "to_console" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "The console"
  referenced_security_group_id = aws_security_group.service.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  tags                         = var.tags
}

resource "aws_security_group" "service" {
  name_prefix = "${local.name}-service-"
  description = "Containers of the FinOps console"
  vpc_id      = var.network.vpc_id
  tags        = var.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "from_balancer" {
  security_group_id            = aws_security_group.service.id
  description                  = "The load balancer"
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "to_aws" {
  security_group_id = aws_security_group.service.id
  description       = "AWS's APIs and the login"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}

# Routes of the container's subnets. A subnet without a route table of its own has the VPC's main one:
# https://docs.aws.amazon.com/vpc/latest/userguide/RouteTables.html
data "aws_route_tables" "own" {
  count = length(var.network.private_subnet_ids)

  vpc_id = var.network.vpc_id

  filter {
    name   = "association.subnet-id"
    values = [var.network.private_subnet_ids[count.index]]
  }
}

data "aws_route_tables" "main" {
  vpc_id = var.network.vpc_id

  filter {
    name   = "association.main"
    values = ["true"]
  }
}

data "aws_route_tables" "to_internet" {
  vpc_id = var.network.vpc_id

  filter {
    name   = "route.destination-cidr-block"
    values = ["0.0.0.0/0"]
  }
}

locals {
  isolated_subnet_ids = [
    for index, id in var.network.private_subnet_ids : id if length(setintersection(
      length(data.aws_route_tables.own[index].ids) > 0 ? data.aws_route_tables.own[index].ids : data.aws_route_tables.main.ids,
      data.aws_route_tables.to_internet.ids,
    )) == 0
  ]
}
