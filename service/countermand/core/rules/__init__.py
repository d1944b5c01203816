"""Match rules against events.

Rule files, already read, and an event come in; findings go out. The pattern language is
EventBridge's, and the routing patterns for AWS come from the same rules. Pure.
"""
