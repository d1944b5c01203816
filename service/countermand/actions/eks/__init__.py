"""Remediations of EKS clusters."""
