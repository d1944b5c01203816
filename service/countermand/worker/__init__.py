"""Receive messages, hand them to the pipeline and acknowledge them.

Only `ack.py` deletes or returns a message. The worker knows nothing of rules or IAM.
"""
