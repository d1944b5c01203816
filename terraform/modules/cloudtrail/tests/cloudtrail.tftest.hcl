mock_provider "aws" {
  source = "../../testing"

  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
}

variables {
  name = "countermand"
}

run "it_logs_all_regions_and_validates_its_files" {
  assert {
    condition     = aws_cloudtrail.this.is_multi_region_trail && aws_cloudtrail.this.include_global_service_events && aws_cloudtrail.this.enable_log_file_validation
    error_message = "IAM events or the file validation would be missing"
  }
  assert {
    condition     = one(aws_cloudtrail.this.event_selector).include_management_events && one(aws_cloudtrail.this.event_selector).read_write_type == "All"
    error_message = "some management events are not logged"
  }
}

run "the_bucket_allows_this_trail_only" {
  assert {
    condition = toset([
      for s in local.admitted : s.Condition.StringEquals["aws:SourceArn"]
    ]) == toset(["arn:aws:cloudtrail:us-east-1:111122223333:trail/countermand"])
    error_message = jsonencode(local.admitted)
  }
}

run "invalid_values_are_rejected" {
  command = plan

  variables {
    name      = "X"
    keep_days = 7
    log_days  = 31
  }

  expect_failures = [var.name, var.keep_days, var.log_days]
}
