"""Checks on Lambda, Identity Center and CloudTrail, with what no rule's cases hold: other spellings
and hostile values.
"""

import json
from typing import Any

import pytest

from countermand.core.checks.functions import (
    function_is_open,
    function_serves_anybody,
    layer_is_foreign,
)
from countermand.core.checks.policies import permission_set_grants_admin
from countermand.core.checks.trails import records_all_changes, selectors_miss_changes
from countermand.core.envelope import attach_event, envelope
from countermand.core.errors import Malformed
from countermand.core.model import Event
from countermand.core.parse import parse
from support.fakes import ACCOUNT

MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}


def event(request: object) -> Event:
    record = attach_event(ACCOUNT, "someone") | {"requestParameters": request}
    return parse(json.dumps(envelope(record)))


@pytest.mark.parametrize(
    "check",
    [function_is_open, layer_is_foreign, permission_set_grants_admin, selectors_miss_changes],
)
@pytest.mark.parametrize("request_parameters", [None, {"omitted": True}])
def test_an_omitted_request_leaves_the_call_alone(check: Any, request_parameters: object) -> None:
    assert check(event(request_parameters), {"a": "b"}) == {"a": "b"}


@pytest.mark.parametrize(
    ("principal", "summary"),
    [
        ("*", "allows *"),
        ("444455556666", "allows 444455556666"),
        ("arn:aws:iam::444455556666:role/r", "allows arn:aws:iam::444455556666:role/r"),
        ("evil.amazonaws.com.example", "allows evil.amazonaws.com.example"),
        ("AROAEXAMPLEEXAMPLE00", "allows AROAEXAMPLEEXAMPLE00"),
        ("", "allows "),
        (ACCOUNT, None),
        (f"arn:aws:iam::{ACCOUNT}:root", None),
    ],
)
def test_who_may_call_a_function(principal: str, summary: str | None) -> None:
    found = function_is_open(event({"principal": principal}), {})
    assert found == (None if summary is None else {"summary": summary})


@pytest.mark.parametrize("principal", [None, 1, ["*"], {"AWS": "*"}])
@pytest.mark.parametrize("check", [function_is_open, function_serves_anybody])
def test_a_principal_of_another_type_is_malformed(check: Any, principal: object) -> None:
    with pytest.raises(Malformed, match="principal"):
        check(event({"principal": principal}), {})


OWN_TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:t"
BUCKET = "arn:aws:s3:::a-bucket"


@pytest.mark.parametrize(
    "source",
    [
        {"sourceAccount": ACCOUNT},
        {"sourceArn": OWN_TOPIC},
        {"sourceArn": f"arn:aws:execute-api:eu-west-1:{ACCOUNT}:abc/*/GET/"},
        {"sourceAccount": ACCOUNT, "sourceArn": BUCKET},
        {"sourceAccount": ACCOUNT, "sourceArn": "arn:aws:sns:*:*:*"},
        {"sourceAccount": "444455556666", "sourceArn": OWN_TOPIC},
        {"sourceArn": BUCKET},
        {"sourceArn": "arn:aws:s3:::a-*"},
        {"eventSourceToken": "amzn1.ask.skill.1"},
        {"principalOrgID": "o-example"},
    ],
)
def test_a_service_for_the_own_account_is_no_risk(
    source: dict[str, str],
) -> None:
    for principal in ("sns.amazonaws.com", "elasticloadbalancing.amazonaws.com"):
        request = {"principal": principal, **source}
        assert function_is_open(event(request), {}) is None
        assert function_serves_anybody(event(request), {}) is None


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ({"sourceAccount": "444455556666"}, "444455556666"),
        ({"sourceArn": "arn:aws:sns:eu-west-1:444455556666:t"}, "444455556666"),
        ({"sourceArn": "arn:aws:sns:*:*:*"}, "*"),
        ({"sourceArn": f"arn:aws:sns:eu-west-1:{ACCOUNT[:3]}*:t"}, f"{ACCOUNT[:3]}*"),
        ({"sourceAccount": "444455556666", "sourceArn": BUCKET}, "444455556666"),
    ],
)
def test_a_service_for_another_account_is_a_risk(source: dict[str, str], named: str) -> None:
    request = {"principal": "sns.amazonaws.com", **source}
    assert function_is_open(event(request), {}) == {
        "summary": f"allows sns.amazonaws.com for {named}"
    }
    assert function_serves_anybody(event(request), {}) is None


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"sourceArn": "*"},
        {"sourceArn": "arn:aws:s3:::*"},
        {"sourceArn": 7},
        {"sourceAccount": ""},
    ],
)
def test_a_service_for_any_account(source: dict[str, object]) -> None:
    """A service for any account has its own check."""
    request = {"principal": "s3.amazonaws.com", **source}
    assert function_is_open(event(request), {}) is None
    found = function_serves_anybody(event(request), {"a": "b"})
    assert found == {"a": "b", "summary": "allows s3.amazonaws.com for any account"}


@pytest.mark.parametrize("request_parameters", [None, {"omitted": True}])
def test_an_omitted_request_makes_one_finding(request_parameters: object) -> None:
    assert function_serves_anybody(event(request_parameters), {}) is None


@pytest.mark.parametrize("principal", ["*", ACCOUNT, "444455556666", "evil.amazonaws.com.example"])
def test_an_account_is_not_a_service(principal: str) -> None:
    assert function_serves_anybody(event({"principal": principal}), {}) is None


@pytest.mark.parametrize("layers", [None, [], 1, {}, [None, 1, {}], "x" * 0])
def test_a_function_without_layers(layers: object) -> None:
    """A function without layers has no layers of others."""
    found = layer_is_foreign(event({"layers": layers}), {})
    assert found is None or layers == ""


def test_a_layer_is_shown_bounded() -> None:
    found = layer_is_foreign(event({"layers": ["arn:aws:lambda:x:4:layer:" + "y" * 999]}), {})
    assert found is not None
    assert len(found["summary"]) == len("layer ") + 200


@pytest.mark.parametrize(
    ("selector", "all_changes"),
    [
        ({}, True),
        ({"ReadWriteType": "All"}, True),
        ({"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}, True),
        ({"ExcludeManagementEventSources": ["kms.amazonaws.com", "rdsdata.amazonaws.com"]}, True),
        ({"ReadWriteType": "ReadOnly"}, False),
        ({"IncludeManagementEvents": False}, False),
        ({"ExcludeManagementEventSources": ["iam.amazonaws.com"]}, False),
        ({"ReadWriteType": ["All"]}, False),
        ({"ReadWriteType": 1}, False),
    ],
)
def test_a_basic_selector_may_miss_changes(selector: dict[str, object], all_changes: bool) -> None:
    lowered = {key[0].lower() + key[1:]: value for key, value in selector.items()}
    data_only = {"IncludeManagementEvents": False}
    assert records_all_changes({"EventSelectors": [data_only, selector]}) is all_changes
    assert records_all_changes({"eventSelectors": [lowered]}) is all_changes


@pytest.mark.parametrize(
    ("fields", "all_changes"),
    [
        ([MANAGEMENT], True),
        ([MANAGEMENT, {"Field": "readOnly", "Equals": ["false"]}], True),
        ([MANAGEMENT, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}], True),
        ([MANAGEMENT, {"Field": "readOnly", "Equals": ["true"]}], False),
        ([MANAGEMENT, {"Field": "readOnly", "NotEquals": ["false"]}], False),
        ([MANAGEMENT, {"Field": "eventSource", "NotEquals": ["iam.amazonaws.com"]}], False),
        ([MANAGEMENT, {"Field": "eventSource", "Equals": ["kms.amazonaws.com"]}], False),
        ([MANAGEMENT, {"Field": "eventSource", "NotStartsWith": ["iam"]}], False),
        ([{**MANAGEMENT, "NotEquals": ["x"]}], False),
        ([{"Field": "eventCategory", "Equals": ["Data"]}], False),
        ([], False),
        ([{}], False),
        (["eventCategory"], False),
    ],
)
def test_an_advanced_selector_may_miss_changes(fields: list[Any], all_changes: bool) -> None:
    assert records_all_changes({"AdvancedEventSelectors": [{"FieldSelectors": fields}]}) is (
        all_changes
    )


@pytest.mark.parametrize("value", [None, 1, "x", {}, [1], [None], [[]]])
def test_selectors_of_an_odd_form_record_nothing(value: object) -> None:
    for key in ("eventSelectors", "advancedEventSelectors"):
        # An object in the place of the list is read as its only element.
        wanted = key == "eventSelectors" and value == {}
        assert records_all_changes({key: value}) is wanted
