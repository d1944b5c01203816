"""Remediations of EC2 instances."""
