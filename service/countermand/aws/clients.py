"""AWS clients: made once, shared by all threads, with timeouts that fit the worker's deadline.

Botocore reads the endpoint of an emulator (LocalStack, moto) from AWS_ENDPOINT_URL. No code here
knows about emulators.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from botocore.config import Config
from botocore.loaders import JSONFileLoader, create_loader
from botocore.session import Session, get_session

from countermand import __version__
from countermand.aws.errors import configured, translated

_CONNECT_SECONDS = 2
_READ_SECONDS = 5
_ATTEMPTS = 3
_POLL_MARGIN_SECONDS = 5


class _ModelLoader(JSONFileLoader):  # type: ignore[misc]  # botocore has no types
    """A loader that drops the parts of botocore's data that a worker never reads.

    These are the documentation, and the regions of services that are in every region: 9 MB of the
    80 MB that a worker may use.
    """

    def _load_file(self, full_path: str, open_method: Callable[..., IO[bytes]]) -> Any:
        if not Path(full_path).is_file():
            return None
        with open_method(full_path, "rb") as file:
            return json.loads(file.read(), object_hook=_what_is_needed)


def _what_is_needed(data: dict[str, Any]) -> dict[str, Any]:
    if isinstance(data.get("documentation"), str):
        del data["documentation"]
    for parameter in data.get("clientContextParams", {}).values():
        parameter.setdefault("documentation", "")  # botocore reads it in each call of S3
    # A service without an entry follows the rules of its partition, and so do most services with
    # one. Services with one endpoint for the whole partition, such as IAM, keep their entry.
    if isinstance(data.get("services"), dict) and "dnsSuffix" in data:
        listed = data["services"].items()
        data["services"] = {name: of for name, of in listed if "partitionEndpoint" in of}
    return data


def _session() -> Session:
    session = get_session()
    loader = create_loader(session.get_config_variable("data_path"))
    loader.file_loader = _ModelLoader()
    session.register_component("data_loader", loader)
    return session


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal of the credentials, from sts:GetCallerIdentity."""

    account_id: str
    arn: str

    @property
    def role_arn(self) -> str | None:
        """The role behind an assumed-role session, at path `/`, or None for any other caller.

        The ARN of a session does not contain the path of the role. A role at another path must be
        configured.
        """
        prefix, _, rest = self.arn.partition(":assumed-role/")
        if not rest:
            return None
        partition = prefix.split(":")[1]
        return f"arn:{partition}:iam::{self.account_id}:role/{rest.split('/')[0]}"


class Clients:
    """The clients of a process, each made once: making a client is not thread-safe."""

    def __init__(self, region: str, threads: int = 4) -> None:
        self._region = region
        self._pool = threads + 4
        with configured():
            self._session = _session()
        self._made: dict[str, Any] = {}

    def get(self, service: str) -> Any:
        """Return the client of a service. The first call makes it, in the main thread."""
        if service not in self._made:
            self._made[service] = self._make(service, self._config(_READ_SECONDS, _ATTEMPTS))
        return self._made[service]

    def in_region(self, service: str, region: str) -> Any:
        """Make a client for another region: IAM has its events in us-east-1 only."""
        return self._make(service, self._config(_READ_SECONDS, _ATTEMPTS), region)

    def polling_sqs(self, wait_seconds: int) -> Any:
        """Make the SQS client for the long poll: it waits longer than SQS, and never retries."""
        return self._make("sqs", self._config(wait_seconds + _POLL_MARGIN_SECONDS, attempts=1))

    def caller(self) -> Caller:
        """Return the principal of the credentials."""
        with translated("sts", "GetCallerIdentity"):
            answer = self.get("sts").get_caller_identity()
        return Caller(answer["Account"], answer["Arn"])

    def _config(self, read_seconds: int, attempts: int) -> Config:
        return Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=read_seconds,
            retries={"total_max_attempts": attempts, "mode": "standard"},
            max_pool_connections=self._pool,
            user_agent_extra=f"countermand/{__version__}",
        )

    def _make(self, service: str, config: Config, region: str | None = None) -> Any:
        name = region or self._region
        with configured():
            return self._session.create_client(service, region_name=name, config=config)
