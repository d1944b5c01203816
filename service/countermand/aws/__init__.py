"""The only package that imports boto3: an adapter per port, and AWS's errors in our words."""
