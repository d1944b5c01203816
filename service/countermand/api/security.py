"""Middleware: the bearer token, and headers that keep answers out of caches and browsers."""

import hmac
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countermand.api.problems import DETAILS, SECURITY_HEADERS, problem

OPEN_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})
"""No token asked: kubelet and Prometheus have none, and nothing here names a user."""


class SecurityHeaders:
    """ASGI middleware: headers that keep answers out of caches and out of a browser's hands."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(k.encode(), v.encode()) for k, v in SECURITY_HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = [(k, v) for k, v in message["headers"] if k.decode() not in SECURITY_HEADERS]
                message["headers"] = [*ours, *self._headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BearerGuard:
    """ASGI middleware: asks for the token before routing, so that a path that nobody thought of,
    and the difference between 404 and 405, are behind it too.
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
        """Bytes throughout: a header may hold any of them."""
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        same = hmac.compare_digest(token.strip(), self._token)
        return same and scheme.lower() == b"bearer"
