"""A client of our own API, for the commands that wait for a decision."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from countermand.core.errors import Transient

_POLL_SECONDS = 0.2


class DecisionsApi:
    """Asks a running worker's API for decisions."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def find(self, **filters: str) -> list[dict[str, Any]]:
        """`GET /decisions`, newest first. Raises `Transient` when the API does not answer."""
        answer = self._get(f"/decisions?{urllib.parse.urlencode(filters)}")
        decisions: list[dict[str, Any]] = answer["decisions"]
        return decisions

    def wait_for(
        self, wanted: Callable[[dict[str, Any]], bool], seconds: float, **filters: str
    ) -> dict[str, Any] | None:
        """Poll until a decision is as wanted, or None after so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = next((d for d in self.find(**filters) if wanted(d)), None)
            if found is not None:
                return found
            time.sleep(_POLL_SECONDS)
        return None

    def _get(self, path: str) -> dict[str, Any]:
        request = urllib.request.Request(self._url + path, headers=self._headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
                document: dict[str, Any] = json.load(answer)
                return document
        except urllib.error.HTTPError as error:
            raise Transient(f"{self._url}{path} answered {error.code} {error.reason}") from error
        except (OSError, ValueError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            why = reason.strerror if isinstance(reason, OSError) and reason.strerror else reason
            raise Transient(
                f"{self._url} does not answer ({why}). Is the worker running, and is its API there?"
            ) from error
