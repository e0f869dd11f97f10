"""Tables with a stream, and functions that read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.localcloud.contract.aws import Account, Queue, Statement, allow, unique

# Records each batch's keys, and fails where the item's `fail` says so.
BATCHES = """
def handler(event, context):
    images = [r["dynamodb"]["NewImage"] for r in event["Records"]]
    record([image["id"]["S"] + "/" + image["n"]["N"] for image in images])
    failing = [r["dynamodb"]["SequenceNumber"] for r, i in zip(event["Records"], images)
               if "fail" in i]
    if "raise" in {i.get("fail", {}).get("S") for i in images}: raise ValueError("poison")
    return {"batchItemFailures": [{"itemIdentifier": n} for n in failing[::-1]]}
"""


@dataclass(frozen=True)
class Table:
    name: str
    stream_arn: str
    dynamodb: Any

    def put(self, key: str, number: int = 0, fail: str | None = None) -> None:
        item = {"id": {"S": key}, "n": {"N": str(number)}}
        if fail:
            item["fail"] = {"S": fail}
        self.dynamodb.put_item(TableName=self.name, Item=item)

    def read(self) -> Statement:
        actions = ["GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"]
        return allow([f"dynamodb:{action}" for action in actions], self.stream_arn)


def make_table(account: Account) -> Table:
    dynamodb = account.client("dynamodb")
    name = unique("contract")
    description = dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return Table(name, description["LatestStreamArn"], dynamodb)


def connect(
    account: Account, table: Table, code: str, *, enabled: bool = True, **settings: Any
) -> tuple[Queue, Queue, str]:
    """A function on the table's stream: the queue of its calls, of its failures, its mapping."""
    calls, failures = account.queue(), account.queue()
    function = account.function(
        code, table.read(), allow("sqs:SendMessage", failures.arn), calls=calls
    )
    mapping = account.client("lambda").create_event_source_mapping(
        FunctionName=function,
        EventSourceArn=table.stream_arn,
        StartingPosition="TRIM_HORIZON",
        DestinationConfig={"OnFailure": {"Destination": failures.arn}},
        Enabled=enabled,
        **settings,
    )
    return calls, failures, mapping["UUID"]
