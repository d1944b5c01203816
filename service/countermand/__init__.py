"""Countermand: an IAM guardrail for AWS that sees, judges, tells and takes back risky grants."""

__version__ = "0.1.0"
