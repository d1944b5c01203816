"""Clients read less of botocore's data than it has, and call AWS where botocore would."""

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import EndpointResolutionError
from botocore.session import get_session

from countermand.actions import ALL
from countermand.aws.clients import _session

CALLS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "cloudtrail": ("list_trails", {}),
    "cloudwatch": ("list_metrics", {}),
    "dynamodb": ("list_tables", {}),
    "ec2": ("describe_instances", {}),
    "eks": ("list_clusters", {}),
    "events": ("list_rules", {}),
    "iam": ("list_users", {}),
    "identitystore": ("list_groups", {"IdentityStoreId": "d-0000000000"}),
    "kms": ("list_keys", {}),
    "lambda": ("list_functions", {}),
    "logs": ("describe_log_groups", {}),
    "rolesanywhere": ("list_profiles", {}),
    "s3": ("list_objects_v2", {"Bucket": "a-bucket"}),
    "sns": ("list_topics", {}),
    "sqs": ("list_queues", {}),
    "sso-admin": ("list_instances", {}),
    "sts": ("get_caller_identity", {}),
}


def test_table_has_every_service_of_actions() -> None:
    calls = (c for a in ALL.values() for c in (*a.info.reads, *a.info.writes))
    services = {call.split(":")[0].replace("sso", "sso-admin") for call in calls}
    assert services <= CALLS.keys()


class _SentError(Exception):
    """Instead of sending."""


@pytest.fixture(scope="module")
def sessions() -> tuple[Any, Any]:
    return get_session(), _session()


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-3", "us-gov-west-1", "cn-north-1"])
@pytest.mark.parametrize("fips", [False, True])
@pytest.mark.parametrize("service", CALLS)
def test_endpoints_match_those_of_botocore(
    sessions: tuple[Any, Any],
    service: str,
    region: str,
    fips: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reduced data of botocore leads to the same endpoints."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    usual, ours = (_request(session, service, region, fips=fips) for session in sessions)
    assert ours == usual


def _request(session: Any, service: str, region: str, *, fips: bool) -> tuple[str, str]:
    """Its URL, and for which region and service it is signed."""
    sent: list[tuple[str, str]] = []

    def keep(request: Any, **_: object) -> None:
        sent.append((request.url, request.headers["Authorization"].decode().split(", ")[0]))
        raise _SentError

    client = session.create_client(
        service,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(use_fips_endpoint=fips),
    )
    client.meta.events.register("before-send", keep)
    method, arguments = CALLS[service]
    try:
        getattr(client, method)(**arguments)
    except _SentError:
        return sent[0]
    except EndpointResolutionError as error:  # there is no FIPS for S3 in China
        return "nowhere", str(error)
    raise AssertionError("nothing was sent")
