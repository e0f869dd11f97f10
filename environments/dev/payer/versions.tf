terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }

  # terraform init -backend-config=backend.hcl -backend-config=key=…: see backend.hcl.example.
  backend "s3" {
    use_lockfile = true
    encrypt      = true
  }
}
