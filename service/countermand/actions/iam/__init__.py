"""Remediations of IAM users, roles, groups, policies, credentials and providers."""
