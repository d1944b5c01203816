# The worker as a Fargate service: no inbound port, no shell, no writable root file system.

data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  region     = data.aws_region.this.name
  subnet_ids = var.network == null ? aws_subnet.private[*].id : var.network.subnet_ids
  vpc_id     = var.network == null ? aws_vpc.this[0].id : var.network.vpc_id
  log_group  = "/${var.name}/worker"

  environment = merge(var.settings, {
    COUNTERMAND_MODE     = var.mode
    COUNTERMAND_REGION   = local.region
    COUNTERMAND_REPLICAS = tostring(var.replicas.most)
    },
    # The API listens outside the task's loopback only with a token; the service enforces that too.
    var.api.token_secret_arn == null ? {} : { COUNTERMAND_API_HOST = "0.0.0.0" },
  )

  container = {
    name                   = "worker"
    image                  = var.image
    essential              = true
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    privileged             = false
    stopTimeout            = 45 # longer than the drain of 25 seconds
    linuxParameters        = { capabilities = { add = [], drop = ["ALL"] } }
    portMappings           = [{ containerPort = 8080, hostPort = 8080, protocol = "tcp" }]
    environment            = [for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }]
    secrets                = var.api.token_secret_arn == null ? [] : [{ name = "COUNTERMAND_API_TOKEN", valueFrom = var.api.token_secret_arn }]
    # The image has no shell. -I prevents variables from changing what Python imports.
    healthCheck = {
      command     = ["CMD", "/opt/countermand/bin/python", "-I", "/opt/countermand/healthcheck.py", "/livez"]
      interval    = 15
      timeout     = 5
      retries     = 3
      startPeriod = 30
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.worker.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "task"
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "worker" {
  #checkov:skip=CKV_AWS_338:The log is for operations; the ledger keeps decisions for 400 days
  name              = local.log_group
  retention_in_days = var.log_days
  kms_key_id        = var.log_key_arn
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "worker" {
  family                   = "${var.name}-worker"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.size.cpu
  memory                   = var.size.memory
  task_role_arn            = var.task_role_arn
  execution_role_arn       = var.execution_role_arn
  container_definitions    = jsonencode([local.container])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.size.architecture
  }
}

resource "aws_ecs_service" "worker" {
  name                               = "worker"
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.worker.arn
  desired_count                      = var.replicas.least
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  enable_execute_command             = false
  propagate_tags                     = "SERVICE"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = local.subnet_ids
    security_groups  = [aws_security_group.worker.id]
    assign_public_ip = false
  }

  lifecycle {
    ignore_changes = [desired_count] # Application Auto Scaling sets it
  }
}

resource "aws_appautoscaling_target" "worker" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.worker.name}"
  min_capacity       = var.replicas.least
  max_capacity       = var.replicas.most
}

# Scales on age, not on depth: what matters is how long an attacker keeps the privileges.
resource "aws_appautoscaling_policy" "age" {
  name               = "queue-age"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension
  resource_id        = aws_appautoscaling_target.worker.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.replicas.age_seconds
    scale_out_cooldown = 60
    scale_in_cooldown  = 600

    customized_metric_specification {
      namespace   = "AWS/SQS"
      metric_name = "ApproximateAgeOfOldestMessage"
      statistic   = "Maximum"

      dimensions {
        name  = "QueueName"
        value = var.queue_name
      }
    }
  }
}

resource "aws_security_group" "worker" {
  name        = "${var.name}-worker"
  description = "Countermand worker: calls AWS, accepts no connections by default"
  vpc_id      = local.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.worker.id
  description       = "AWS APIs, including the public endpoint of IAM"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  count = length(var.api.client_security_group_ids)

  security_group_id            = aws_security_group.worker.id
  description                  = "API and metrics"
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
  referenced_security_group_id = var.api.client_security_group_ids[count.index]

  lifecycle {
    precondition {
      condition     = var.api.token_secret_arn != null
      error_message = "api.client_security_group_ids: the API listens outside the task only with a token. Set api.token_secret_arn too."
    }
  }
}
