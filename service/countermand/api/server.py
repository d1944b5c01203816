"""Serve the API from a thread of the worker's process."""

import threading
import time
from functools import partial
from socket import AF_INET, AF_INET6, create_server

import uvicorn
from fastapi import FastAPI

from countermand.core.errors import ConfigError

_KEEP_ALIVE_SECONDS = 5
_MOST_CONNECTIONS = 200
"""Uvicorn answers 503 to further ones, so that idle clients cannot use up the worker's files."""
_GRACE_SECONDS = 1
_TICK_SECONDS = 0.005


class ApiServer:
    """Uvicorn on its own thread. Signals stay with the main thread."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        """Port 0 takes any free port."""
        self._host = host
        self.port = port
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The URL that it listens on."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether its thread is running."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Return once it listens, with the real `port`. Raises `ConfigError` if it fails."""
        family = AF_INET6 if ":" in self._host else AF_INET
        try:
            listener = create_server((self._host, self.port), family=family)
        except OSError as error:
            raise ConfigError(
                f"COUNTERMAND_API_HOST, COUNTERMAND_API_PORT: cannot listen on {self.url}: "
                f"{error.strerror or error}"
            ) from error
        self.port = listener.getsockname()[1]
        run = partial(self._server.run, sockets=[listener])
        self._thread = threading.Thread(target=run, name="api", daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                listener.close()
                raise ConfigError(f"the API did not start on {self.url}")
            time.sleep(_TICK_SECONDS)

    def stop(self) -> None:
        """Finish the requests in hand, for at most two seconds, and close. Can be repeated."""
        if self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(_GRACE_SECONDS + 1)
        self._thread = None
