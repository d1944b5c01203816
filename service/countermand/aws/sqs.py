"""The port `Queue` on SQS.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""

import math
from collections.abc import Sequence
from typing import Any

from countermand.aws.errors import translated
from countermand.ports import Message

PERMISSIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
"""The batch calls need the same permissions."""
CALLS = (*PERMISSIONS, "sqs:DeleteMessageBatch", "sqs:ChangeMessageVisibilityBatch")

_TWELVE_HOURS = 43_200


class SqsQueue:
    """An SQS queue with one client for the long poll, and a shared client for all other calls."""

    def __init__(self, client: Any, polling_client: Any, url: str, visibility_seconds: int) -> None:
        self._client = client
        self._polling_client = polling_client
        self._url = url
        self._visibility_seconds = visibility_seconds

    def receive(self, at_most: int, wait_seconds: int) -> Sequence[Message]:
        with translated("sqs", "ReceiveMessage"):
            answer = self._polling_client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=at_most,
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=self._visibility_seconds,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [
            Message(
                id=message["MessageId"],
                body=message["Body"],
                receipt=message["ReceiptHandle"],
                receive_count=int(message["Attributes"]["ApproximateReceiveCount"]),
            )
            for message in answer.get("Messages", ())
        ]

    def delete(self, messages: Sequence[Message]) -> Sequence[Message]:
        if len(messages) == 1:
            with translated("sqs", "DeleteMessage"):
                self._client.delete_message(QueueUrl=self._url, ReceiptHandle=messages[0].receipt)
            return ()
        # The entries are numbered: message IDs repeat when SQS delivers a message twice.
        entries = [{"Id": str(i), "ReceiptHandle": m.receipt} for i, m in enumerate(messages)]
        with translated("sqs", "DeleteMessageBatch"):
            answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return [messages[int(entry["Id"])] for entry in answer.get("Failed", ())]

    def return_in(self, messages: Sequence[Message], seconds: float) -> Sequence[Message]:
        # Rounded up: a message that returns before the lease ends would find it held again.
        timeout = max(0, min(math.ceil(seconds), _TWELVE_HOURS))
        if len(messages) == 1:
            with translated("sqs", "ChangeMessageVisibility"):
                self._client.change_message_visibility(
                    QueueUrl=self._url,
                    ReceiptHandle=messages[0].receipt,
                    VisibilityTimeout=timeout,
                )
            return ()
        entries = [
            {"Id": str(i), "ReceiptHandle": m.receipt, "VisibilityTimeout": timeout}
            for i, m in enumerate(messages)
        ]
        with translated("sqs", "ChangeMessageVisibilityBatch"):
            answer = self._client.change_message_visibility_batch(
                QueueUrl=self._url, Entries=entries
            )
        return [messages[int(entry["Id"])] for entry in answer.get("Failed", ())]
