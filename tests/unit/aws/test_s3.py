"""Recorded events in a bucket, read through moto's server by the clients of the service."""

import gzip
import json
from typing import Any

import pytest

from countermand.aws.clients import Clients
from countermand.aws.cloud import AwsCloud
from countermand.aws.s3 import objects
from countermand.core.envelope import attach_event
from countermand.core.errors import ConfigError, Gone, Transient
from support.fakes import ACCOUNT

pytestmark = pytest.mark.dynamodb


@pytest.fixture
def clients(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Clients:
    monkeypatch.setenv("AWS_ENDPOINT_URL", dynamodb.meta.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return Clients("us-east-1")


def test_objects_under_a_prefix_are_read(clients: Clients) -> None:
    """Folders that the console made are skipped, and the bodies come as they are."""
    s3 = clients.get("s3")
    s3.create_bucket(Bucket="recorded")
    records = gzip.compress(json.dumps({"Records": [attach_event(ACCOUNT, "a")]}).encode())
    for key, body in (("AWSLogs/", b""), ("AWSLogs/a.json.gz", records), ("other", b"x")):
        s3.put_object(Bucket="recorded", Key=key, Body=body)
    found = list(objects(AwsCloud(clients), "s3://recorded/AWSLogs/"))
    ((url, body),) = [(url, each.read(1 << 20)) for url, each in found]
    assert url == "s3://recorded/AWSLogs/a.json.gz"
    assert body == records


def test_a_bucket_that_is_not_there_is_an_error(clients: Clients) -> None:
    with pytest.raises((Gone, Transient)):
        list(objects(AwsCloud(clients), "s3://not-there/x"))


def test_a_prefix_without_a_bucket_is_refused(clients: Clients) -> None:
    with pytest.raises(ConfigError, match="no bucket"):
        list(objects(AwsCloud(clients), "s3:///x"))
