"""Decide whether a change may be reverted.

A finding and the facts that were read live come in; a ruling with every reason goes out. Pure.
"""
