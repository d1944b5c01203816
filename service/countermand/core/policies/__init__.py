"""Say what a policy document means.

IAM documents come in; privileges, escalation paths and trust go out. Pure, and bounded in steps
whatever the document.
"""
