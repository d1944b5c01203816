# The outputs of bootstrap/ give bucket, table, and region:
#   terraform init -backend-config=../../backend.hcl
terraform {
  backend "s3" {
    key          = "countermand/dev/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
