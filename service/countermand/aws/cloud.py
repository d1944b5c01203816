"""AWS calls by name, for the actions: each names the calls that it makes, as IAM names them.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Sequence
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from countermand.aws.clients import Clients
from countermand.aws.errors import error_code, translated
from countermand.core.errors import Gone

_GONE = frozenset(
    {
        "NoSuchEntity",
        "NoSuchEntityException",
        "ResourceNotFoundException",
        "TrailNotFoundException",
    }
)
_SERVICES = {"sso": "sso-admin"}
"""Where botocore's name of a service is not IAM's."""


class AwsCloud:
    """On shared clients, made here once: botocore must not make them in two threads at a time."""

    def __init__(self, clients: Clients, prefixes: frozenset[str]) -> None:
        self._clients = {p: clients.get(_SERVICES.get(p, p)) for p in sorted(prefixes)}

    def call(self, operation: str, **request: Any) -> Any:
        """One call, for example `iam:GetPolicy`. Raises `Gone` when AWS has no such thing."""
        prefix, _, name = operation.partition(":")
        with translated(prefix, name):
            try:
                return getattr(self._clients[prefix], xform_name(name))(**request)
            except ClientError as error:
                if error_code(error) in _GONE:
                    raise Gone(f"{operation}: {error_code(error)}") from error
                raise

    def items(self, operation: str, key: str, **request: Any) -> Sequence[Any]:
        """All items of a call that answers in pages: half a list is no ground for a decision."""
        prefix, _, name = operation.partition(":")
        pages = self._clients[prefix].get_paginator(xform_name(name)).paginate(**request)
        with translated(prefix, name):
            try:
                return [item for page in pages for item in page.get(key, ())]
            except ClientError as error:
                if error_code(error) in _GONE:
                    raise Gone(f"{operation}: {error_code(error)}") from error
                raise
