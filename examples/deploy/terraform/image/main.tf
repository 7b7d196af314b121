# A Python function as a container image, started from a snapshot (SnapStart).
# terraform init && terraform apply

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.67"
    }
  }
}

variable "name" {
  type        = string
  default     = "hello"
  description = "Of the function, its log group and its role."
}

variable "image_uri" {
  type        = string
  description = "In ECR, of this region, by its digest: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:..."

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image_uri))
    error_message = "Name the image by its digest: a tag that moves is not deployed again."
  }
}

variable "architecture" {
  type        = string
  default     = "x86_64"
  description = "The one that the image was built for."

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "The architecture is x86_64 or arm64."
  }
}

variable "memory_size" {
  type        = number
  default     = 512
  description = "In MB; at 1769 MB a function has one whole CPU."
}

variable "log_retention_days" {
  type    = number
  default = 30
}

# RESPONSE_STREAM streams what a generator yields. Any other result becomes the body as it is, with
# status 200: a handler that returns {"statusCode": 201, ...} needs BUFFERED.
variable "url_invoke_mode" {
  type        = string
  default     = "RESPONSE_STREAM"
  description = "RESPONSE_STREAM for handlers that stream; any other result becomes the body as it is."

  validation {
    condition     = contains(["BUFFERED", "RESPONSE_STREAM"], var.url_invoke_mode)
    error_message = "The mode is BUFFERED or RESPONSE_STREAM."
  }
}

resource "aws_lambda_function" "function" {
  function_name = var.name
  role          = aws_iam_role.function.arn
  package_type  = "Image"
  image_uri     = var.image_uri
  architectures = [var.architecture]
  memory_size   = var.memory_size
  timeout       = 10
  publish       = true # a version, and with it a snapshot, at every change

  snap_start {
    apply_on = "PublishedVersions" # $LATEST never starts from a snapshot
  }

  logging_config {
    log_format            = "JSON"
    application_log_level = "INFO"
    system_log_level      = "INFO"
    log_group             = aws_cloudwatch_log_group.function.name
  }

  depends_on = [aws_iam_role_policy.logs]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.function.function_name
  function_version = aws_lambda_function.function.version
}

# Callers sign, and need lambda:InvokeFunctionUrl and lambda:InvokeFunction.
resource "aws_lambda_function_url" "function" {
  function_name      = aws_lambda_function.function.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "AWS_IAM"
  invoke_mode        = var.url_invoke_mode
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

output "alias_arn" {
  value = aws_lambda_alias.live.arn
}

output "function_url" {
  value = aws_lambda_function_url.function.function_url
}
