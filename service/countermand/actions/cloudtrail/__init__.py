"""Remediations of CloudTrail trails."""
