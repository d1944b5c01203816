# A VPC for the worker, if none is given: private subnets, an endpoint for every service that has one,
# and a NAT gateway for IAM, whose endpoint is global and public.

locals {
  make_vpc = var.network == null ? 1 : 0
  zones    = 2
  # Services that the task calls and that have an interface endpoint.
  endpoints = var.network == null ? toset(concat(
    ["sqs", "sns", "sts", "logs", "ecr.api", "ecr.dkr"],
    var.api.token_secret_arn == null ? [] : ["secretsmanager"],
  )) : toset([])
}

data "aws_availability_zones" "this" {
  #checkov:skip=CKV_AWS_394:Uses the first two zones of a sorted list; a zone added at the end changes nothing
  count = local.make_vpc
  state = "available"

  # Excludes local zones, which have no Fargate.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:One service that accepts no connections and calls only AWS; CloudTrail logs each call
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
  #checkov:skip=CKV2_AWS_19:The NAT gateway uses it
  count  = local.make_vpc
  domain = "vpc"
}

# One, not one per zone: while its zone is down, events wait in the queue for up to 7 days.
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

# Not inline in the route table, because the gateway endpoints add routes to it.
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
  description = "AWS endpoints, for the Countermand worker only"
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

# S3 serves the layers of images in ECR. Both endpoints are free.
resource "aws_vpc_endpoint" "gateway" {
  for_each = var.network == null ? toset(["dynamodb", "s3"]) : toset([])

  vpc_id            = aws_vpc.this[0].id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${local.region}.${each.value}"
  route_table_ids   = aws_route_table.private[*].id
}
