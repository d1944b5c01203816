"""`countermand doctor`: what keeps events from arriving, and the command that fixes it.

Settings and the caller's credentials come in, a `CheckResult` for each question comes out. The
checks read AWS through `aws/inspect.py` and never change it; the command line shows the results.
"""
