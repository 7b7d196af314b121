# A Python function on AWS's managed runtime, whose client a layer and one variable replace.
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

variable "runtime" {
  type        = string
  default     = "python3.13"
  description = "AWS's, from python3.11 up."
}

variable "wrapped" {
  type        = bool
  default     = true
  description = "false runs the function on AWS's own client, as before."
}

variable "architecture" {
  type        = string
  default     = "x86_64"
  description = "The layer is for both."

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

resource "aws_lambda_layer_version" "snapboot" {
  layer_name               = "snapboot"
  description              = "The snapboot runtime, in the place of AWS's client"
  filename                 = "${var.dist}/layer.zip"
  source_code_hash         = filebase64sha256("${var.dist}/layer.zip")
  compatible_runtimes      = ["python3.11", "python3.12", "python3.13", "python3.14"]
  compatible_architectures = ["x86_64", "arm64"]
  skip_destroy             = true # functions elsewhere may use it
}

resource "aws_lambda_function" "function" {
  function_name    = var.name
  role             = aws_iam_role.function.arn
  runtime          = var.runtime
  handler          = var.handler
  filename         = "${var.dist}/function.zip"
  source_code_hash = filebase64sha256("${var.dist}/function.zip")
  layers           = [aws_lambda_layer_version.snapboot.arn]
  architectures    = [var.architecture]
  memory_size      = var.memory_size
  timeout          = 10

  environment {
    variables = var.wrapped ? { AWS_LAMBDA_EXEC_WRAPPER = "/opt/snapboot" } : {}
  }

  logging_config {
    log_format            = "JSON"
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

output "layer_arn" {
  value = aws_lambda_layer_version.snapboot.arn
}
