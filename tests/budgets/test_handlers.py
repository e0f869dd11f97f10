"""The Lambda entry points, fed with events as AWS sends them and composed over fakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from finops.audit.messages import decode_message
from finops.budgets import handlers
from finops.budgets.adapters.dynamodb import decode_change
from finops.budgets.applier import BudgetApplier
from finops.budgets.documents import decode_document
from finops.budgets.domain import BudgetKey, NotificationType, RemovalPolicy, Status, Threshold
from finops.budgets.drift import DriftRepairer
from finops.budgets.ports import BudgetStatus
from finops.budgets.results import ResultRecorder
from finops.budgets.service import BudgetPublisher
from finops.shared.audit import canonical
from finops.shared.errors import RejectedInput, TransientFailure
from finops.shared.observability import metrics
from tests.audit.recorders import MemoryRecorder
from tests.budgets.fakes import (
    ACCOUNT,
    NOW,
    TOPIC,
    FakeAccountQueue,
    FakeDeadlines,
    FakeReportCounts,
    FakeResults,
    FakeSpokes,
    FakeStatuses,
    FakeTable,
    change,
)
from tests.lambda_context import Context

EVENTS = Path(__file__).parent / "events"
KEY = BudgetKey(account_id=ACCOUNT, budget_name="monthly-total")


SEED = {
    "budget_name": "monthly-total",
    "amount": "100.00",
    "currency": "USD",
    "time_unit": "MONTHLY",
}


class Wired:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statuses = FakeStatuses()
        self.spokes = FakeSpokes(ACCOUNT, "333333333333", "444444444444")
        self.deadlines = FakeDeadlines()
        self.table = FakeTable()
        self.results = FakeResults()
        self.audit = MemoryRecorder()
        self.accounts = FakeAccountQueue()
        publisher = BudgetPublisher(
            statuses=self.statuses,
            spokes=self.spokes,
            removal=RemovalPolicy.DELETE,
            audit=self.audit,
        )
        repairer = DriftRepairer(
            table=self.table,
            statuses=self.statuses,
            spokes=self.spokes,
            publisher=publisher,
            deadlines=self.deadlines,
            removal=RemovalPolicy.DELETE,
            audit=self.audit,
            clock=lambda: NOW,
        )
        applier = BudgetApplier(
            account_id=ACCOUNT,
            parameters=self.spokes.parameters[ACCOUNT],
            budgets=self.spokes.actual[ACCOUNT],
            results=self.results,
            topic_arn=TOPIC,
            default_thresholds=[Threshold(type=NotificationType.ACTUAL, percent=Decimal(80))],
            default_emails=[],
            clock=lambda: NOW,
        )
        for name, built in (
            ("_publisher", publisher),
            ("_deadlines", self.deadlines),
            ("_account_queue", self.accounts),
            (
                "_recorder",
                ResultRecorder(
                    statuses=self.statuses,
                    reports=FakeReportCounts(),
                    audit=self.audit,
                    withheld=handlers._withheld,
                    clock=lambda: NOW,
                ),
            ),
            ("_repairer", repairer),
            ("_applier", applier),
        ):
            monkeypatch.setattr(handlers, name, lambda built=built: built)
        monkeypatch.setattr(metrics, "namespace", "FinOps")
        monkeypatch.setenv("PUBLISH_CONCURRENCY", "4")
        monkeypatch.setenv("PARAMETER_PREFIX", "/finops/budgets")
        monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "FinOps")
        monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "test")
        monkeypatch.setenv("ACCOUNT_ID", ACCOUNT)
        monkeypatch.setenv("SEED_BUDGET", json.dumps(SEED))


class Stack:
    """Where CloudFormation waits for answers."""

    def __init__(self) -> None:
        self.answers: list[dict[str, str]] = []
        self.content_types: list[str | None] = []
        self.status = 200
        self.url = ""

    def request(self, action: str) -> dict[str, Any]:
        return {
            "RequestType": action,
            "ResponseURL": self.url,
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "AppliedBudgets",
            "ResourceType": "Custom::AppliedBudgets",
            "ResourceProperties": {"ServiceToken": "arn"},
        }


@pytest.fixture
def stack() -> Iterator[Stack]:
    waiting = Stack()

    class Answers(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            length = int(self.headers["Content-Length"])
            waiting.answers.append(json.loads(self.rfile.read(length)))
            waiting.content_types.append(self.headers["Content-Type"])
            self.send_response(waiting.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        waiting.url = f"http://127.0.0.1:{server.server_port}/?signed"
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield waiting
        server.shutdown()
        thread.join()


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wired]:
    metrics.clear_metrics()
    yield Wired(monkeypatch)
    metrics.clear_metrics()


def event(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return loaded


def call(handler: Any, payload: Any) -> Any:
    return handler(payload, Context())


def test_a_stream_batch_is_published_rejected_and_removed(wired: Wired) -> None:
    assert call(handlers.publish_budget, event("stream")) == {"batchItemFailures": []}
    found = {key.account_id: one for key, one in wired.statuses.items.items()}
    assert found[ACCOUNT].status is Status.PENDING
    assert found["333333333333"].status is Status.REJECTED
    assert found["444444444444"].status is Status.REMOVED
    document = wired.spokes.published()
    assert document.budget is not None
    assert str(document.budget.amount) == "1250.50"
    assert document.budget.emails == ("finance@example.com",)
    assert document.request_id == "7de3041dd709b024af6f29e4fa13d34c"
    assert found["333333333333"].request_id == "second-request"
    assert [one.key for one in wired.deadlines.scheduled] == [KEY]


def test_the_edit_of_a_default_has_all_accounts_compared_also_when_it_is_delivered_again(
    wired: Wired,
) -> None:
    batch = event("stream")
    call(handlers.publish_budget, batch)
    assert wired.accounts.all_accounts == 0
    batch["Records"][0]["dynamodb"]["Keys"]["account_id"]["S"] = "*"
    batch["Records"][0]["dynamodb"]["NewImage"]["account_id"]["S"] = "*"
    for times in (1, 2):
        call(handlers.publish_budget, batch)
        assert wired.accounts.all_accounts == times
    found = wired.statuses.items[BudgetKey(account_id="*", budget_name="monthly-total")]
    assert (found.status, found.amount) == (Status.APPLIED, "1250.50")
    assert wired.audit.events[-3].action == "budget.handed_on"


def test_a_stream_batch_is_audited_and_delivered_again_gives_the_same_entries(
    wired: Wired,
) -> None:
    for _ in range(2):
        call(handlers.publish_budget, event("stream"))
    first, again = wired.audit.events[:3], wired.audit.events[3:]
    assert [one.action for one in first] == ["budget.published", "budget.rejected", "budget.kept"]
    assert [one.entry_id for one in first] == [one.entry_id for one in again]


def test_who_asks_for_a_repair_is_audited(wired: Wired) -> None:
    wired.table.items[(ACCOUNT, "monthly-total")] = dict(change(5).row or {})
    call(handlers.repair_budget_drift, {"repair": True, "requested_by": "bea"})
    (one,) = wired.audit.events
    # Whoever may invoke the function may write any name into its input.
    assert (one.action, one.actor) == ("drift.repaired", "repair-budget-drift")
    assert one.details["said_to_be"] == "bea"


def test_a_repair_by_nobody_who_gives_a_name_is_not_the_schedules(wired: Wired) -> None:
    wired.table.items[(ACCOUNT, "monthly-total")] = dict(change(5).row or {})
    wired.table.items[(ACCOUNT, "other")] = {
        "account_id": ACCOUNT,
        "budget_name": "other",
        "amount": "abc",
    }
    call(handlers.repair_budget_drift, {"repair": True})
    found = {one.action: one for one in wired.audit.events}
    assert sorted(found) == ["budget.rejected", "drift.repaired"]
    assert {one.actor for one in found.values()} == {"repair-budget-drift"}
    assert not any("said_to_be" in one.details for one in found.values())


def test_a_scheduled_repair_says_so(wired: Wired) -> None:
    wired.table.items[(ACCOUNT, "monthly-total")] = dict(change(5).row or {})
    part = {"messageId": "1", "body": json.dumps({"account_ids": [ACCOUNT]})}
    call(handlers.repair_budget_drift, {"Records": [part]})
    assert [one.actor for one in wired.audit.events] == ["schedule"]


def test_a_request_id_left_from_an_earlier_edit_is_not_taken_for_this_one() -> None:
    record = event("stream")["Records"][1]
    record["dynamodb"]["OldImage"]["request_id"] = {"S": "second-request"}
    assert decode_change(record).request_id == record["eventID"]


def test_only_the_throttled_record_comes_again(wired: Wired) -> None:
    def throttle(name: str) -> None:
        if name == "put_document":
            raise TransientFailure("slow down", code="ThrottlingException")

    wired.spokes.before = throttle
    sent = event("stream")
    assert call(handlers.publish_budget, sent) == {
        "batchItemFailures": [{"itemIdentifier": "4421584500000000017450439091"}]
    }
    wired.spokes.before = lambda _: None
    assert call(handlers.publish_budget, sent) == {"batchItemFailures": []}
    assert wired.statuses.items[KEY].status is Status.PENDING


def test_a_record_that_cannot_be_read_fails_alone(wired: Wired) -> None:
    sent = event("stream")
    sent["Records"][1]["dynamodb"]["NewImage"]["amount"] = {"?": "1"}
    assert call(handlers.publish_budget, sent) == {
        "batchItemFailures": [{"itemIdentifier": "4421584500000000017450439092"}]
    }
    assert wired.statuses.items[KEY].status is Status.PENDING


def test_a_number_of_more_digits_than_boto3_reads_is_refused_like_any_other(wired: Wired) -> None:
    sent = event("stream")
    sent["Records"][0]["dynamodb"]["NewImage"]["amount"] = {"N": "9" + "0" * 120}
    assert call(handlers.publish_budget, sent) == {"batchItemFailures": []}
    assert wired.statuses.items[KEY].error_code == "amount_too_large"


def test_a_parameter_change_is_applied_and_reported(wired: Wired) -> None:
    call(handlers.publish_budget, event("stream"))
    assert call(handlers.apply_budget, event("parameter_change")) == {"applied": ["monthly-total"]}
    assert [one.status for one in wired.results.reported] == [Status.APPLIED]


def test_a_parameter_that_is_gone_is_no_error(wired: Wired) -> None:
    assert call(handlers.apply_budget, event("parameter_change")) == {"applied": []}


def test_terraform_applies_what_is_there_and_removes_it_at_the_end(wired: Wired) -> None:
    call(handlers.publish_budget, event("stream"))
    created = call(handlers.apply_budget, {"tf": {"action": "create"}})
    assert created == {"applied": ["monthly-total"]}
    assert call(handlers.apply_budget, {"source": "finops.drift"}) == {"applied": ["monthly-total"]}
    assert [one.action for one in wired.results.reported] == ["created", "unchanged"]
    removed = call(handlers.apply_budget, {"tf": {"action": "delete"}})
    assert removed == {"removed": ["monthly-total"]}
    assert wired.spokes.actual[ACCOUNT].items == {}


def test_a_deployment_writes_the_first_budget_once(wired: Wired) -> None:
    parameters = wired.spokes.parameters[ACCOUNT]
    first = {"applied": ["monthly-total"]}
    assert call(handlers.apply_budget, {"tf": {"action": "update"}}) == {"applied": []}
    assert call(handlers.apply_budget, {"tf": {"action": "create"}}) == first
    document = decode_document(parameters.items["monthly-total"].value)
    assert (document.version, document.request_id, document.edited_at) == ("0", "seed", None)
    assert document.budget is not None
    assert document.budget.amount == 100
    call(handlers.publish_budget, event("stream"))
    edited = dict(parameters.items)
    assert call(handlers.apply_budget, {"tf": {"action": "create"}}) == first
    assert parameters.items == edited


@pytest.mark.parametrize("action", ["Create", "Update"])
def test_a_stack_applies_what_is_there_and_removes_it_at_the_end(
    wired: Wired, stack: Stack, action: str
) -> None:
    call(handlers.publish_budget, event("stream"))
    assert call(handlers.apply_budget, stack.request(action)) == {"applied": ["monthly-total"]}
    removal = stack.request("Delete") | {"PhysicalResourceId": "AppliedBudgets"}
    assert call(handlers.apply_budget, removal) == {"removed": ["monthly-total"]}
    assert wired.spokes.actual[ACCOUNT].items == {}
    assert wired.spokes.parameters[ACCOUNT].items == {}
    identity = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "AppliedBudgets"}
    told = {"Status": "SUCCESS", "Reason": "", "PhysicalResourceId": "AppliedBudgets"} | identity
    assert stack.answers == [told, told]
    # The address is signed for a request without a type of content.
    assert stack.content_types == ["", ""]


def raise_busy() -> None:
    raise TransientFailure("busy", code="busy")


def test_a_stack_hears_of_a_failure_at_once_and_may_ask_again(wired: Wired, stack: Stack) -> None:
    parameters = wired.spokes.parameters[ACCOUNT]
    parameters.before = lambda _: raise_busy()
    assert call(handlers.apply_budget, stack.request("Create")) == {}
    assert [(one["Status"], one["Reason"]) for one in stack.answers] == [("FAILED", "busy")]
    parameters.before = lambda _: None
    assert call(handlers.apply_budget, stack.request("Create")) == {"applied": ["monthly-total"]}
    assert [one["Status"] for one in stack.answers] == ["FAILED", "SUCCESS"]


def test_a_stack_that_cannot_be_told_is_told_by_the_next_try(wired: Wired, stack: Stack) -> None:
    stack.status = 503
    with pytest.raises(OSError, match="503"):
        call(handlers.apply_budget, stack.request("Create"))
    stack.status = 200
    assert call(handlers.apply_budget, stack.request("Create")) == {"applied": ["monthly-total"]}


def test_a_result_is_recorded_for_its_sender_only(wired: Wired) -> None:
    wired.statuses.begin(_pending())
    assert call(handlers.record_budget_result, event("budget_result")) == {"recorded": True}
    assert wired.statuses.items[KEY].status is Status.APPLIED
    with pytest.raises(RejectedInput, match="333333333333 reported"):
        call(handlers.record_budget_result, event("budget_result") | {"account": "333333333333"})


@pytest.mark.parametrize(
    ("status", "timed"), [("APPLIED", [60_001]), ("REMOVED", [60_001]), ("FAILED", [])]
)
def test_what_failed_slowly_counts_once_against_the_service_level(
    wired: Wired, capsys: pytest.CaptureFixture[str], status: str, timed: list[int]
) -> None:
    wired.statuses.begin(_pending())
    sent = event("budget_result")
    sent["detail"] |= {"status": status, "latency_ms": 60_001}
    if status == "FAILED":
        sent["detail"]["error"] = {"message": "no", "code": "c", "step": "s", "remedy": ""}
    assert call(handlers.record_budget_result, sent) == {"recorded": True}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one[f"Budgets{status.title()}"] for one in lines if "_aws" in one] == [[1.0]]
    assert [one for line in lines for one in line.get("BudgetLatency", [])] == timed


def test_what_nobody_asked_for_is_counted_and_kept_in_the_log(
    wired: Wired, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert call(handlers.record_budget_result, event("budget_result")) == {"recorded": False}
    assert wired.audit.events == []
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (counted,) = (one for one in lines if "BudgetResultsWithheld" in one)
    assert counted["BudgetResultsWithheld"] == [1.0]
    (logged,) = (vars(one)["audit_entry"] for one in caplog.records if "audit_entry" in vars(one))
    # `finops audit recover` takes it from there.
    assert decode_message(canonical(logged).decode())["action"] == "budget.applied"


@pytest.mark.parametrize("field", ["budget_name", "version", "action", "amount", "request_id"])
def test_a_report_with_a_text_that_no_spoke_sends_is_refused(wired: Wired, field: str) -> None:
    sent = event("budget_result")
    sent["detail"][field] = "x" * 15_000
    with pytest.raises(RejectedInput) as refused:
        call(handlers.record_budget_result, sent)
    assert refused.value.code == "invalid_result"


def test_a_spokes_words_about_an_error_are_bounded(wired: Wired) -> None:
    wired.statuses.begin(_pending())
    sent = event("budget_result")
    sent["detail"] |= {
        "status": "FAILED",
        "error": {"message": "x" * 15_000, "code": "c", "step": "s", "remedy": "y" * 15_000},
    }
    call(handlers.record_budget_result, sent)
    (entry,) = wired.audit.events
    assert len(canonical(entry.document(""))) < 4_000


def test_a_deadline_fails_what_is_pending_and_only_bad_messages_come_again(wired: Wired) -> None:
    wired.statuses.begin(_pending())
    assert call(handlers.expire_pending_budget, event("deadlines")) == {
        "batchItemFailures": [{"itemIdentifier": "2e1424d4-f796-459a-8184-9c92662be6da"}]
    }
    assert wired.statuses.items[KEY].status is Status.FAILED


def test_drift_is_answered_in_the_command_lines_words(wired: Wired) -> None:
    wired.table.items[(ACCOUNT, "monthly-total")] = dict(change(5).row or {})
    expected = {
        "account_id": ACCOUNT,
        "name": "monthly-total",
        "wanted": "5.00",
        "actual": None,
        "reason": "edit_not_seen",
        "repaired": False,
        "error": "",
    }
    assert call(handlers.repair_budget_drift, {}) == {"drift": [expected]}
    assert call(handlers.repair_budget_drift, {"repair": True, "account_id": ACCOUNT}) == {
        "drift": [expected | {"repaired": True}]
    }
    assert wired.spokes.published().request_id == "request"


def _pending() -> BudgetStatus:
    return BudgetStatus(key=KEY, version=change(sequence=1).version, status=Status.PENDING)
