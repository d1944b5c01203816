"""The DynamoDB table: the four calls that a worker makes on it, its definition and its creation.

`decision_id` has an index of its own. The other indexes hold records by `rule_id`, `verdict`,
`account_id` or `day`, each sorted by time and decision ID (`sorted`). Nothing scans.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from countermand.aws.errors import code_behind, translated
from countermand.core import aws_codes
from countermand.core.errors import ConfigError, CountermandError, Transient

type Item = Mapping[str, Mapping[str, Any]]

PERMISSIONS = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query")
"""Permissions of a worker. Terraform or `countermand provision` creates the table."""

INDEXED = ("rule_id", "verdict", "account_id")
"""Attributes with an index that a filter can use; the index by `day` serves all other queries."""

_CONDITION_FAILED = "ConditionalCheckFailedException"


def must_exist(client: Any, name: str, region: str) -> None:
    """Raise `ConfigError` if DynamoDB has no such table; reads one item that is not there."""
    try:
        Table(client, name).get("?")
    except CountermandError as error:
        if code_behind(error.__cause__) not in aws_codes.GONE:
            raise
        raise ConfigError(
            f"no ledger: DynamoDB has no table {name} in {region}. Check COUNTERMAND_LEDGER_URL "
            "and COUNTERMAND_REGION"
        ) from None


class Table:
    """One table behind one shared boto3 `dynamodb` client."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, key: str) -> Item | None:
        """Read one item, with everything that was written before the call."""
        with translated("dynamodb", "GetItem"):
            answer = self._client.get_item(
                TableName=self._name, Key={"key": {"S": key}}, ConsistentRead=True
            )
        item: Item | None = answer.get("Item")
        return item

    def put(self, item: Item, **condition: Any) -> bool:
        """Write an item; return False when the condition does not hold."""
        try:
            with translated("dynamodb", "PutItem"):
                self._client.put_item(TableName=self._name, Item=item, **condition)
        except Transient as error:
            if not _is_failed_condition(error):
                raise
            return False
        return True

    def update(self, key: str, expression: str, values: Item, **arguments: Any) -> Item | None:
        """Change an item; return None when the condition does not hold, else the attributes that
        `ReturnValues` asks for.
        """
        try:
            with translated("dynamodb", "UpdateItem"):
                answer = self._client.update_item(
                    TableName=self._name,
                    Key={"key": {"S": key}},
                    UpdateExpression=expression,
                    ExpressionAttributeValues=values,
                    **arguments,
                )
        except Transient as error:
            if not _is_failed_condition(error):
                raise
            return None
        attributes: Item = answer.get("Attributes", {})
        return attributes

    def query(self, index: str, **arguments: Any) -> Mapping[str, Any]:
        """Return one answer of DynamoDB, which may not be the last of the query."""
        with translated("dynamodb", "Query"):
            answer: Mapping[str, Any] = self._client.query(
                TableName=self._name, IndexName=f"by_{index}", **arguments
            )
        return answer


def table_definition(table_name: str) -> dict[str, Any]:
    """Return the arguments of CreateTable; Terraform's module creates the same table."""
    indexes = [*INDEXED, "day"]
    names = ["key", "decision_id", "sorted", *indexes]
    return {
        "TableName": table_name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in names],
        "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            _index("decision_id"),
            *(_index(name, "sorted") for name in indexes),
        ],
    }


def create_table(client: Any, table_name: str) -> None:
    """Create the table with its TTL, and wait until it exists; for emulators and tests.

    A second call finishes what an interrupted call began.
    """
    with translated("dynamodb", "CreateTable"):
        with suppress(client.exceptions.ResourceInUseException):
            client.create_table(**table_definition(table_name))
        client.get_waiter("table_exists").wait(TableName=table_name)
    with translated("dynamodb", "DescribeTimeToLive"):
        ttl = client.describe_time_to_live(TableName=table_name)["TimeToLiveDescription"]
    if ttl["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}:
        return
    with translated("dynamodb", "UpdateTimeToLive"):
        client.update_time_to_live(
            TableName=table_name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"},
        )


def _index(*keys: str) -> dict[str, Any]:
    kinds = ("HASH", "RANGE")
    return {
        "IndexName": f"by_{keys[0]}",
        "KeySchema": [
            {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, kinds, strict=False)
        ],
        "Projection": {"ProjectionType": "ALL"},
    }


def _is_failed_condition(error: Transient) -> bool:
    """Return whether the write was refused by its own condition: an answer, not a failure."""
    return code_behind(error.__cause__) == _CONDITION_FAILED
