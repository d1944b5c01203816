"""The writes of a simulated attack: users, policies, and events on the bus.

Only `simulate` and `demo` use them, never the worker.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from countermand.aws.clients import Clients
from countermand.aws.errors import error_code, translated
from countermand.core.errors import Permanent


class Lab:
    """The attacker's side of a scenario."""

    def __init__(self, clients: Clients) -> None:
        self._iam = clients.get("iam")
        self._events = clients.get("events")
        self._sqs = clients.get("sqs")
        self._sns = clients.get("sns")

    def create_user(self, name: str, tags: Mapping[str, str], path: str = "/") -> None:
        """Create the user if needed, then set the tags."""
        with translated("iam", "CreateUser"):
            try:
                self._iam.create_user(UserName=name, Path=path)
            except ClientError as error:
                if error_code(error) != "EntityAlreadyExists":
                    raise
        if tags:
            pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
            with translated("iam", "TagUser"):
                self._iam.tag_user(UserName=name, Tags=pairs)

    def attach(self, user: str, policy_arn: str) -> None:
        """Attach a managed policy, as the attacker would."""
        with translated("iam", "AttachUserPolicy"):
            self._iam.attach_user_policy(UserName=user, PolicyArn=policy_arn)

    def has_policy(self, user: str, policy_arn: str) -> bool:
        """Return whether the managed policy is attached now."""
        with translated("iam", "ListAttachedUserPolicies"):
            answer = self._iam.list_attached_user_policies(UserName=user)
        return any(policy["PolicyArn"] == policy_arn for policy in answer["AttachedPolicies"])

    def put_event(self, detail: Mapping[str, Any], detail_type: str, bus: str = "default") -> None:
        """Put a CloudTrail record on a bus. AWS refuses the source `aws.*`; emulators accept it."""
        entry = {
            "EventBusName": bus,
            "Source": "aws.iam",
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
        }
        with translated("events", "PutEvents"):
            answer = self._events.put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise Permanent(f"events:PutEvents refused: {answer['Entries'][0]['ErrorMessage']}")

    def confirm_mail(self, topic_arn: str, token_of: Callable[[str], str]) -> None:
        """Confirm the email subscriptions, as the link in the first email of SNS does."""
        with translated("sns", "ListSubscriptionsByTopic"):
            answer = self._sns.list_subscriptions_by_topic(TopicArn=topic_arn)
        for subscription in answer["Subscriptions"]:
            if subscription["Protocol"] == "email":
                token = token_of(subscription["SubscriptionArn"])
                with translated("sns", "ConfirmSubscription"):
                    self._sns.confirm_subscription(TopicArn=topic_arn, Token=token)

    def send(self, queue_url: str, body: str) -> None:
        """Put any text on a queue, as a forger would."""
        with translated("sqs", "SendMessage"):
            self._sqs.send_message(QueueUrl=queue_url, MessageBody=body)

    def take(self, queue_url: str) -> list[str]:
        """Receive and delete up to ten bodies."""
        with translated("sqs", "ReceiveMessage"):
            answer = self._sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
        messages = answer.get("Messages", [])
        for message in messages:
            with translated("sqs", "DeleteMessage"):
                self._sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in messages]
