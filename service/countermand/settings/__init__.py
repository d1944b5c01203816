"""Read and check what the operator sets, once, in the entry point.

Environment variables come in; one frozen `Settings` goes out, or every error at once. Nothing
else reads the environment.
"""
