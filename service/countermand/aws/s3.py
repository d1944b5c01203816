"""Read the objects under a prefix of an S3 bucket, one after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from countermand.aws.errors import translated
from countermand.core.errors import ConfigError
from countermand.ports import Cloud

SCHEME = "s3://"


@dataclass(frozen=True, slots=True)
class S3Object:
    """The body of an object. It is read in pieces, as a file is."""

    body: Any

    def read(self, size: int, /) -> bytes:
        """Return at most this many bytes; none at the end."""
        with translated("s3", "GetObject"):
            data: bytes = self.body.read(size)
        return data


def objects(cloud: Cloud, url: str) -> Iterator[tuple[str, S3Object]]:
    """Yield the URL and the body of each object under `s3://BUCKET/PREFIX`."""
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise ConfigError(f"{url}: no bucket in it; write {SCHEME}BUCKET/PREFIX")
    for listed in cloud.each("s3:ListObjectsV2", "Contents", Bucket=bucket, Prefix=prefix):
        key = listed["Key"]
        if listed.get("Size", 1) == 0:
            continue  # the console makes an empty object for each folder
        answer = cloud.call("s3:GetObject", Bucket=bucket, Key=key)
        yield f"{SCHEME}{bucket}/{key}", S3Object(answer["Body"])
