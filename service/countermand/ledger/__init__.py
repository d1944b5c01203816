"""Keep decisions, leases, baselines and correlation windows: the port `Ledger`.

SQLite for one worker, DynamoDB for replicas; both pass the same tests.
"""
