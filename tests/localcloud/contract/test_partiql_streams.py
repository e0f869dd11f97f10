"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html"""

from __future__ import annotations

from typing import Any

import pytest

from tests.localcloud.contract.aws import Account
from tests.localcloud.contract.streams import Table, make_table

pytestmark = pytest.mark.needs("partiql_streams")


@pytest.fixture
def table(management: Account) -> Table:
    return make_table(management)


def records(account: Account, table: Table) -> list[tuple[str, str, str]]:
    """The stream's records: event, and `n` before and after."""
    streams = account.client("dynamodbstreams")
    (shard,) = streams.describe_stream(StreamArn=table.stream_arn)["StreamDescription"]["Shards"]
    begin = streams.get_shard_iterator(
        StreamArn=table.stream_arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]

    def number(image: dict[str, Any]) -> str:
        return str(image.get("n", {}).get("N", ""))

    return [
        (
            one["eventName"],
            number(one["dynamodb"].get("OldImage", {})),
            number(one["dynamodb"].get("NewImage", {})),
        )
        for one in streams.get_records(ShardIterator=begin)["Records"]
    ]


def test_each_item_that_a_statement_writes_is_on_the_stream(
    management: Account, table: Table
) -> None:
    insert = f"INSERT INTO \"{table.name}\" VALUE {{'id': 'a', 'n': 1}}"
    update = f'UPDATE "{table.name}" SET n=? WHERE id=?'
    table.dynamodb.execute_statement(Statement=insert)
    for number in ("2", "2"):  # the second one changes nothing
        table.dynamodb.execute_statement(Statement=update, Parameters=[{"N": number}, {"S": "a"}])
    table.dynamodb.batch_execute_statement(
        Statements=[{"Statement": update, "Parameters": [{"N": "3"}, {"S": "a"}]}]
    )
    table.dynamodb.execute_transaction(
        TransactStatements=[{"Statement": update, "Parameters": [{"N": "4"}, {"S": "a"}]}]
    )
    table.dynamodb.execute_statement(Statement=f"DELETE FROM \"{table.name}\" WHERE id='a'")
    assert records(management, table) == [
        ("INSERT", "", "1"),
        ("MODIFY", "1", "2"),
        ("MODIFY", "2", "3"),
        ("MODIFY", "3", "4"),
        ("REMOVE", "4", ""),
    ]


def test_what_fails_writes_nothing(management: Account, table: Table) -> None:
    table.put("a", 1)
    update = f'UPDATE "{table.name}" SET n=? WHERE id=?'
    with pytest.raises(table.dynamodb.exceptions.TransactionCanceledException):
        table.dynamodb.execute_transaction(
            TransactStatements=[
                {"Statement": update, "Parameters": [{"N": "2"}, {"S": "a"}]},
                {"Statement": update, "Parameters": [{"N": "2"}, {"S": "missing"}]},
            ]
        )
    with pytest.raises(table.dynamodb.exceptions.ConditionalCheckFailedException):
        table.dynamodb.execute_statement(
            Statement=update, Parameters=[{"N": "2"}, {"S": "missing"}]
        )
    assert records(management, table) == [("INSERT", "", "1")]
