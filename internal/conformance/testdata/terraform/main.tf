terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

# Endpoint, region and key come from the environment, as slipway twin env gives them.
provider "aws" {
  s3_use_path_style = true
}

variable "value" {
  default = "one"
}

resource "aws_ssm_parameter" "value" {
  name  = "/terraform/value"
  type  = "String"
  value = var.value
}

resource "aws_cloudwatch_log_group" "logs" {
  name              = "/terraform/logs"
  retention_in_days = 7
}

resource "aws_s3_bucket" "files" {
  bucket        = "terraform-files"
  force_destroy = true
}

resource "aws_s3_object" "file" {
  bucket  = aws_s3_bucket.files.id
  key     = "file"
  content = var.value
}

resource "aws_iam_role" "task" {
  name               = "terraform-task"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = { Service = "ecs-tasks.amazonaws.com" }, Action = "sts:AssumeRole" }] })
}

resource "aws_ecs_cluster" "cluster" {
  name = "terraform"
}

output "value" {
  value = nonsensitive(aws_ssm_parameter.value.value)
}
