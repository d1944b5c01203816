"""What `doctor` reads from AWS: on moto's server, or on botocore's model for what moto lacks."""

import json
import shlex
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from countermand.aws.clients import Clients
from countermand.aws.inspect import AwsSetup
from countermand.aws.provision import Names, provision
from countermand.core.errors import Denied, Gone
from countermand.core.rules.routing import routes_of
from countermand.deployment.doctor.deployed import Deployed
from countermand.deployment.doctor.examine import checked
from countermand.deployment.doctor.result import CheckResult, Status
from countermand.settings import Settings
from support.aws_setup import RULES, not_ok, options_of

pytestmark = pytest.mark.dynamodb
OWNER = "210987654321"
ROLE = f"arn:aws:iam::{OWNER}:role/countermand-worker"


class OutsideOfTheLab(AwsSetup):
    """Moto, taken for AWS: what an emulator is spared is checked too."""

    @property
    def is_emulated(self) -> bool:
        return False


@pytest.fixture
def clients(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Clients:
    """Clients of an account that no other test of the server uses."""
    endpoint = dynamodb.meta.endpoint_url
    sts = boto3.client(
        "sts",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    given = sts.assume_role(RoleArn=ROLE, RoleSessionName="doctor")["Credentials"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", given["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", given["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", given["SessionToken"])
    return Clients("us-east-1")


@pytest.fixture
def subject(clients: Clients) -> Deployed:
    """A stack of its own names, provisioned for two rules, with a trail."""
    names = Names(queue="doctor", dlq="doctor-dlq", topic="doctor", rule_prefix="countermand")
    stack = provision(clients, routes_of(RULES), names)
    settings = Settings(
        queue_url=stack.queue_url,
        dlq_url=stack.dlq_url,
        topic_arn=stack.topic_arn,
        log_group=stack.log_group,
        own_role_arn=ROLE,
        ledger_url="dynamodb:doctor",
    )
    trails, s3 = clients.get("cloudtrail"), clients.get("s3")
    s3.create_bucket(Bucket="doctor")
    if "doctor" not in {trail["Name"] for trail in trails.describe_trails()["trailList"]}:
        trails.create_trail(Name="doctor", S3BucketName="doctor", IsMultiRegionTrail=True)
    trails.start_logging(Name="doctor")
    return Deployed(settings, clients.caller(), OutsideOfTheLab(clients), RULES)


def found(subject: Deployed) -> dict[str, CheckResult]:
    return not_ok(checked(subject))


def test_doctor_reads_a_real_setup(subject: Deployed, clients: Clients) -> None:
    """Moto has no simulator of permissions: that is said, and is not ok."""
    rows = found(subject)
    assert rows.keys() == {"ledger", "target DLQ", "permissions"}
    assert rows["permissions"].status is Status.NOT_CHECKED
    fix = options_of(rows["ledger"].fix)
    definition = {"".join(map(str.capitalize, n.split("-"))): v for n, v in fix.items()}
    clients.get("dynamodb").create_table(
        TableName=definition["TableName"],
        BillingMode=definition["BillingMode"],
        AttributeDefinitions=json.loads(definition["AttributeDefinitions"]),
        KeySchema=json.loads(definition["KeySchema"]),
        GlobalSecondaryIndexes=json.loads(definition["GlobalSecondaryIndexes"]),
    )
    assert "no TTL" in found(subject)["ledger retention"].detail


def test_doctor_reads_the_key_and_its_fix_works(subject: Deployed, clients: Clients) -> None:
    kms, sqs, url = clients.get("kms"), clients.get("sqs"), subject.settings.queue_url
    key = kms.create_key()["KeyMetadata"]["Arn"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": key})
    broken = found(subject)["queue encryption"]
    assert broken.status is Status.FAILS
    assert "no statement allows kms:GenerateDataKey to events.amazonaws.com" in broken.detail
    policy = options_of(broken.fix)["policy"]
    assert len(json.loads(policy)["Statement"]) == 2  # the account keeps its own
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    assert "queue encryption" not in found(subject)
    kms.disable_key(KeyId=key.rpartition("/")[2])
    assert "is Disabled" in found(subject)["queue encryption"].detail


def test_doctor_sees_that_a_real_trail_stopped(subject: Deployed, clients: Clients) -> None:
    clients.get("cloudtrail").stop_logging(Name="doctor")
    stopped = found(subject)["trail"]
    assert "does not log" in stopped.detail
    clients.get("cloudtrail").start_logging(Name="doctor")
    assert "trail" not in found(subject)
    reads = [{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}]
    clients.get("cloudtrail").put_event_selectors(TrailName="doctor", EventSelectors=reads)
    assert "management events that write" in found(subject)["trail"].detail
    assert shlex.split(stopped.fix)[:3] == ["aws", "cloudtrail", "start-logging"]


def test_doctor_sees_a_rule_on_another_bus(subject: Deployed, clients: Clients) -> None:
    events, (name, *_) = clients.get("events"), subject.routes
    pattern = events.describe_rule(Name=name)["EventPattern"]
    events.create_event_bus(Name="security")
    events.put_rule(Name=name, EventBusName="security", EventPattern=pattern)
    events.remove_targets(Rule=name, Ids=["countermand-queue"])
    events.delete_rule(Name=name)
    row = found(subject)["EventBridge rules"]
    assert f"missing: {name} (it is on the bus security" in row.detail
    events.delete_rule(Name=name, EventBusName="security")
    events.delete_event_bus(Name="security")


@pytest.mark.parametrize(
    "read",
    [
        lambda aws: aws.queue("http://x/210987654321/none"),
        lambda aws: aws.queue_by_arn("arn:aws:sqs:us-east-1:210987654321:none"),
        lambda aws: aws.topic("arn:aws:sns:us-east-1:210987654321:none"),
        lambda aws: aws.key("arn:aws:kms:us-east-1:210987654321:key/none"),
        lambda aws: aws.table("none"),
    ],
)
def test_what_does_not_exist_is_gone(clients: Clients, read: Any) -> None:
    with pytest.raises(Gone):
        read(AwsSetup(clients))


def test_an_emulator_is_known_by_its_host(clients: Clients) -> None:
    assert AwsSetup(clients).is_emulated


# --- the simulator of permissions, which moto lacks


def simulator() -> tuple[AwsSetup, Stubber]:
    client = boto3.client(
        "iam", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    stubber = Stubber(client)
    stubber.activate()
    return AwsSetup(cast("Clients", SimpleNamespace(get=lambda _: client))), stubber


ASKED = {
    "PolicySourceArn": ROLE,
    "ActionNames": ["iam:GetUser", "iam:DetachUserPolicy", "iam:GetRole"],
    "ResourceArns": ["arn:aws:iam::210987654321:user/*"],
    "ContextEntries": [
        {
            "ContextKeyName": "iam:PolicyARN",
            "ContextKeyValues": ["arn:x"],
            "ContextKeyType": "string",
        }
    ],
}


def refused(aws: AwsSetup) -> list[str]:
    (resource,) = ASKED["ResourceArns"]
    actions = cast("list[str]", ASKED["ActionNames"])
    return list(aws.refused(ROLE, actions, str(resource), {"iam:PolicyARN": "arn:x"}))


def test_an_action_without_an_answer_is_refused() -> None:
    """Each page counts, and what the simulator leaves out is not allowed."""
    aws, stubber = simulator()
    first = {"EvalActionName": "iam:GetUser", "EvalDecision": "allowed"}
    second = {"EvalActionName": "iam:DetachUserPolicy", "EvalDecision": "implicitDeny"}
    page = {"EvaluationResults": [first], "IsTruncated": True, "Marker": "m"}
    stubber.add_response("simulate_principal_policy", page, ASKED)
    last = {"EvaluationResults": [second], "IsTruncated": False}
    stubber.add_response("simulate_principal_policy", last, ASKED | {"Marker": "m"})
    assert refused(aws) == ["iam:DetachUserPolicy", "iam:GetRole"]
    stubber.assert_no_pending_responses()


def test_a_denied_simulation_is_an_error() -> None:
    aws, stubber = simulator()
    stubber.add_client_error("simulate_principal_policy", "AccessDenied")
    with pytest.raises(Denied):
        refused(aws)
