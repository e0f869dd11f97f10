"""The loader is killed, or gets no answer, at each of its calls: nothing is lost or doubled."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from finops.billing.batches import LARGEST_DOCUMENT
from finops.billing.domain import FileStatus, SourceObject
from tests.flows.billing import LOADER, BillingFlow, as_csv, bill
from tests.flows.deployment import eventually
from tests.flows.fault_proxy import (
    Answer,
    Call,
    Fault,
    FaultProxy,
    kill_after,
    kill_before,
    lose_answer,
    pass_on,
    refusal,
)

pytestmark = [
    pytest.mark.flow,
    # Only our own local cloud runs workers as processes of this machine.
    pytest.mark.needs("lambda_workers"),
]

#: As wide as may be: each character is twelve bytes of a request.
WIDE = dict.fromkeys(("city", "product_line", "item"), "🧾" * 255)
#: More than one batch takes.
ROWS = LARGEST_DOCUMENT // (len(WIDE) * 255 * 12) + 50
runs = itertools.count()


@pytest.fixture(scope="module")
def proxy(billing: BillingFlow) -> Iterator[FaultProxy]:
    """Between the loader and the Data API."""
    functions = billing.deployment.client("lambda")
    before = functions.get_function_configuration(FunctionName=LOADER)["Environment"]["Variables"]
    made = FaultProxy(billing.deployment.url)

    def configure(variables: dict[str, str]) -> None:
        functions.update_function_configuration(
            FunctionName=LOADER, Environment={"Variables": variables}
        )
        functions.get_waiter("function_updated_v2").wait(
            FunctionName=LOADER, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )

    configure(before | made.environment)
    with billing.by_hand():
        yield made
    configure(before)
    made.close()


def put(billing: BillingFlow) -> SourceObject:
    """A file that no other test has, in a dataset of its own, loaded in one piece."""
    run = next(runs)
    # Bills of other days are not compared, so each load makes the same calls.
    own = {"company_name": f"run {run}", "bill_date": str(date(2015, 1, 1) + timedelta(run))}
    row = bill(0, **own, **WIDE)
    body = as_csv([row | {"record_id": str(number)} for number in range(ROWS)])
    return replace(billing.put(f"billing/killed-{run}/bills.csv", body), size=1)


def begun(proxy: FaultProxy) -> Iterator[str]:
    """The transactions that loaders began through the proxy."""
    for answer in proxy.answers("BeginTransaction"):
        yield str(json.loads(answer)["transactionId"])


def end_transactions(billing: BillingFlow, proxy: FaultProxy) -> None:
    """What AWS does three minutes after the last call of a transaction: roll it back.

    https://docs.aws.amazon.com/rdsdataservice/latest/APIReference/API_BeginTransaction.html
    """
    database, outputs = billing.deployment.client("rds-data"), billing.outputs
    for transaction in begun(proxy):
        with suppress(ClientError):  # it was committed, or rolled back by its loader
            database.rollback_transaction(
                resourceArn=outputs["database_arn"],
                secretArn=outputs["loader_secret_arn"],
                transactionId=transaction,
            )


def at_call(position: int, fault: Fault) -> tuple[Fault, Callable[[], str]]:
    """The fault at the call of this position, and which call that was."""
    lock, count, struck = threading.Lock(), itertools.count(), []

    def one(call: Call, forward: Callable[[], Answer], kill: Callable[[], None]) -> Answer:
        with lock:
            mine = next(count) == position
        if mine:
            struck.append(call.operation)
        return (fault if mine else pass_on)(call, forward, kill)

    return one, lambda: struck[0] if struck else ""


def batches(proxy: FaultProxy) -> set[str]:
    """The documents of rows that were sent, of which no request could carry two."""
    return {
        value
        for call in proxy.calls
        if len(call.body) > LARGEST_DOCUMENT / 2
        for one in json.loads(call.body)["parameters"]
        if len(value := one["value"].get("stringValue", "")) > ROWS * 255
    }


def assert_loaded_once(billing: BillingFlow, source: SourceObject) -> None:
    """Every row is loaded once, and the ledger has one entry."""
    dataset = source.dataset
    (stored,) = billing.query(
        "SELECT COUNT(*) AS counted, SUM(amount_usd) AS usd FROM billing WHERE dataset = :dataset",
        dataset=dataset,
    )
    assert (stored["counted"], Decimal(stored["usd"])) == (ROWS, ROWS * Decimal("10.5"))
    files = billing.query("SELECT * FROM billing_files WHERE dataset = :dataset", dataset=dataset)
    assert [(one["status"], one["rows_inserted"]) for one in files] == [("LOADED", ROWS)]
    assert Decimal(files[0]["amount_usd"]) == ROWS * Decimal("10.5")


def calls_of_a_load(billing: BillingFlow, proxy: FaultProxy) -> list[str]:
    """The calls of two loads alike: one that the queue had begun would mix in its own."""
    before: list[str] = []
    for _ in range(5):
        proxy.forget()
        source = put(billing)
        assert billing.deliver(source)
        assert_loaded_once(billing, source)
        calls = [call.operation for call in proxy.calls]
        if calls == before:
            return calls
        before = calls
    pytest.fail(f"no two loads make the same calls, at last {before}")


@pytest.mark.parametrize("fault", [kill_before, kill_after, lose_answer])
def test_a_loader_that_is_killed_or_gets_no_answer_at_any_call_loads_once(
    billing: BillingFlow, proxy: FaultProxy, fault: Fault
) -> None:
    calls = calls_of_a_load(billing, proxy)
    assert {"BeginTransaction", "Execute", "CommitTransaction"} <= set(calls)
    assert len(batches(proxy)) == 2
    # What only reads, before and after the transaction, is like any other of its kind.
    begin, commit = calls.index("BeginTransaction"), calls.index("CommitTransaction")
    positions = range(begin, commit + 1) if fault is not lose_answer else (begin + 2, commit)
    for position in positions:
        faulty, struck = at_call(position, fault)
        source = put(billing)
        proxy.forget()
        with proxy.faulty(faulty):
            billing.deliver(source)
        assert struck() == calls[position]
        end_transactions(billing, proxy)
        # As the queue does: again, until the file is loaded.
        eventually(lambda s=source: billing.deliver(s), every=0.3, what=struck())  # type: ignore[misc]
        assert_loaded_once(billing, source)


def test_a_resuming_database_is_waited_for(billing: BillingFlow, proxy: FaultProxy) -> None:
    asleep = itertools.count()

    def resuming(_: Call, forward: Callable[[], Answer], __: Callable[[], None]) -> Answer:
        return refusal("DatabaseResumingException") if next(asleep) < 2 else forward()

    source = put(billing)
    with proxy.faulty(resuming):
        assert billing.deliver(source)
    assert next(asleep) > 2
    assert_loaded_once(billing, source)


def test_a_lasting_failure_is_recorded_and_a_retry_loads_the_file(
    billing: BillingFlow, proxy: FaultProxy
) -> None:
    def refuse(call: Call, forward: Callable[[], Answer], _: Callable[[], None]) -> Answer:
        if "JSON_TABLE" in call.body:
            message: dict[str, Any] = {"code": "DatabaseErrorException"}
            return refusal(message["code"])
        return forward()

    source = put(billing)
    with proxy.faulty(refuse):
        assert not billing.deliver(source)
    entry = billing.ended(source)
    assert entry.status is FileStatus.FAILED
    assert "DatabaseErrorException" in entry.error
    assert billing.deliver(source)
    assert_loaded_once(billing, source)
