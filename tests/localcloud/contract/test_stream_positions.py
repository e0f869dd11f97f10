"""A restart of the endpoint is invisible to the readers of a stream.

DynamoDB Streams keeps its records for 24 hours, and a mapping continues where it was:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
This needs an endpoint that can be restarted, so it runs on a local cloud of its own.
"""

from __future__ import annotations

from dataclasses import replace

from localcloud.settings import Settings
from localcloud.supervisor import LocalCloud
from tests.localcloud.contract.aws import MANAGEMENT, Account, Queue
from tests.localcloud.contract.streams import BATCHES, connect, make_table


def test_a_restart_delivers_each_change_once(local_settings: Settings) -> None:
    settings = replace(local_settings, persist=True, database=False)
    with LocalCloud(settings) as cloud:
        account = Account(MANAGEMENT, cloud.endpoint_url)
        table = make_table(account)
        calls, _, mapping = connect(account, table, BATCHES)
        table.put("processed", 1)
        assert calls.bodies(1) == [["processed/1"]]
        functions = account.client("lambda")
        functions.update_event_source_mapping(UUID=mapping, Enabled=False)
        table.put("pending", 2)

    with LocalCloud(settings) as cloud:
        account = Account(MANAGEMENT, cloud.endpoint_url)
        table = replace(table, dynamodb=account.client("dynamodb"))
        calls = Queue(account.client("sqs"), calls.url, calls.arn)
        table.put("new", 3)
        functions = account.client("lambda")
        functions.update_event_source_mapping(UUID=mapping, Enabled=True)
        assert calls.bodies(1) == [["pending/2", "new/3"]]
        table.put("last", 4)
        assert calls.bodies(1) == [["last/4"]]
