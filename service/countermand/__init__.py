"""Countermand: an IAM guardrail for AWS that detects, evaluates, alerts on and reverts risks."""

__version__ = "0.1.0"
