"""The port `Topic` on SNS.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from collections.abc import Mapping
from typing import Any

from countermand.aws.errors import translated

PERMISSIONS = ("sns:Publish",)


class SnsTopic:
    """An SNS topic on a shared boto3 `sns` client."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._arn = arn

    def publish(self, subject: str, message: str, attributes: Mapping[str, str]) -> str:
        """Publish a message whose `MessageStructure` is json, and return its ID."""
        with translated("sns", "Publish"):
            answer = self._client.publish(
                TopicArn=self._arn,
                Subject=subject,
                Message=message,
                MessageStructure="json",
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes.items()
                },
            )
        return str(answer["MessageId"])
