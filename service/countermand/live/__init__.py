"""Live reads of policies and settings, through the port `Cloud`.

Actions and the pipeline call this package. It never writes.
"""
