"""Decide what an event pattern cannot express: the conditions that a rule names.

An event and its evidence come in; the evidence, extended, or None goes out. Pure.
"""
