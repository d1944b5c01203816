"""Take one message from its body to a stored decision, its remediation and its alerts.

The worker calls `Pipeline.handle`; read `pipeline.py` first. Only this room decides when AWS is
read, when something is written, and in which order.
"""
