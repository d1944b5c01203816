"""The adapters against botocore's own model of each service: what is asked, and what is read."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from countermand.aws.clients import Caller
from countermand.aws.cloud import AwsCloud
from countermand.aws.iam import IamIdentities
from countermand.aws.sns import SnsTopic
from countermand.aws.sqs import SqsQueue
from countermand.core.errors import Denied, Gone, Permanent, Transient
from countermand.core.model import Principal, Subject, SubjectKind
from countermand.ports import Message
from support.fakes import ACCOUNT, ADMIN, NOW

QUEUE_URL = f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/countermand"
TOPIC_ARN = f"arn:aws:sns:us-east-1:{ACCOUNT}:countermand-alerts"
LIMITS = f"arn:aws:iam::{ACCOUNT}:policy/limits"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"

type Stubs = Callable[[str], Stubber]


@pytest.fixture
def stubbed() -> Iterator[Stubs]:
    """Clients that reach nobody: an unexpected call, or one that does not come, is a failure."""
    made: list[Stubber] = []

    def make(service: str) -> Stubber:
        client = boto3.client(
            service,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        stubber = Stubber(client)
        stubber.activate()
        made.append(stubber)
        return stubber

    yield make
    for stubber in made:
        stubber.assert_no_pending_responses()
        stubber.client.close()


# --- SQS


class Sqs:
    def __init__(self, stubbed: Stubs) -> None:
        self.shared, self.polling = stubbed("sqs"), stubbed("sqs")
        self.queue = SqsQueue(self.shared.client, self.polling.client, QUEUE_URL, 60)


@pytest.fixture
def sqs(stubbed: Stubs) -> Sqs:
    return Sqs(stubbed)


def message(number: int) -> Message:
    return Message(f"m{number}", "body", f"receipt-{number}", 1)


RECEIVE = {
    "QueueUrl": QUEUE_URL,
    "MaxNumberOfMessages": 10,
    "WaitTimeSeconds": 20,
    "VisibilityTimeout": 60,
    "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
}


def test_polling_client_receives_messages(sqs: Sqs) -> None:
    """The long poll uses its own client."""
    received = {
        "MessageId": "m1",
        "Body": "body",
        "ReceiptHandle": "receipt-1",
        "Attributes": {"ApproximateReceiveCount": "3"},
    }
    sqs.polling.add_response("receive_message", {"Messages": [received]}, RECEIVE)
    assert sqs.queue.receive(10, 20) == [Message("m1", "body", "receipt-1", 3)]


def test_an_empty_poll_gives_no_messages(sqs: Sqs) -> None:
    sqs.polling.add_response("receive_message", {}, RECEIVE)
    assert list(sqs.queue.receive(10, 20)) == []


def test_one_message_is_deleted_by_itself(sqs: Sqs) -> None:
    wanted = {"QueueUrl": QUEUE_URL, "ReceiptHandle": "receipt-1"}
    sqs.shared.add_response("delete_message", {}, wanted)
    assert list(sqs.queue.delete([message(1)])) == []


def test_failed_deletions_are_returned(sqs: Sqs) -> None:
    """Several messages are deleted by one call, and the failed ones returned."""
    entries = [{"Id": str(i), "ReceiptHandle": f"receipt-{i}"} for i in range(3)]
    failed = {"Id": "1", "SenderFault": False, "Code": "InternalError"}
    answer = {"Successful": [{"Id": "0"}, {"Id": "2"}], "Failed": [failed]}
    sqs.shared.add_response(
        "delete_message_batch", answer, {"QueueUrl": QUEUE_URL, "Entries": entries}
    )
    assert list(sqs.queue.delete([message(0), message(1), message(2)])) == [message(1)]


def test_both_receipts_of_a_message_are_deleted(sqs: Sqs) -> None:
    """A message that SQS delivered twice has two receipts."""
    twice = [Message("m1", "body", "receipt-a", 1), Message("m1", "body", "receipt-b", 2)]
    entries = [{"Id": "0", "ReceiptHandle": "receipt-a"}, {"Id": "1", "ReceiptHandle": "receipt-b"}]
    sqs.shared.add_response(
        "delete_message_batch",
        {"Successful": [{"Id": "0"}, {"Id": "1"}], "Failed": []},
        {"QueueUrl": QUEUE_URL, "Entries": entries},
    )
    assert list(sqs.queue.delete(twice)) == []


@pytest.mark.parametrize(
    ("seconds", "asked"), [(0, 0), (-1, 0), (7.4, 8), (7.6, 8), (43_200, 43_200), (1e6, 43_200)]
)
def test_message_is_returned_within_sqs_limits(sqs: Sqs, seconds: float, asked: int) -> None:
    """The visibility timeout stays between 0 seconds and 12 hours."""
    wanted = {"QueueUrl": QUEUE_URL, "ReceiptHandle": "receipt-1", "VisibilityTimeout": asked}
    sqs.shared.add_response("change_message_visibility", {}, wanted)
    sqs.queue.return_in([message(1)], seconds)


def test_failed_returns_are_named(sqs: Sqs) -> None:
    """Several messages are returned by one call, and the failed ones named."""
    entries = [
        {"Id": str(n), "ReceiptHandle": f"receipt-{n}", "VisibilityTimeout": 60} for n in (0, 1)
    ]
    failed = {"Id": "1", "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}
    sqs.shared.add_response(
        "change_message_visibility_batch",
        {"Successful": [{"Id": "0"}], "Failed": [failed]},
        {"QueueUrl": QUEUE_URL, "Entries": entries},
    )
    assert sqs.queue.return_in([message(0), message(1)], 60) == [message(1)]


def test_a_failed_call_to_sqs_is_described(sqs: Sqs) -> None:
    sqs.polling.add_client_error("receive_message", "AccessDeniedException")
    with pytest.raises(Denied, match="sqs:ReceiveMessage failed: AccessDeniedException"):
        sqs.queue.receive(1, 0)
    sqs.shared.add_client_error("delete_message", "InternalError")
    with pytest.raises(Transient, match="sqs:DeleteMessage failed"):
        sqs.queue.delete([message(1)])
    sqs.shared.add_client_error("delete_message_batch", "InternalError")
    with pytest.raises(Transient, match="sqs:DeleteMessageBatch failed"):
        sqs.queue.delete([message(1), message(2)])
    sqs.shared.add_client_error("change_message_visibility", "InvalidParameterValue")
    with pytest.raises(Permanent, match="sqs:ChangeMessageVisibility failed"):
        sqs.queue.return_in([message(1)], 1)


# --- SNS


@pytest.mark.parametrize("attributes", [{}, {"severity": "critical", "account_id": ACCOUNT}])
def test_alert_is_published_as_json(stubbed: Stubs, attributes: dict[str, str]) -> None:
    """An alert has the message structure json and string attributes."""
    sns = stubbed("sns")
    wanted = {
        "TopicArn": TOPIC_ARN,
        "Subject": "subject",
        "Message": '{"default": "x"}',
        "MessageStructure": "json",
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()
        },
    }
    sns.add_response("publish", {"MessageId": "message-7"}, wanted)
    topic = SnsTopic(sns.client, TOPIC_ARN)
    assert topic.publish("subject", '{"default": "x"}', attributes) == "message-7"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AuthorizationError", Denied),
        ("KMSAccessDenied", Denied),
        ("InvalidParameter", Permanent),
        ("InternalError", Transient),
        ("NotFound", Transient),
    ],
)
def test_a_failed_publish_is_described(stubbed: Stubs, code: str, kind: type[Exception]) -> None:
    sns = stubbed("sns")
    sns.add_client_error("publish", code)
    with pytest.raises(kind, match=f"^sns:Publish failed: {code}$"):
        SnsTopic(sns.client, TOPIC_ARN).publish("subject", "{}", {})


# --- IAM

KINDS = [kind for kind in SubjectKind if kind.is_principal]


class Iam:
    def __init__(self, stubbed: Stubs) -> None:
        self.stub = stubbed("iam")
        self.identities = IamIdentities(self.stub.client)

    def found(self, kind: SubjectKind) -> None:
        noun = kind.capitalize()
        entity: dict[str, Any] = {
            f"{noun}Name": "Someone",
            f"{noun}Id": "AIDAEXAMPLEEXAMPLE00",
            "Arn": f"arn:aws:iam::{ACCOUNT}:{kind}/team/Someone",
            "Path": "/team/",
            "CreateDate": NOW,
        }
        answer: dict[str, Any] = {noun: entity}
        wanted: dict[str, Any] = {f"{noun}Name": "someone"}
        if kind is SubjectKind.GROUP:
            answer["Users"] = []
            wanted["MaxItems"] = 1
        else:
            entity["PermissionsBoundary"] = {"PermissionsBoundaryArn": LIMITS}
        self.stub.add_response(f"get_{kind}", answer, wanted)

    def tagged(self, kind: SubjectKind, *pages: dict[str, str]) -> None:
        if kind is SubjectKind.GROUP:
            return
        listed = [[{"Key": k, "Value": v} for k, v in page.items()] for page in pages]
        self._paged(f"list_{kind}_tags", "Tags", listed, {f"{kind.capitalize()}Name": "someone"})

    def attached(self, kind: SubjectKind, *pages: list[str]) -> None:
        listed = [[{"PolicyName": "p", "PolicyArn": arn} for arn in page] for page in pages]
        method = f"list_attached_{kind}_policies"
        self._paged(method, "AttachedPolicies", listed, {f"{kind.capitalize()}Name": "someone"})

    def _paged(self, method: str, key: str, pages: list[Any], wanted: dict[str, str]) -> None:
        for number, page in enumerate(pages, start=1):
            marker = {} if number == 1 else {"Marker": f"page-{number}"}
            answer = {key: page, "IsTruncated": number < len(pages)}
            if number < len(pages):
                answer["Marker"] = f"page-{number + 1}"
            self.stub.add_response(method, answer, wanted | marker)


@pytest.fixture
def iam(stubbed: Stubs) -> Iam:
    return Iam(stubbed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_principal_is_read_as_iam_describes_it(iam: Iam, kind: SubjectKind) -> None:
    iam.found(kind)
    iam.tagged(kind, {"SecurityApproved": "true", "Team": "a b"})
    iam.attached(kind, [ADMIN, READ_ONLY])
    can_have_more = kind is not SubjectKind.GROUP
    assert iam.identities.read(Subject(kind, "someone")) == Principal(
        kind=kind,
        name="Someone",
        arn=f"arn:aws:iam::{ACCOUNT}:{kind}/team/Someone",
        unique_id="AIDAEXAMPLEEXAMPLE00",
        path="/team/",
        created=NOW,
        tags={"SecurityApproved": "true", "Team": "a b"} if can_have_more else {},
        policy_arns=frozenset({ADMIN, READ_ONLY}),
        boundary_arn=LIMITS if can_have_more else "",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_all_pages_of_a_principal_are_read(iam: Iam, kind: SubjectKind) -> None:
    iam.found(kind)
    iam.tagged(kind, {"a": "1"}, {}, {"SecurityApproved": "true"})
    iam.attached(kind, [READ_ONLY], [], [ADMIN])
    principal = iam.identities.read(Subject(kind, "someone"))
    assert principal is not None
    assert principal.policy_arns == {ADMIN, READ_ONLY}
    if kind is not SubjectKind.GROUP:
        assert principal.tags == {"a": "1", "SecurityApproved": "true"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", ["NoSuchEntity", "NoSuchEntityException"])
def test_missing_principal_reads_as_nothing(iam: Iam, kind: SubjectKind, code: str) -> None:
    """A principal that does not exist is None."""
    iam.stub.add_client_error(f"get_{kind}", code)
    assert iam.identities.read(Subject(kind, "someone")) is None


@pytest.mark.parametrize("kind", KINDS)
def test_vanishing_principal_reads_as_nothing(iam: Iam, kind: SubjectKind) -> None:
    """A principal that is deleted during the read is None."""
    iam.found(kind)
    iam.tagged(kind, {})
    iam.stub.add_client_error(f"list_attached_{kind}_policies", "NoSuchEntity")
    assert iam.identities.read(Subject(kind, "someone")) is None


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_principal_is_no_principal(iam: Iam, kind: SubjectKind) -> None:
    iam.found(kind)
    iam.tagged(kind, {})
    iam.stub.add_client_error(f"list_attached_{kind}_policies", "AccessDenied")
    noun = kind.capitalize()
    with pytest.raises(Denied, match=f"iam:ListAttached{noun}Policies failed: AccessDenied"):
        iam.identities.read(Subject(kind, "someone"))


# --- calls by name


@pytest.fixture
def cloud(iam: Iam) -> AwsCloud:
    clients: Any = SimpleNamespace(get=lambda _service: iam.stub.client)
    return AwsCloud(clients)


def test_a_call_is_made_by_iams_name_for_it(iam: Iam, cloud: AwsCloud) -> None:
    wanted = {"UserName": "someone", "PolicyArn": ADMIN}
    iam.stub.add_response("detach_user_policy", {}, wanted)
    cloud.call("iam:DetachUserPolicy", **wanted)


@pytest.mark.parametrize(
    ("code", "kind"),
    [("AccessDenied", Denied), ("Throttling", Transient), ("InvalidInput", Permanent)],
)
def test_a_call_that_aws_refuses_is_described(
    iam: Iam, cloud: AwsCloud, code: str, kind: type[Exception]
) -> None:
    iam.stub.add_client_error("detach_user_policy", code, "User very-secret")
    with pytest.raises(kind, match=f"^iam:DetachUserPolicy failed: {code}$"):
        cloud.call("iam:DetachUserPolicy", UserName="someone", PolicyArn=ADMIN)


def test_gone_differs_from_denied(iam: Iam, cloud: AwsCloud) -> None:
    """A missing target raises Gone, and a missing permission Denied."""
    iam.stub.add_client_error("detach_user_policy", "NoSuchEntity")
    with pytest.raises(Gone, match="iam:DetachUserPolicy: NoSuchEntity"):
        cloud.call("iam:DetachUserPolicy", UserName="someone", PolicyArn=ADMIN)
    iam.stub.add_client_error("list_attached_user_policies", "NoSuchEntity")
    with pytest.raises(Gone, match="iam:ListAttachedUserPolicies: NoSuchEntity"):
        cloud.items("iam:ListAttachedUserPolicies", "AttachedPolicies", UserName="someone")


@pytest.mark.parametrize("pages", [[[]], [[ADMIN]], [[READ_ONLY], [ADMIN]], [[READ_ONLY], []]])
def test_a_list_is_read_to_its_last_page(iam: Iam, cloud: AwsCloud, pages: list[list[str]]) -> None:
    iam.attached(SubjectKind.USER, *pages)
    found = cloud.items("iam:ListAttachedUserPolicies", "AttachedPolicies", UserName="someone")
    assert [policy["PolicyArn"] for policy in found] == [arn for page in pages for arn in page]


def test_a_list_that_breaks_off_is_no_list(iam: Iam, cloud: AwsCloud) -> None:
    iam.stub.add_client_error("list_attached_user_policies", "ServiceFailure")
    with pytest.raises(Transient):
        cloud.items("iam:ListAttachedUserPolicies", "AttachedPolicies", UserName="someone")


# --- STS


@pytest.mark.parametrize(
    ("arn", "role"),
    [
        (
            f"arn:aws:sts::{ACCOUNT}:assumed-role/countermand/session",
            f"arn:aws:iam::{ACCOUNT}:role/countermand",
        ),
        (
            f"arn:aws-us-gov:sts::{ACCOUNT}:assumed-role/countermand/a/b",
            f"arn:aws-us-gov:iam::{ACCOUNT}:role/countermand",
        ),
        (f"arn:aws:iam::{ACCOUNT}:user/countermand", None),
        (f"arn:aws:iam::{ACCOUNT}:root", None),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/ana", None),
    ],
)
def test_a_session_names_its_role(arn: str, role: str | None) -> None:
    assert Caller(ACCOUNT, arn).role_arn == role
