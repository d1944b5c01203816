"""Remediations of EventBridge rules."""
