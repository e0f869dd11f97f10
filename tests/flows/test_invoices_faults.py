"""Every function of the invoice flow is killed at each of its calls: each invoice ends once."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from finops.invoices.domain import InvoiceStatus, SourceDocument
from tests.flows.audit import AuditTrail
from tests.flows.deployment import eventually
from tests.flows.fault_proxy import (
    Answer,
    Call,
    Fault,
    FaultProxy,
    kill_after,
    kill_before,
    pass_on,
    refusal,
)
from tests.flows.invoices import STEPS, InvoiceFlow, document, json_invoice, paper, unique

pytestmark = [
    pytest.mark.flow,
    # Only our own local cloud runs workers as processes of this machine.
    pytest.mark.needs("lambda_workers"),
]


@dataclass
class FaultPlan:
    """Which fault happens at which call for which invoice; calls name their invoice."""

    faults: dict[str, tuple[int, Fault]] = field(default_factory=dict)
    counts: dict[str, itertools.count[int]] = field(default_factory=dict)
    struck: dict[str, str] = field(default_factory=dict)
    seen: dict[str, list[str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    common: Fault = pass_on

    @contextmanager
    def for_all_calls(self, fault: Fault) -> Iterator[None]:
        """Apply this fault for a while to every call that has no other planned."""
        self.common = fault
        try:
            yield
        finally:
            self.common = pass_on

    def watch(self, invoice: str, position: int = -1, fault: Fault = pass_on) -> None:
        with self.lock:
            self.seen[invoice] = []
            self.counts[invoice] = itertools.count()
            self.faults[invoice] = (position, fault)

    def __call__(
        self, call: Call, forward: Callable[[], Answer], kill: Callable[[], None]
    ) -> Answer:
        fault = self.common
        with self.lock:
            for invoice, (position, planned) in self.faults.items():
                if invoice in call.body or invoice in call.path:
                    self.seen[invoice].append(call.operation)
                    if next(self.counts[invoice]) == position:
                        fault = planned
                        self.struck[invoice] = call.operation
                    break
        return fault(call, forward, kill)


@pytest.fixture(scope="module")
def plan(invoices: InvoiceFlow) -> Iterator[FaultPlan]:
    """Between every function and AWS; S3's events are delivered by the tests."""
    functions = invoices.deployment.client("lambda")
    made, plan = FaultProxy(invoices.deployment.url), FaultPlan()
    before = {
        name: functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        for name in STEPS.values()
    }

    def configure(name: str, variables: dict[str, str]) -> None:
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )
        functions.get_waiter("function_updated_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )

    for name, variables in before.items():
        configure(name, variables | made.environment)
    (mapping,) = functions.list_event_source_mappings(FunctionName=STEPS["receive"])[
        "EventSourceMappings"
    ]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    with made.faulty(plan):
        yield plan
    for name, variables in before.items():
        configure(name, variables)
    invoices.deployment.client("sqs").purge_queue(QueueUrl=invoices.outputs["queue_urls"]["files"])
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    made.close()


def put(invoices: InvoiceFlow, kind: str) -> SourceDocument:
    number = unique("K").upper()
    if kind == "json":
        return invoices.put(f"json/{number}.json", json_invoice(number))
    pages = 2 if kind == "job" else 1
    return invoices.put(f"raw/{number}.pdf", document(paper(number), pages=pages))


def deliver(invoices: InvoiceFlow, source: SourceDocument) -> None:
    """Deliver an event as the queue does: again, until the intake accepts it."""
    functions = invoices.deployment.client("lambda")

    def delivered() -> bool:
        answer = functions.invoke(
            FunctionName=STEPS["receive"], Payload=json.dumps(invoices.event(source)).encode()
        )
        body = json.loads(answer["Payload"].read())
        return "FunctionError" not in answer and not body["batchItemFailures"]

    eventually(delivered, every=0.2, what=f"the intake of {source.key}")


def run(
    invoices: InvoiceFlow, plan: FaultPlan, kind: str, position: int, fault: Fault
) -> tuple[str, str, Any]:
    """The invoice, the call that the fault affected, and how the execution ended."""
    source = put(invoices, kind)
    plan.watch(source.document_id, position, fault)
    deliver(invoices, source)
    done = invoices.ended(source.document_id)
    # The last call, to the audit trail, is made when the invoice is final.
    executed = invoices.executed(source.document_id)
    struck = plan.struck.get(source.document_id, "")
    return done.id, struck, (done.status, bool(done.serial_number), executed)


@dataclass(frozen=True)
class Killed:
    """An invoice that nothing happened to, what it called, and those of its kind that were struck.

    Attributes:
        whole: Its document.
        calls: Operations, in order.
        runs: By fault, one for each position of `calls`.
    """

    whole: SourceDocument
    calls: list[str]
    runs: dict[Fault, list[Future[tuple[str, str, Any]]]]


@pytest.fixture(scope="module")
def killed(invoices: InvoiceFlow, plan: FaultPlan) -> dict[str, Killed]:
    """All runs side by side: some wait a minute for the answer of a job that is lost."""
    found = {}
    for kind in ("job", "page", "json"):
        whole = put(invoices, kind)
        plan.watch(whole.document_id)
        deliver(invoices, whole)
        assert invoices.ended(whole.document_id).status is InvoiceStatus.PROCESSED
        invoices.executed(whole.document_id)
        found[kind] = Killed(whole, plan.seen[whole.document_id], {})
    with invoices.numbering(), ThreadPoolExecutor(8) as pool:
        for (kind, one), fault in itertools.product(found.items(), (kill_before, kill_after)):
            one.runs[fault] = [
                pool.submit(run, invoices, plan, kind, position, fault)
                for position in range(len(one.calls))
            ]
    return found


@pytest.mark.parametrize("kind", ["json", "page", "job"])
@pytest.mark.parametrize("fault", [kill_before, kill_after])
def test_a_function_that_is_killed_at_any_call_leaves_one_processed_invoice(
    invoices: InvoiceFlow, trail: AuditTrail, killed: dict[str, Killed], kind: str, fault: Fault
) -> None:
    whole, calls = killed[kind].whole, killed[kind].calls
    effects = {"PutItem", "StartExecution", "TransactWriteItems", "Publish"}
    assert effects <= set(calls), calls
    found = [one.result() for one in killed[kind].runs[fault]]
    # The intake goes on beside the workflow that it has started.
    first_and_last = ("invoice.received", "invoice.notified")
    told = [one["action"] for one in trail.recorded("invoices", whole.document_id, *first_and_last)]
    for position, (invoice, struck, ended) in enumerate(found):
        assert struck, f"nothing was struck at {position} of {calls}"
        assert ended == (InvoiceStatus.PROCESSED, True, "SUCCEEDED"), (position, struck)
        audited = [one["action"] for one in trail.recorded("invoices", invoice, *told)]
        assert sorted(audited) == sorted(told), (position, struck)


def test_throttling_is_waited_for(invoices: InvoiceFlow, plan: FaultPlan) -> None:
    calls = itertools.count()

    def throttle(call: Call, forward: Callable[[], Answer], _: Callable[[], None]) -> Answer:
        if call.operation == "AnalyzeExpense" and next(calls) < 3:
            return refusal("ProvisionedThroughputExceededException")
        return forward()

    source = put(invoices, "page")
    with plan.for_all_calls(throttle):
        deliver(invoices, source)
        assert invoices.ended(source.document_id).status is InvoiceStatus.PROCESSED
    assert next(calls) >= 4
