"""Read and check what the operator sets, once, in the entry point.

Environment variables come in; one frozen `Settings` goes out, or every error at once. Nothing
else reads the environment.
"""

from countermand.settings.fields import LogLevel, Settings
from countermand.settings.load import load
from countermand.settings.names import variable

__all__ = ["LogLevel", "Settings", "load", "variable"]
