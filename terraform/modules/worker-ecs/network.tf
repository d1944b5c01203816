# A VPC of the worker's own, where none is given: private subnets, endpoints for all that has one,
# and a NAT gateway for IAM, whose endpoint is global and public.

locals {
  make_vpc = var.network == null ? 1 : 0
  zones    = 2
  # Services with an interface endpoint that the task calls.
  endpoints = var.network == null ? toset(concat(
    ["sqs", "sns", "sts", "logs", "ecr.api", "ecr.dkr"],
    var.api.token_secret_arn == null ? [] : ["secretsmanager"],
  )) : toset([])
}

data "aws_availability_zones" "this" {
  #checkov:skip=CKV_AWS_394:The first two of a sorted list; a zone that comes last changes nothing
  count = local.make_vpc
  state = "available"

  # No local zone, in which there is no Fargate.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:One service that is called by nobody and calls AWS only, each call in CloudTrail
  count = local.make_vpc

  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

resource "aws_default_security_group" "closed" {
  count  = local.make_vpc
  vpc_id = aws_vpc.this[0].id
}

resource "aws_subnet" "private" {
  count = local.make_vpc * local.zones

  vpc_id            = aws_vpc.this[0].id
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, count.index)
  availability_zone = data.aws_availability_zones.this[0].names[count.index]

  tags = { Name = "${var.name}-private-${count.index}" }
}

resource "aws_subnet" "public" {
  count = local.make_vpc

  vpc_id            = aws_vpc.this[0].id
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, local.zones)
  availability_zone = data.aws_availability_zones.this[0].names[0]

  tags = { Name = "${var.name}-public" }
}

resource "aws_internet_gateway" "this" {
  count  = local.make_vpc
  vpc_id = aws_vpc.this[0].id
}

resource "aws_eip" "nat" {
  #checkov:skip=CKV2_AWS_19:It is the NAT gateway's
  count  = local.make_vpc
  domain = "vpc"
}

# One, not one a zone: while its zone is down events wait in the queue, for up to 7 days.
resource "aws_nat_gateway" "this" {
  count = local.make_vpc

  allocation_id = aws_eip.nat[0].id
  subnet_id     = aws_subnet.public[0].id

  depends_on = [aws_internet_gateway.this]
}

resource "aws_route_table" "public" {
  count  = local.make_vpc
  vpc_id = aws_vpc.this[0].id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.this[0].id
  }
}

resource "aws_route_table_association" "public" {
  count = local.make_vpc

  subnet_id      = aws_subnet.public[0].id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_route_table" "private" {
  count  = local.make_vpc
  vpc_id = aws_vpc.this[0].id
}

# Beside the table and not in it: the gateway endpoints add routes of their own to it.
resource "aws_route" "nat" {
  count = local.make_vpc

  route_table_id         = aws_route_table.private[0].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[0].id
}

resource "aws_route_table_association" "private" {
  count = local.make_vpc * local.zones

  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private[0].id
}

resource "aws_security_group" "endpoints" {
  count = local.make_vpc

  name        = "${var.name}-endpoints"
  description = "AWS endpoints, for Countermand's worker only"
  vpc_id      = aws_vpc.this[0].id
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  count = local.make_vpc

  security_group_id            = aws_security_group.endpoints[0].id
  description                  = "From the worker"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = aws_security_group.worker.id
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.endpoints

  vpc_id              = aws_vpc.this[0].id
  vpc_endpoint_type   = "Interface"
  service_name        = "com.amazonaws.${local.region}.${each.value}"
  subnet_ids          = aws_subnet.private[*].id
  security_group_ids  = aws_security_group.endpoints[*].id
  private_dns_enabled = true
}

# S3 for the layers of an image in ECR. These two cost nothing.
resource "aws_vpc_endpoint" "gateway" {
  for_each = var.network == null ? toset(["dynamodb", "s3"]) : toset([])

  vpc_id            = aws_vpc.this[0].id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${local.region}.${each.value}"
  route_table_ids   = aws_route_table.private[*].id
}
