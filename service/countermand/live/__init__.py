"""Read what AWS has now, through the port `Cloud`.

Actions and the pipeline call it. It never writes.
"""
