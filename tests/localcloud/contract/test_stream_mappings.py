"""https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html and its pages on errors."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import pytest

from tests.localcloud.contract.aws import (
    Account,
    error_code,
)
from tests.localcloud.contract.streams import BATCHES, Table, connect, make_table

pytestmark = pytest.mark.needs("stream_mappings")


@pytest.fixture
def table(management: Account) -> Table:
    return make_table(management)


def test_a_partial_failure_resumes_at_its_lowest_sequence_number(
    management: Account, table: Table
) -> None:
    for number, fail in enumerate([None, None, "report", "report", None]):
        table.put(f"k{number}", number, fail)
    calls, failures, _ = connect(
        management,
        table,
        BATCHES,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
    )
    discarded = failures.bodies(2)
    table.put("last", 9)

    batches = calls.bodies_until(lambda found: ["last/9"] in found)
    assert batches[0] == ["k0/0", "k1/1", "k2/2", "k3/3", "k4/4"]
    assert not any("k0/0" in batch or "k1/1" in batch for batch in batches[1:])
    assert ["k4/4"] in batches or ["k3/3", "k4/4"] in batches
    assert batches.count(["k2/2"]) == 2, "a lone record is tried once and retried once"
    assert [record["DDBStreamBatchInfo"]["batchSize"] for record in discarded] == [1, 1]


def test_a_poison_record_is_isolated_by_bisecting(management: Account, table: Table) -> None:
    for number in range(8):
        table.put(f"k{number}", number, "raise" if number == 5 else None)
    calls, failures, _ = connect(
        management, table, BATCHES, BisectBatchOnFunctionError=True, MaximumRetryAttempts=0
    )
    (discarded,) = failures.bodies(1)
    table.put("last", 9)

    batches = calls.bodies_until(lambda found: ["last/9"] in found)
    succeeded = [key for batch in batches if "k5/5" not in batch for key in batch]
    assert succeeded == [f"k{n}/{n}" for n in range(8) if n != 5] + ["last/9"]
    assert discarded["DDBStreamBatchInfo"]["batchSize"] == 1


def test_a_batch_that_exhausted_its_retries_is_described_to_the_destination(
    management: Account, table: Table
) -> None:
    table.put("a", 1, "raise")
    table.put("b", 2)
    calls, failures, _ = connect(management, table, BATCHES, MaximumRetryAttempts=2)
    (record,) = failures.bodies(1)

    assert calls.bodies(3) == [["a/1", "b/2"]] * 3
    assert record["version"] == "1.0"
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["functionArn"].startswith("arn:aws:lambda:")
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    batch = record["DDBStreamBatchInfo"]
    assert (batch["batchSize"], batch["streamArn"]) == (2, table.stream_arn)
    assert batch["startSequenceNumber"] < batch["endSequenceNumber"]
    assert {"shardId", "approximateArrivalOfFirstRecord"} <= set(batch)
    assert "NewImage" not in json.dumps(record)


def test_records_behind_a_discarded_batch_are_delivered(management: Account, table: Table) -> None:
    calls, failures, _ = connect(management, table, BATCHES, MaximumRetryAttempts=0)
    table.put("a", 1, "raise")
    failures.next()
    table.put("b", 2)
    assert calls.bodies_until(lambda found: ["b/2"] in found)


def test_changes_of_one_item_stay_in_order_with_parallel_lanes(
    management: Account, table: Table
) -> None:
    code = """
import time
def handler(event, context):
    at = time.time()
    images = [r["dynamodb"]["NewImage"] for r in event["Records"]]
    record([[at, i["id"]["S"], int(i["n"]["N"])] for i in images])
"""
    calls, _, _ = connect(management, table, code, BatchSize=3, ParallelizationFactor=4)
    for number in range(30):
        table.put(f"k{number % 5}", number)

    batches = calls.bodies_until(lambda found: sum(map(len, found)) >= 30)
    seen = sorted(tuple(item) for batch in batches for item in batch)
    for key in range(5):
        numbers = [number for _, name, number in seen if name == f"k{key}"]
        assert numbers == list(range(key, 30, 5))


def test_a_filter_keeps_records_from_the_function(management: Account, table: Table) -> None:
    pattern = json.dumps({"dynamodb": {"NewImage": {"id": {"S": ["wanted"]}}}})
    calls, _, _ = connect(
        management, table, BATCHES, FilterCriteria={"Filters": [{"Pattern": pattern}]}
    )
    table.put("other")
    table.put("wanted")
    assert calls.bodies(1) == [["wanted/0"]]


def test_a_disabled_mapping_keeps_its_place(management: Account, table: Table) -> None:
    functions = management.client("lambda")
    calls, _, mapping = connect(management, table, BATCHES, enabled=False)
    table.put("a", 1)
    functions.update_event_source_mapping(UUID=mapping, Enabled=True)
    assert calls.bodies(1) == [["a/1"]]


def test_latest_starts_with_the_first_change_after_creation(
    management: Account, table: Table
) -> None:
    table.put("before")
    calls = management.queue()
    function = management.function(BATCHES, table.read(), calls=calls)
    management.client("lambda").create_event_source_mapping(
        FunctionName=function, EventSourceArn=table.stream_arn, StartingPosition="LATEST"
    )
    table.put("after")
    assert calls.bodies(1) == [["after/0"]]


def test_a_mapping_that_sets_nothing_has_lambdas_defaults(
    management: Account, table: Table
) -> None:
    _, _, mapping = connect(management, table, BATCHES)
    described = management.client("lambda").get_event_source_mapping(UUID=mapping)
    assert described["BatchSize"] == 100
    assert described["MaximumRetryAttempts"] == -1
    assert described["MaximumRecordAgeInSeconds"] == -1
    assert described["BisectBatchOnFunctionError"] is False
    assert described["ParallelizationFactor"] == 1


def test_a_role_that_cannot_read_the_stream_is_refused(management: Account, table: Table) -> None:
    function = management.function("def handler(e, c): pass")
    functions = management.client("lambda")
    code = error_code(
        lambda: functions.create_event_source_mapping(
            FunctionName=function, EventSourceArn=table.stream_arn, StartingPosition="LATEST"
        )
    )
    assert code == "InvalidParameterValueException"


def test_a_role_that_cannot_write_to_the_destination_loses_the_record(
    management: Account, table: Table
) -> None:
    failures, calls = management.queue(), management.queue()
    function = management.function(BATCHES, table.read(), calls=calls)
    management.client("lambda").create_event_source_mapping(
        FunctionName=function,
        EventSourceArn=table.stream_arn,
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": failures.arn}},
    )
    table.put("a", 1, "raise")
    calls.next()
    table.put("b", 2)
    calls.next()
    assert failures.messages() == []


def test_a_slow_function_does_not_hold_up_another(management: Account) -> None:
    slow_table, quick_table = make_table(management), make_table(management)
    slow = """
import time
def handler(event, context):
    record("begun")
    time.sleep(15)
    record("slept")
"""
    slow_calls, _, _ = connect(management, slow_table, slow)
    calls, _, _ = connect(management, quick_table, BATCHES)
    quick_table.put("warm")
    calls.next()
    slow_table.put("a")
    slow_calls.next()
    quick_table.put("b")
    assert calls.bodies(1) == [["b/0"]]
    assert slow_calls.messages() == []


def test_a_change_reaches_a_warm_function_about_as_soon_as_a_call_does(
    management: Account, table: Table
) -> None:
    code = "import time\ndef handler(event, context):\n    record(time.time())"
    calls, _, mapping = connect(management, table, code)
    functions = management.client("lambda")
    function = functions.get_event_source_mapping(UUID=mapping)["FunctionArn"]
    table.put("warm")
    calls.next()

    def latency(reach: Callable[[], object]) -> float:
        started = time.time()
        reach()
        return float(calls.bodies(1)[0] - started)

    streamed, called = [], []
    for number in range(15):
        streamed.append(latency(lambda number=number: table.put("x", number + 1)))  # type: ignore[misc]
        called.append(latency(lambda: functions.invoke(FunctionName=function, Payload=b"{}")))
    assert statistics.median(streamed) < 8 * statistics.median(called)
