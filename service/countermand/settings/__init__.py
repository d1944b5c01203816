"""Read and check what the operator sets, once, in the entry point.

Environment variables come in; one frozen `Settings` goes out, or every error at once. Nothing
else reads the environment.
"""

from countermand.settings.docs import configuration_page
from countermand.settings.fields import variable
from countermand.settings.load import Settings

__all__ = ["Settings", "configuration_page", "variable"]
