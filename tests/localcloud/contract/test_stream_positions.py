"""A restart of the endpoint is no event that a stream's reader may see.

DynamoDB Streams keeps its records for 24 hours, and a mapping continues where it was:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
This needs an endpoint that can be restarted, so it runs on the project's own emulator.
"""

from __future__ import annotations

from tests.localcloud.contract.aws import MANAGEMENT, Account
from tests.localcloud.contract.conftest import Emulator
from tests.localcloud.contract.test_stream_mappings import BATCHES, connect, make_table


def test_a_restart_delivers_each_change_once(own_emulator: Emulator) -> None:
    account = Account(MANAGEMENT, own_emulator.url)
    table = make_table(account)
    calls, _, mapping = connect(account, table, BATCHES)
    table.put("processed", 1)
    assert calls.bodies(1) == [["processed/1"]]

    functions = account.client("lambda")
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    table.put("pending", 2)
    own_emulator.stop()
    own_emulator.start()
    table.put("new", 3)
    functions.update_event_source_mapping(UUID=mapping, Enabled=True)

    assert calls.bodies(1) == [["pending/2", "new/3"]]
    table.put("last", 4)
    assert calls.bodies(1) == [["last/4"]]
