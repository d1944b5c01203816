"""Ask for the bearer token."""

import hmac
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from countermand.api.problems import DETAILS, problem

OPEN_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})
"""Paths without a token: kubelet and Prometheus have none, and no answer there names a user."""


class BearerGuard:
    """ASGI middleware that asks for the token before routing, so that it also covers unknown paths
    and the difference between 404 and 405.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if self._right(given):
            await self._app(scope, receive, send)
            return
        challenge = 'Bearer realm="countermand"' + (', error="invalid_token"' if given else "")
        headers = {"www-authenticate": challenge}
        response = problem(scope, 401, DETAILS[401], headers=headers)
        await response(scope, receive, send)

    def _right(self, given: Sequence[bytes]) -> bool:
        """Compare bytes, because a header may hold any of them."""
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        same = hmac.compare_digest(token.strip(), self._token)
        return same and scheme.lower() == b"bearer"
