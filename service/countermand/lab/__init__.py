"""Try Countermand: the demo, the attack, the simulated event, an embedded LocalStack.

Nothing here runs in production.
"""
