"""AWS calls by the names that IAM has for them, for the actions.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from countermand.aws.clients import Clients
from countermand.aws.errors import error_code, translated
from countermand.core import aws_codes
from countermand.core.errors import Gone

_SERVICES = {"sso": "sso-admin"}
"""The services whose name in botocore differs from the prefix in IAM."""


class AwsCloud:
    """The port `Cloud` on shared clients, each made at its first use.

    A worker has rules about a dozen services, and few of the rules ever match.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._making = threading.Lock()

    def call(self, operation: str, **request: Any) -> Any:
        """Make one call, such as `iam:GetPolicy`. Raises `Gone` if the target does not exist."""
        client, method = self._of(operation)
        with _described(operation):
            return getattr(client, method)(**request)

    def items(self, operation: str, key: str, **request: Any) -> Sequence[Any]:
        """Return all items of a call that answers in pages: a decision needs the whole list."""
        return list(self.each(operation, key, **request))

    def each(self, operation: str, key: str, **request: Any) -> Iterator[Any]:
        """Yield the items of a call that answers in pages, with one page in memory at a time."""
        client, method = self._of(operation)
        with _described(operation):
            for page in _pages(client, method, request):
                yield from page.get(key, ())

    def _of(self, operation: str) -> tuple[Any, str]:
        with self._making:  # making two clients at a time is not safe in botocore
            client = self._clients.get(service_of(operation))
        return client, xform_name(operation.partition(":")[2])


def _pages(client: Any, method: str, request: dict[str, Any]) -> Iterator[Any]:
    """Yield all pages; botocore lacks a paginator for iam:ListServiceSpecificCredentials."""
    if client.can_paginate(method):
        yield from client.get_paginator(method).paginate(**request)
        return
    while True:
        page = getattr(client, method)(**request)
        yield page
        if not page.get("IsTruncated"):
            return
        request = {**request, "Marker": page["Marker"]}


def service_of(operation: str) -> str:
    """Return botocore's name of the service of a call, for example `iam` of `iam:GetPolicy`."""
    prefix = operation.partition(":")[0]
    return _SERVICES.get(prefix, prefix)


@contextmanager
def _described(operation: str) -> Iterator[None]:
    prefix, _, name = operation.partition(":")
    with translated(prefix, name):
        try:
            yield
        except ClientError as error:
            if error_code(error) in aws_codes.GONE:
                raise Gone(f"{operation}: {error_code(error)}") from error
            raise
