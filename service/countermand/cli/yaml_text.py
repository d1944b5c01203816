"""Rule files as YAML text, in the form in which people write them."""

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """A dumper that keeps texts of several lines, such as runbooks, on lines of their own."""


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _as_block)


def as_yaml(document: object, **options: Any) -> str:  # noqa: ANN401 - of yaml.dump
    """Write a document in the order of its keys; the options are those of `yaml.dump`."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, **options)
    return text
