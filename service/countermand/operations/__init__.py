"""Carry out what a person asks for: undo a remediation.

The one code behind every way in, such as the command line.
"""
