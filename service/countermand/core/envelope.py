"""CloudTrail records and EventBridge envelopes in the shape of real ones.

They serve the simulated attack, the demo, replays of raw records, and the tests.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from countermand.core.parse import CLOUDTRAIL_CALL

ADMIN_POLICY = "arn:aws:iam::aws:policy/AdministratorAccess"


def usual_call(account_id: str, actor: str = "mallory") -> dict[str, Any]:
    """Make what the CloudTrail records of most calls have in common: by a user, and successful.

    It lacks the call, and its time and IDs are always the same.
    """
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLEEXAMPLE00",
            "arn": f"arn:aws:iam::{account_id}:user/{actor}",
            "accountId": account_id,
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "userName": actor,
        },
        "eventTime": "2026-01-01T12:00:00Z",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.22.0",
        "requestParameters": None,
        "responseElements": None,
        "requestID": "11111111-2222-3333-4444-555555555555",
        "eventID": "66666666-7777-8888-9999-000000000000",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account_id,
        "eventCategory": "Management",
    }


def attach_event(
    account_id: str,
    user: str,
    policy_arn: str = ADMIN_POLICY,
    *,
    actor: str = "mallory",
    error_code: str | None = None,
) -> dict[str, Any]:
    """Make the CloudTrail record of an AttachUserPolicy call, as in real logs.

    A denied call has `requestParameters: null` and names its target only in the message.
    """
    record = usual_call(account_id, actor) | {
        "eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "iam.amazonaws.com",
        "eventName": "AttachUserPolicy",
        "userAgent": "aws-cli/2.22.0 md/awscrt#0.23.1 command/iam.attach-user-policy",
        "requestParameters": {"userName": user, "policyArn": policy_arn},
        "requestID": str(uuid.uuid4()),
        "eventID": str(uuid.uuid4()),
    }
    if error_code is not None:
        actor_arn = record["userIdentity"]["arn"]
        record["errorCode"] = error_code
        record["errorMessage"] = (
            f"User: {actor_arn} is not authorized to perform: iam:AttachUserPolicy on resource: "
            f"user {user} because no identity-based policy allows the iam:AttachUserPolicy action"
        )
        record["requestParameters"] = None
    return record


_DETAIL_TYPES = {
    "AwsConsoleSignIn": "AWS Console Sign In via CloudTrail",
    "AwsServiceEvent": "AWS Service Event via CloudTrail",
}


def envelope(record: Mapping[str, Any], detail_type: str | None = None) -> dict[str, Any]:
    """Wrap a record as EventBridge delivers it; the record implies the detail type."""
    detail_type = detail_type or _DETAIL_TYPES.get(str(record.get("eventType")), CLOUDTRAIL_CALL)
    source = str(record.get("eventSource", ""))
    return {
        "version": "0",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, ascii(record.get("eventID")))),
        "detail-type": detail_type,
        "source": f"aws.{source.partition('.')[0]}",
        "account": record.get("recipientAccountId"),
        "time": record.get("eventTime"),
        "region": record.get("awsRegion"),
        "resources": [],
        "detail": record,
    }
