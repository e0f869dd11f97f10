"""An index that holds a part of each item is searched without the rest.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.Projections
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.contract.aws import Account, unique

NAMES = ("oak", "ash", "oak-2", "elm", "oak-3")


@pytest.fixture(scope="module")
def table(management: Account) -> str:
    dynamodb, name = management.client("dynamodb"), unique("indexed")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": one, "AttributeType": "S"} for one in ("id", "month", "at")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "names",
                "KeySchema": [
                    {"AttributeName": "month", "KeyType": "HASH"},
                    {"AttributeName": "at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["name"]},
            }
        ],
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name)
    for number, one in enumerate(NAMES):
        item = {"id": f"{number}", "month": "2026-03", "at": f"{number}", "name": one, "rest": "x"}
        dynamodb.put_item(TableName=name, Item={key: {"S": text} for key, text in item.items()})
    return name


def query(management: Account, table: str, **settings: Any) -> Any:
    request = {
        "TableName": table,
        "IndexName": "names",
        "KeyConditionExpression": "#month = :month",
        "FilterExpression": "contains(#name, :text)",
        "ExpressionAttributeNames": {"#month": "month", "#name": "name"},
        "ExpressionAttributeValues": {":month": {"S": "2026-03"}, ":text": {"S": "oak"}},
    }
    return management.client("dynamodb").query(**request | settings)


def test_what_is_in_the_index_is_filtered_and_nothing_else_is_answered(
    management: Account, table: str
) -> None:
    found = query(management, table)
    assert [one["name"]["S"] for one in found["Items"]] == ["oak", "oak-2", "oak-3"]
    assert {name for one in found["Items"] for name in one} == {"id", "month", "at", "name"}
    assert (found["Count"], found["ScannedCount"]) == (3, 5)
    none = {":month": {"S": "2026-03"}, ":text": {"S": "pine"}}
    assert query(management, table, ExpressionAttributeValues=none)["Items"] == []


@pytest.mark.parametrize("forward", [True, False])
def test_a_query_goes_on_after_the_key_of_any_item(
    management: Account, table: str, *, forward: bool
) -> None:
    start = {"id": {"S": "2"}, "month": {"S": "2026-03"}, "at": {"S": "2"}}
    found = query(management, table, ExclusiveStartKey=start, ScanIndexForward=forward)
    assert [one["name"]["S"] for one in found["Items"]] == (["oak-3"] if forward else ["oak"])


def test_an_index_that_is_not_there_is_a_wrong_request(management: Account, table: str) -> None:
    """As AWS words it: https://github.com/awslabs/aws-sdk-ios-samples/issues/58."""
    with pytest.raises(ClientError) as refused:
        query(management, table, IndexName="others")
    said = refused.value.response["Error"]
    assert said["Code"] == "ValidationException"
    assert said["Message"] == "The table does not have the specified index: others"
