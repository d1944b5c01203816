# Bucket, table and region come from the outputs of bootstrap/:
#   terraform init -backend-config=../../backend.hcl
terraform {
  backend "s3" {
    key          = "countermand/prod/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
