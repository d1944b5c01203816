"""Remediations of IAM Roles Anywhere."""
