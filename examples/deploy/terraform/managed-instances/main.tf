# A Python function as a zip on provided.al2023, on Lambda Managed Instances, EC2 instances of this account.
# terraform init && terraform apply

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.25"
    }
  }
}

variable "name" {
  type        = string
  default     = "hello"
  description = "Of the function, its log group and its role."
}

variable "dist" {
  type        = string
  default     = "../../../../dist"
  description = "What snapboot package --output wrote."
}

variable "handler" {
  type        = string
  default     = "app.handler"
  description = "The one that snapboot package was given."
}

variable "architecture" {
  type        = string
  default     = "x86_64"
  description = "The one that snapboot package was given."

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "The architecture is x86_64 or arm64."
  }
}

variable "memory_size" {
  type        = number
  default     = 2048
  description = "In MB; 2048 is the least on managed instances."

  validation {
    condition     = var.memory_size >= 2048
    error_message = "Managed instances have at least 2048 MB."
  }
}

variable "log_retention_days" {
  type    = number
  default = 30
}

variable "subnet_ids" {
  type        = list(string)
  description = "Subnets for the instances, in several zones, with a way to CloudWatch Logs."
}

variable "security_group_ids" {
  type = list(string)
}

variable "max_vcpu_count" {
  type        = number
  default     = 12
  description = "Of all instances together; the bill's upper end."
}

# Each environment is one process that asks for one event at a time: what is allowed beyond 1 is never
# used. Several workers in an environment are not built yet.
variable "max_concurrency" {
  type        = number
  default     = 1
  description = "Events at once per environment. The runtime takes one at a time, whatever is allowed here."
}

resource "aws_lambda_capacity_provider" "instances" {
  name = "${var.name}-instances"

  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = var.security_group_ids
  }

  permissions_config {
    capacity_provider_operator_role_arn = aws_iam_role.operator.arn
  }

  # Both are attributes, not blocks, of which every field has to be named.
  instance_requirements = [{
    architectures           = [var.architecture]
    allowed_instance_types  = null
    excluded_instance_types = null
  }]

  capacity_provider_scaling_config = [{
    scaling_mode     = "Auto"
    max_vcpu_count   = var.max_vcpu_count
    scaling_policies = null
  }]

  depends_on = [aws_iam_role_policy_attachment.operator]
}

resource "aws_iam_role" "operator" {
  name_prefix        = "${var.name}-operator-"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

# What Lambda needs to start and end the instances; AWS's own list of it.
resource "aws_iam_role_policy_attachment" "operator" {
  role       = aws_iam_role.operator.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator"
}

data "aws_partition" "current" {}

resource "aws_lambda_function" "function" {
  function_name    = var.name
  role             = aws_iam_role.function.arn
  runtime          = "provided.al2023"
  handler          = var.handler
  filename         = "${var.dist}/function.zip"
  source_code_hash = filebase64sha256("${var.dist}/function.zip")
  publish          = true # an environment is made for a published version
  publish_to       = "LATEST_PUBLISHED"
  architectures    = [var.architecture]
  memory_size      = var.memory_size
  timeout          = 10

  # Cannot be added to a function that was made without it.
  capacity_provider_config {
    lambda_managed_instances_capacity_provider_config {
      capacity_provider_arn                     = aws_lambda_capacity_provider.instances.arn
      per_execution_environment_max_concurrency = var.max_concurrency
    }
  }

  logging_config {
    log_format            = "JSON" # the only one on managed instances
    application_log_level = "INFO"
    system_log_level      = "INFO"
    log_group             = aws_cloudwatch_log_group.function.name
  }

  depends_on = [aws_iam_role_policy.logs]
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "function" {
  name_prefix        = "${var.name}-"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

resource "aws_iam_role_policy" "logs" {
  name   = "logs"
  role   = aws_iam_role.function.id
  policy = data.aws_iam_policy_document.logs.json
}

data "aws_iam_policy_document" "lambda" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "logs" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function.arn}:*"]
  }
}

output "function_arn" {
  value = aws_lambda_function.function.arn
}
