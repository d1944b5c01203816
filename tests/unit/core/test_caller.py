"""The caller block, for every type of identity that CloudTrail's user guide describes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.core.caller import Caller, Via, caller_of
from support.callers import CASES, CLI, USER, a_detail, a_session


@pytest.mark.parametrize(("detail", "expected"), CASES.values(), ids=CASES)
def test_each_type_of_identity_is_described(
    detail: dict[str, Any], expected: dict[str, Any]
) -> None:
    caller = caller_of(detail)
    assert {name: getattr(caller, name) for name in expected} == expected


@pytest.mark.parametrize("detail", [case[0] for case in CASES.values()], ids=CASES)
def test_address_agent_and_request_are_kept(detail: dict[str, Any]) -> None:
    caller = caller_of(detail)
    assert caller.source_ip == detail["sourceIPAddress"]
    assert caller.user_agent == detail["userAgent"]
    assert caller.request_id == "b1e2"


@pytest.mark.parametrize(
    ("agent", "via"),
    [
        (CLI, Via.CLI),
        ("[aws-cli/1.18 Python/3.8 Linux/5.4 botocore/1.17]", Via.CLI),
        ("aws-cli/2.9 exec-env/CloudShell", Via.CLI),
        ("AWSPowerShell.Common/4.1.14.0 .NET_Core/3.1", Via.CLI),
        ("Boto3/1.26 Python/3.11 Linux/6.1 Botocore/1.29", Via.SDK),
        ("aws-sdk-go-v2/1.16 os/linux lang/go/1.18", Via.SDK),
        ("aws-sdk-java/2.20", Via.SDK),
        ("[S3Console/0.4, aws-internal/3]", Via.CONSOLE),
        ("console.amazonaws.com", Via.CONSOLE),
        ("APN/1.0 HashiCorp/1.0 Terraform/1.5.7 aws-sdk-go/1.44", Via.TERRAFORM),
        ("APN/1.0 OpenTofu/1.8 terraform-provider-aws/5.9", Via.TERRAFORM),
        ("APN/1.0 Pulumi/1.0 PulumiAWS/6.1 aws-sdk-go-v2/1.2", Via.PULUMI),
        ("cloudformation.amazonaws.com", Via.UNKNOWN),
        ("python-requests/2.31", Via.UNKNOWN),
        ("", Via.UNKNOWN),
    ],
)  # fmt: skip
def test_the_user_agent_names_the_tool(agent: str, via: Via) -> None:
    assert caller_of(a_detail(USER, userAgent=agent)).via is via


@pytest.mark.parametrize(
    "fields",
    [
        {"sourceIPAddress": "cloudformation.amazonaws.com"},
        {"sessionCredentialFromConsole": True},
        {"sourceIPAddress": "AWS Internal"},
        {"sourceIPAddress": "config.amazonaws.com.cn"},
    ],
    ids=lambda fields: " ".join(map(str, fields.values())),
)
def test_what_aws_sets_outweighs_the_user_agent(fields: dict[str, Any]) -> None:
    """A caller cannot pass for a tool by its user agent where AWS knows better."""
    assert caller_of(a_detail(USER, **fields)).via not in {Via.CLI, Via.UNKNOWN}


@pytest.mark.parametrize("detail", [None, [], "x", {}, {"userIdentity": []}], ids=repr)
def test_an_event_without_identity_has_an_empty_caller(detail: object) -> None:
    assert caller_of(detail) == Caller()


@pytest.mark.parametrize("value", [None, 7, True, [], {}, "", ["x"], {"a": "b"}], ids=repr)
def test_a_wrong_type_is_left_out(value: object) -> None:
    identity = dict.fromkeys([*a_session(), "userName", "invokedBy", "onBehalfOf"], value)
    caller = caller_of(dict.fromkeys(a_detail(0), value) | {"userIdentity": identity})
    assert caller == Caller()


def test_a_long_value_is_cut() -> None:
    caller = caller_of(a_detail(USER, userAgent="x" * 10_000))
    assert caller.user_agent == "x" * 1024


JSON = st.none() | st.booleans() | st.text() | st.dictionaries(st.text(), st.text())


@given(st.dictionaries(st.sampled_from(sorted(a_detail(0))), JSON), st.data())
def test_any_document_has_a_caller(detail: dict[str, Any], data: st.DataObject) -> None:
    keys = st.sampled_from(sorted({*USER, *a_session()}))
    detail["userIdentity"] = data.draw(st.dictionaries(keys, JSON))
    assert isinstance(caller_of(detail), Caller)
