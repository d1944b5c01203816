"""The forms that the URL of an SQS queue can have, and what each says about the queue."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from countermand.settings.names import REGION

_HOSTS = tuple(
    re.compile(form)
    for form in (
        rf"sqs(?:-fips)?\.(?P<region>{REGION})\..+",
        rf"(?P<region>{REGION})\.queue\..+",
        rf"(?:.+\.)?sqs(?:-fips)?\.(?P<region>{REGION})\.vpce\..+",
    )
)
"""The standard, FIPS and dual-stack host, the legacy host, and that of a VPC endpoint, each with
the domain of any partition or emulator.
https://docs.aws.amazon.com/general/latest/gr/sqs-service.html"""
_OLDEST_HOST, _ITS_REGION = "queue.amazonaws.com", "us-east-1"
_PATH = re.compile(r"/(?P<account>[0-9]{12})/(?P<name>[A-Za-z0-9_-]{1,80}(?:\.fifo)?)")


@dataclass(frozen=True, slots=True)
class QueueUrl:
    """What a URL says about its queue; None where an emulator's URL says nothing."""

    region: str | None
    account_id: str | None
    name: str

    @property
    def is_fifo(self) -> bool:
        """Whether the queue keeps the order of its messages."""
        return self.name.endswith(".fifo")

    @property
    def is_complete(self) -> bool:
        """Whether the path names a queue, if the host is one of SQS."""
        return self.region is None or self.account_id is not None

    def is_beside(self, other: "QueueUrl") -> bool:
        """Whether both queues are in the same region and account."""
        return (self.region, self.account_id) == (other.region, other.account_id)


def read_queue_url(url: str) -> QueueUrl:
    """Read the URL of a queue in any form that SQS accepts."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    region = _ITS_REGION if host == _OLDEST_HOST else None
    for form in _HOSTS:
        if found := form.fullmatch(host):
            region = found["region"]
    path = _PATH.fullmatch(parts.path)
    name = path["name"] if path else parts.path.rpartition("/")[2]
    return QueueUrl(region, path["account"] if path else None, name)
