"""Hold the built-in rule files, one YAML file each, and load them.

Folders of rule files come in; a `RuleSet` goes out, or every error with its file and line.
"""
