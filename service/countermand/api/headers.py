"""Set headers that keep answers out of caches, and keep a browser from running anything in them."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


class SecurityHeaders:
    """ASGI middleware that sets the security headers of every answer."""

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
