# terraform init does nothing in a folder without a .tf file, and terraform test needs what it installs.
terraform {
  required_version = ">= 1.11"
}
