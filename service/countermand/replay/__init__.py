"""Evaluate recorded events without AWS.

Recorded CloudTrail events come in; decisions or a coverage report go out. Nothing is written.
"""
