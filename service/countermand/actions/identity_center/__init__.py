"""Remediations of IAM Identity Center."""
