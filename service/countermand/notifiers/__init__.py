"""Send alerts to people and machines: one notifier per module.

To add one, write its module and name it in `app.py`.
"""
