"""Help to deploy Countermand and to check a deployment.

Least-privilege policies and the checks of `countermand doctor`.
"""
