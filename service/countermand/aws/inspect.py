"""Read the AWS setup of a worker, for `countermand doctor`. The worker itself never does."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from countermand.aws.clients import Clients
from countermand.aws.errors import error_code, translated
from countermand.core import aws_codes
from countermand.core.errors import Gone
from countermand.core.regions import is_aws_host

PERMISSIONS = (
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetEventSelectors",
    "cloudtrail:GetTrailStatus",
    "dynamodb:DescribeTable",
    "dynamodb:DescribeTimeToLive",
    "events:DescribeRule",
    "events:ListEventBuses",
    "events:ListTargetsByRule",
    "iam:SimulatePrincipalPolicy",
    "kms:DescribeKey",
    "kms:GetKeyPolicy",
    "logs:DescribeLogGroups",
    "sns:GetSubscriptionAttributes",
    "sns:GetTopicAttributes",
    "sns:ListSubscriptionsByTopic",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
)
"""What the caller of `countermand doctor` must be allowed to read."""

_DEFAULT_BUS = "default"
_MOST_BUSES = 20


@contextmanager
def _reading(service: str, operation: str) -> Iterator[None]:
    """Make one call, and raise `Gone` if AWS does not know the thing that it names."""
    with translated(service, operation):
        try:
            yield
        except ClientError as error:
            if error_code(error) in aws_codes.NOT_FOUND:
                raise Gone(f"{service}:{operation}: {error_code(error)}") from error
            raise


class AwsSetup:
    """Queues, topics, EventBridge rules, trails, and keys as AWS describes them.

    Every method raises `Gone` for a thing that does not exist.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._regional: dict[tuple[str, str], Any] = {}

    @property
    def is_emulated(self) -> bool:
        """Whether the calls go to an emulator instead of AWS."""
        url = str(self._clients.get("sts").meta.endpoint_url)
        return not is_aws_host(urlsplit(url).hostname or "")

    def queue(self, url: str) -> Mapping[str, str]:
        """Return all attributes of a queue.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
        """
        with _reading("sqs", "GetQueueAttributes"):
            answer = self._clients.get("sqs").get_queue_attributes(
                QueueUrl=url, AttributeNames=["All"]
            )
        attributes: Mapping[str, str] = answer["Attributes"]
        return attributes

    def queue_by_arn(self, arn: str) -> Mapping[str, str]:
        """Return all attributes of the queue with this ARN, in its own region."""
        _, _, _, region, account_id, name = arn.split(":", 5)
        sqs = self._in("sqs", region)
        with _reading("sqs", "GetQueueUrl"):
            url = sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account_id)["QueueUrl"]
        with _reading("sqs", "GetQueueAttributes"):
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        attributes: Mapping[str, str] = {**answer["Attributes"], "QueueUrl": url}
        return attributes

    def key(self, key_id: str) -> Mapping[str, str]:
        """Return the ARN, the state, the manager (AWS or CUSTOMER) and the policy of a KMS key."""
        kms = self._clients.get("kms")
        with _reading("kms", "DescribeKey"):
            described = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        with _reading("kms", "GetKeyPolicy"):
            policy = kms.get_key_policy(KeyId=described["KeyId"], PolicyName="default")["Policy"]
        named = {name: str(described[name]) for name in ("Arn", "KeyManager", "KeyState")}
        return {**named, "Policy": policy}

    def topic(self, arn: str) -> Mapping[str, str]:
        """Return the attributes of a topic."""
        with _reading("sns", "GetTopicAttributes"):
            answer = self._in_its_region("sns", arn).get_topic_attributes(TopicArn=arn)
        attributes: Mapping[str, str] = answer["Attributes"]
        return attributes

    def subscriptions(self, arn: str) -> list[Mapping[str, str]]:
        """Return every subscription of a topic, with Protocol, Endpoint and SubscriptionArn."""
        with _reading("sns", "ListSubscriptionsByTopic"):
            pages = self._in_its_region("sns", arn).get_paginator("list_subscriptions_by_topic")
            return [s for page in pages.paginate(TopicArn=arn) for s in page["Subscriptions"]]

    def subscription(self, arn: str) -> Mapping[str, str]:
        """Return the attributes of a subscription, such as RawMessageDelivery."""
        if not arn.startswith("arn:"):
            return {"PendingConfirmation": "true"}  # AWS shows these words in place of the ARN
        with _reading("sns", "GetSubscriptionAttributes"):
            answer = self._in_its_region("sns", arn).get_subscription_attributes(
                SubscriptionArn=arn
            )
        attributes: Mapping[str, str] = answer["Attributes"]
        return attributes

    def rule(self, name: str, region: str, bus: str = _DEFAULT_BUS) -> Mapping[str, Any] | None:
        """Return an EventBridge rule, or None if it does not exist on this bus."""
        try:
            with _reading("events", "DescribeRule"):
                answer = self._in("events", region).describe_rule(Name=name, EventBusName=bus)
        except Gone:
            return None
        return {**answer, "EventPattern": json.loads(answer.get("EventPattern", "{}"))}

    def other_buses(self, region: str) -> Sequence[str]:
        """Return the names of the event buses beside the default one, of many only the first."""
        with _reading("events", "ListEventBuses"):
            answer = self._in("events", region).list_event_buses(Limit=_MOST_BUSES)
        return [bus["Name"] for bus in answer["EventBuses"] if bus["Name"] != _DEFAULT_BUS]

    def targets(self, name: str, region: str) -> list[Mapping[str, Any]]:
        """Return the targets of an EventBridge rule; AWS allows five."""
        with _reading("events", "ListTargetsByRule"):
            answer = self._in("events", region).list_targets_by_rule(Rule=name)
        targets: list[Mapping[str, Any]] = answer["Targets"]
        return targets

    def trails(self, region: str) -> list[Mapping[str, Any]]:
        """Return the trails that a region shows, also those of other regions and of AWS
        Organizations.
        """
        with _reading("cloudtrail", "DescribeTrails"):
            answer = self._in("cloudtrail", region).describe_trails(includeShadowTrails=True)
        trails: list[Mapping[str, Any]] = answer["trailList"]
        return trails

    def trail_is_logging(self, arn: str, region: str) -> bool:
        """Return whether a trail logs now."""
        with _reading("cloudtrail", "GetTrailStatus"):
            answer = self._in("cloudtrail", region).get_trail_status(Name=arn)
        return bool(answer["IsLogging"])

    def selectors(self, arn: str, region: str) -> Mapping[str, Any]:
        """Return the event selectors of a trail, basic or advanced."""
        with _reading("cloudtrail", "GetEventSelectors"):
            answer = self._in("cloudtrail", region).get_event_selectors(TrailName=arn)
        selectors: Mapping[str, Any] = answer
        return selectors

    def log_group_exists(self, name: str) -> bool:
        """Return whether there is a log group of exactly this name."""
        with _reading("logs", "DescribeLogGroups"):
            pages = self._clients.get("logs").get_paginator("describe_log_groups")
            groups = (g for p in pages.paginate(logGroupNamePrefix=name) for g in p["logGroups"])
            return any(group["logGroupName"] == name for group in groups)

    def table(self, name: str) -> Mapping[str, Any]:
        """Return the description of a DynamoDB table, with the status of its TTL."""
        client = self._clients.get("dynamodb")
        with _reading("dynamodb", "DescribeTable"):
            table = client.describe_table(TableName=name)["Table"]
        with _reading("dynamodb", "DescribeTimeToLive"):
            ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        return {**table, "TimeToLiveStatus": ttl["TimeToLiveStatus"]}

    def refused(
        self, role_arn: str, actions: Sequence[str], resource: str, sent: Mapping[str, str]
    ) -> Sequence[str]:
        """Return the actions that IAM's simulator refuses a role on a resource.

        `sent` are the condition keys of the request.
        https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
        """
        keys = [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in sent.items()
        ]
        with _reading("iam", "SimulatePrincipalPolicy"):
            pages = self._clients.get("iam").get_paginator("simulate_principal_policy")
            found = pages.paginate(
                PolicySourceArn=role_arn,
                ActionNames=list(actions),
                ResourceArns=[resource],
                ContextEntries=keys,
            )
            results = [result for page in found for result in page["EvaluationResults"]]
        decided = {result["EvalActionName"]: result["EvalDecision"] for result in results}
        return [action for action in actions if decided.get(action) != "allowed"]

    def _in_its_region(self, service: str, arn: str) -> Any:
        return self._in(service, arn.split(":")[3])

    def _in(self, service: str, region: str) -> Any:
        key = (service, region)
        if key not in self._regional:
            self._regional[key] = self._clients.in_region(service, region)
        return self._regional[key]
