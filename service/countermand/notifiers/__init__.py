"""The channels that carry alerts, one module each. A new one is a file and a line in `app.py`."""
