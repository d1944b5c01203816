"""Translate commands into calls, and answers into text.

No logic of its own: what a command does is in another room.
"""
