mock_provider "aws" {
  source = "../../testing"

  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
}

variables {
  name               = "countermand"
  image              = "example.com/countermand@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  settings           = { COUNTERMAND_QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/111122223333/countermand-events" }
  task_role_arn      = "arn:aws:iam::111122223333:role/countermand-worker"
  execution_role_arn = "arn:aws:iam::111122223333:role/countermand-execution"
  queue_name         = "countermand-events"
}

run "the_container_is_locked_down" {
  assert {
    condition = [for container in jsondecode(aws_ecs_task_definition.worker.container_definitions) : {
      user       = container.user
      root       = container.readonlyRootFilesystem
      privileged = container.privileged
      dropped    = container.linuxParameters.capabilities.drop
      image      = container.image
      }] == [{
      user       = "10001:10001"
      root       = true
      privileged = false
      dropped    = ["ALL"]
      image      = "example.com/countermand@sha256:0000000000000000000000000000000000000000000000000000000000000000"
    }]
    error_message = aws_ecs_task_definition.worker.container_definitions
  }
  assert {
    condition     = one(jsondecode(aws_ecs_task_definition.worker.container_definitions)).healthCheck.command == ["CMD", "/opt/countermand/bin/python", "-I", "/opt/countermand/healthcheck.py", "/livez"]
    error_message = aws_ecs_task_definition.worker.container_definitions
  }
  assert {
    condition     = !aws_ecs_service.worker.enable_execute_command && !one(aws_ecs_service.worker.network_configuration).assign_public_ip
    error_message = "the task has a shell or a public address"
  }
}

# EC2 rejects an apostrophe, for example, but neither the provider nor a plan says so.
run "ec2_accepts_the_descriptions" {
  variables {
    api = {
      token_secret_arn          = "arn:aws:secretsmanager:us-east-1:111122223333:secret:countermand-AbCdEf"
      client_security_group_ids = ["sg-0123456789abcdef0"]
    }
  }

  assert {
    condition = alltrue([
      for description in concat(
        [aws_security_group.worker.description, aws_vpc_security_group_egress_rule.https.description],
        aws_vpc_security_group_ingress_rule.api[*].description,
        aws_security_group.endpoints[*].description,
        aws_vpc_security_group_ingress_rule.endpoints[*].description,
      ) : can(regex("^[A-Za-z0-9 ._:/()#,@=+;{}!$*\\[\\]-]{1,255}$", description))
    ])
    error_message = "a security group description has a character that EC2 rejects"
  }
}

run "dry_run_and_a_private_api_are_the_defaults" {
  assert {
    condition     = output.environment.COUNTERMAND_MODE == "dry-run" && !contains(keys(output.environment), "COUNTERMAND_API_HOST")
    error_message = jsonencode(output.environment)
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.api) == 0
    error_message = "a security group may call the API"
  }
}

run "the_token_comes_from_a_secret" {
  variables {
    api = {
      token_secret_arn          = "arn:aws:secretsmanager:us-east-1:111122223333:secret:countermand-AbCdEf"
      client_security_group_ids = ["sg-0123456789abcdef0"]
    }
  }

  assert {
    condition     = one(jsondecode(aws_ecs_task_definition.worker.container_definitions)).secrets == [{ name = "COUNTERMAND_API_TOKEN", valueFrom = "arn:aws:secretsmanager:us-east-1:111122223333:secret:countermand-AbCdEf" }]
    error_message = aws_ecs_task_definition.worker.container_definitions
  }
  assert {
    condition     = contains(keys(aws_vpc_endpoint.interface), "secretsmanager") && length(aws_vpc_security_group_ingress_rule.api) == 1 && output.environment.COUNTERMAND_API_HOST == "0.0.0.0"
    error_message = jsonencode(output.environment)
  }
}

run "it_scales_on_the_age_of_the_oldest_event" {
  variables {
    replicas = { least = 3, most = 9, age_seconds = 30 }
  }

  assert {
    condition     = aws_appautoscaling_target.worker.min_capacity == 3 && aws_appautoscaling_target.worker.max_capacity == 9 && output.environment.COUNTERMAND_REPLICAS == "9"
    error_message = jsonencode(output.environment)
  }
  assert {
    condition     = aws_appautoscaling_policy.age.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metric_name == "ApproximateAgeOfOldestMessage"
    error_message = "the service scales on another metric"
  }
}

run "without_a_network_it_creates_one" {
  assert {
    condition     = length(aws_vpc.this) == 1 && length(aws_nat_gateway.this) == 1 && length(aws_subnet.private) == 2
    error_message = "the VPC has no route to IAM"
  }
  assert {
    condition     = keys(aws_vpc_endpoint.interface) == ["ecr.api", "ecr.dkr", "logs", "sns", "sqs", "sts"] && keys(aws_vpc_endpoint.gateway) == ["dynamodb", "s3"]
    error_message = join(" ", keys(aws_vpc_endpoint.interface))
  }
}

run "with_a_network_it_creates_none" {
  variables {
    network = { vpc_id = "vpc-0123456789abcdef0", subnet_ids = ["subnet-1", "subnet-2"] }
  }

  assert {
    condition     = length(aws_vpc.this) + length(aws_subnet.private) + length(aws_subnet.public) + length(aws_nat_gateway.this) + length(aws_eip.nat) + length(aws_vpc_endpoint.interface) + length(aws_vpc_endpoint.gateway) == 0
    error_message = "a resource of a VPC exists"
  }
  assert {
    condition     = one(aws_ecs_service.worker.network_configuration).subnets == toset(["subnet-1", "subnet-2"]) && aws_security_group.worker.vpc_id == "vpc-0123456789abcdef0"
    error_message = "the service does not run in the given network"
  }
}

run "api_clients_require_a_token" {
  command = plan

  variables {
    api = { client_security_group_ids = ["sg-0123456789abcdef0"] }
  }

  expect_failures = [aws_vpc_security_group_ingress_rule.api]
}

run "invalid_values_are_rejected" {
  command = plan

  variables {
    image    = "example.com/countermand:latest"
    settings = { COUNTERMAND_API_TOKEN = "secret" }
    replicas = { least = 3, most = 2 }
    size     = { architecture = "riscv" }
    network  = { vpc_id = "vpc-0123456789abcdef0", subnet_ids = ["subnet-1"] }
    vpc_cidr = "10.0.0.0/28"
    log_days = 8
  }

  expect_failures = [var.image, var.settings, var.replicas, var.size, var.network, var.vpc_cidr, var.log_days]
}
