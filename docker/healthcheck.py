"""Ask the worker in this container for its health; exit with 0 or 1 and print the reason.

    healthcheck.py /livez|/readyz

It runs every few seconds, so it uses only the standard library and starts quickly.
"""

import os
import sys
import urllib.error
import urllib.request

_EVERYWHERE = {
    "": "127.0.0.1",
    "0.0.0.0": "127.0.0.1",  # noqa: S104 - a lookup, not a bind
    "::": "[::1]",
}
"""Where to call an API that listens on all addresses."""
_SECONDS = 4
# A proxy from the environment cannot reach into this container.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main() -> int:
    """Call the API at the address in the worker's own settings."""
    host = os.environ.get("COUNTERMAND_API_HOST", "").strip()
    port = os.environ.get("COUNTERMAND_API_PORT", "").strip() or "8080"
    address = _EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)
    url = f"http://{address}:{port}{sys.argv[1]}"
    try:
        with _opener.open(url, timeout=_SECONDS) as answer:
            print(answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.read().decode())
        return 1
    except OSError as error:
        print(f"{url}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
