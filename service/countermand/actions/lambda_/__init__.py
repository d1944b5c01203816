"""Remediations of Lambda functions."""
