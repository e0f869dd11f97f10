terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }

  # terraform init -backend-config=path=…: every local cloud has its own state.
  backend "local" {}
}
