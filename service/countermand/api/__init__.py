"""Answer HTTP requests: health, metrics and decisions, read-only.

It reads the ledger and never AWS.
"""
