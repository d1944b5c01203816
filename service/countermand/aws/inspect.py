"""Read the AWS setup of a worker, for `countermand doctor`. The worker itself never does."""

import json
from collections.abc import Mapping
from typing import Any

from countermand.aws.clients import Clients
from countermand.aws.errors import translated


class AwsSetup:
    """Queue, topic and EventBridge rules as AWS describes them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def queue(self, url: str) -> Mapping[str, str]:
        """Return all attributes of a queue.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
        """
        with translated("sqs", "GetQueueAttributes"):
            answer = self._clients.get("sqs").get_queue_attributes(
                QueueUrl=url, AttributeNames=["All"]
            )
        attributes: Mapping[str, str] = answer["Attributes"]
        return attributes

    def topic(self, arn: str) -> Mapping[str, str]:
        """Return the attributes of a topic."""
        with translated("sns", "GetTopicAttributes"):
            answer = self._clients.get("sns").get_topic_attributes(TopicArn=arn)
        attributes: Mapping[str, str] = answer["Attributes"]
        return attributes

    def subscriptions(self, arn: str) -> list[Mapping[str, str]]:
        """Return every subscription of a topic, with Protocol, Endpoint and SubscriptionArn."""
        with translated("sns", "ListSubscriptionsByTopic"):
            pages = self._clients.get("sns").get_paginator("list_subscriptions_by_topic")
            return [s for page in pages.paginate(TopicArn=arn) for s in page["Subscriptions"]]

    def subscription_pending(self, subscription_arn: str) -> bool:
        """Return whether the subscription still needs a confirmation."""
        if not subscription_arn.startswith("arn:"):
            return True  # AWS shows `PendingConfirmation` in place of the ARN
        with translated("sns", "GetSubscriptionAttributes"):
            answer = self._clients.get("sns").get_subscription_attributes(
                SubscriptionArn=subscription_arn
            )
        return bool(answer["Attributes"].get("PendingConfirmation") == "true")

    def rule(self, name: str, region: str) -> Mapping[str, Any] | None:
        """Return an EventBridge rule of the default bus, or None if it does not exist."""
        events = self._events(region)
        with translated("events", "DescribeRule"):
            try:
                answer = events.describe_rule(Name=name)
            except events.exceptions.ResourceNotFoundException:
                return None
        return {**answer, "EventPattern": json.loads(answer.get("EventPattern", "{}"))}

    def targets(self, name: str, region: str) -> list[str]:
        """Return the ARNs of the targets of an EventBridge rule."""
        with translated("events", "ListTargetsByRule"):
            answer = self._events(region).list_targets_by_rule(Rule=name)
        return [target["Arn"] for target in answer["Targets"]]

    def _events(self, region: str) -> Any:
        return self._clients.in_region("events", region)
