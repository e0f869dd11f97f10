"""The flow over fakes: whole, replayed, overtaken, and killed at every call."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest

from finops.budgets.applier import CONCURRENCY, LATE_ANSWERS, BudgetApplier
from finops.budgets.approvals import RaiseLimit
from finops.budgets.batches import publish_in_order
from finops.budgets.comparison import Drift
from finops.budgets.default_rows import DefaultRows
from finops.budgets.documents import document_for
from finops.budgets.domain import (
    BudgetChange,
    BudgetKey,
    NotificationType,
    RemovalPolicy,
    Status,
    Threshold,
)
from finops.budgets.drift import DriftRepairer
from finops.budgets.publications import Outcome, Publication
from finops.budgets.results import UNASKED_REPORTS, ResultRecorder
from finops.budgets.service import BudgetPublisher
from finops.shared.audit import AuditEvent, digest, rfc3339
from finops.shared.errors import (
    ConfigurationError,
    FinOpsError,
    RejectedInput,
    TransientFailure,
)
from tests.audit.recorders import MemoryRecorder
from tests.budgets.fakes import (
    ACCOUNT,
    NOW,
    TOPIC,
    Crash,
    FakeDeadlines,
    FakeOrganization,
    FakeReportCounts,
    FakeResults,
    FakeSpokes,
    FakeStatuses,
    FakeTable,
    Fallible,
    change,
)
from tests.trail import stated

OTHER = "333333333333"
KEY = BudgetKey(account_id=ACCOUNT, budget_name="monthly-total")
THROTTLED = TransientFailure("slow down", code="ThrottlingException", step="put_parameter")


class World:
    """Both sides of the flow on fakes, and the events between them delivered by hand."""

    def __init__(
        self,
        removal: RemovalPolicy = RemovalPolicy.DELETE,
        organization: FakeOrganization | None = None,
        raises: RaiseLimit | None = None,
    ) -> None:
        self.statuses = FakeStatuses()
        self.spokes = FakeSpokes(ACCOUNT, OTHER)
        self.parameters = self.spokes.parameters[ACCOUNT]
        self.budgets = self.spokes.actual[ACCOUNT]
        self.results = FakeResults()
        self.deadlines = FakeDeadlines()
        self.table = FakeTable()
        self.now = NOW + timedelta(seconds=2)
        self.audit = MemoryRecorder()
        self.publisher = BudgetPublisher(
            statuses=self.statuses,
            spokes=self.spokes,
            removal=removal,
            audit=self.audit,
            defaults=(lambda: DefaultRows(self.table, organization)) if organization else None,
            units_known=bool(organization and organization.above),
            raises=raises,
            clock=lambda: self.now,
        )
        self.withheld: list[AuditEvent] = []
        self.recorder = ResultRecorder(
            statuses=self.statuses,
            reports=FakeReportCounts(),
            audit=self.audit,
            withheld=self.withheld.append,
            clock=lambda: self.now,
        )
        self.applier = BudgetApplier(
            account_id=ACCOUNT,
            parameters=self.parameters,
            budgets=self.budgets,
            results=self.results,
            topic_arn=TOPIC,
            default_thresholds=[Threshold(type=NotificationType.ACTUAL, percent=Decimal(80))],
            default_emails=["finance@example.com"],
            clock=lambda: self.now,
        )
        self.repairer = DriftRepairer(
            table=self.table,
            statuses=self.statuses,
            spokes=self.spokes,
            publisher=self.publisher,
            deadlines=self.deadlines,
            removal=removal,
            audit=self.audit,
            clock=lambda: self.now,
            organization=organization,
            concurrency=1,
        )

    def edit(self, edit: BudgetChange) -> Publication:
        key = (edit.key.account_id, edit.key.budget_name)
        if edit.row is None:
            self.table.items.pop(key, None)
        else:
            self.table.items[key] = dict(edit.row)
        try:
            done = self.publisher.publish(edit)
        except Exception as error:
            self.publisher.audit([(edit, error)])
            raise
        self.publisher.audit([(edit, done)])
        return done

    @property
    def audited(self) -> list[str]:
        """What was done, each thing once, as the trail keeps it."""
        return list({stated(one): one.action for one in self.audit.events}.values())

    def deliver(self) -> None:
        """Parameter events to the applier, and its results home."""
        for name in self.parameters.names():
            self.applier.apply(name)
        self.record()

    def record(self) -> None:
        while self.results.reported:
            result = self.results.reported[0]
            self.recorder.record(result, sender=result.key.account_id)
            self.results.reported.pop(0)

    @property
    def status(self) -> str:
        return self.statuses.items[KEY].status.value

    @property
    def amount(self) -> Decimal | None:
        standing = self.budgets.items.get("monthly-total")
        return standing.amount if standing else None

    def drift(self, *accounts: str, repair: bool = False) -> list[Drift]:
        self.now += timedelta(minutes=15)
        return self.repairer.run(
            repair=repair, request_id="drift", account_ids=accounts or None, scheduled=True
        )


@pytest.fixture
def world() -> World:
    return World()


def test_an_edit_becomes_a_budget_and_the_status_says_so(world: World) -> None:
    assert world.edit(change("1250.50")).outcome is Outcome.PUBLISHED
    assert world.status == "PENDING"
    world.deliver()
    assert world.amount == Decimal("1250.50")
    status = world.statuses.items[KEY]
    assert (status.status, status.applied_amount, status.action) == (
        Status.APPLIED,
        "1250.50",
        "created",
    )


def test_a_row_without_alerts_gets_the_spokes_defaults_and_the_topic(world: World) -> None:
    world.edit(change(100))
    world.deliver()
    (alert,) = world.budgets.items["monthly-total"].notifications
    assert alert.threshold == Threshold(type=NotificationType.ACTUAL, percent=Decimal(80))
    assert alert.subscribers == {("SNS", TOPIC), ("EMAIL", "finance@example.com")}


def test_an_unchanged_budget_makes_no_update_call(world: World) -> None:
    world.edit(change("100"))
    world.deliver()
    world.budgets.calls.clear()
    world.edit(change("100.0", sequence=2))
    world.deliver()
    assert world.budgets.calls == ["get_budget", "list_tags"]
    assert world.status == "APPLIED"
    world.now += LATE_ANSWERS
    world.budgets.calls.clear()
    world.applier.apply_all()
    assert world.budgets.calls == ["get_budget"]


def test_an_edit_changes_limit_and_alerts_and_leaves_one_budget(world: World) -> None:
    world.edit(change(100, thresholds=["ACTUAL:50", "ACTUAL:90"], emails=["a@example.com"]))
    world.deliver()
    world.edit(change(200, sequence=2, thresholds=["ACTUAL:90"], emails=["b@example.com"]))
    world.deliver()
    standing = world.budgets.items["monthly-total"]
    assert standing.amount == 200
    (alert,) = standing.notifications
    assert alert.threshold is not None
    assert alert.threshold.percent == 90
    assert alert.subscribers == {("SNS", TOPIC), ("EMAIL", "b@example.com")}
    assert list(world.budgets.items) == ["monthly-total"]


def test_alerts_on_the_forecast_go_before_a_budget_becomes_daily_and_come_after(
    world: World,
) -> None:
    forecast = ["ACTUAL:90", "FORECASTED:100"]
    for sequence, (unit, alerts) in enumerate(
        [("MONTHLY", forecast), ("DAILY", ["ACTUAL:50"]), ("MONTHLY", forecast)], start=1
    ):
        world.edit(change(100, sequence=sequence, time_unit=unit, thresholds=alerts))
        world.deliver()
        standing = world.budgets.items["monthly-total"]
        assert (world.status, standing.settings["time_unit"]) == ("APPLIED", unit)
        assert len(standing.notifications) == len(alerts)


def test_a_bad_edit_is_rejected_with_its_reason_and_the_budget_stays(world: World) -> None:
    world.edit(change(100))
    world.deliver()
    assert world.edit(change("abc", sequence=2)).outcome is Outcome.REJECTED
    world.deliver()
    status = world.statuses.items[KEY]
    assert status.status is Status.REJECTED
    assert "amount 'abc' is not a number" in status.error
    assert (world.amount, status.applied_amount) == (Decimal(100), "100.00")


def test_a_missing_role_fails_the_edit_and_says_what_to_do(world: World) -> None:
    edit = change(100, account_id="999999999999")
    assert world.edit(edit).outcome is Outcome.FAILED
    status = world.statuses.items[edit.key]
    assert (status.status, status.error_step) == (Status.FAILED, "assume_role")
    assert "Deploy" in status.error
    assert world.edit(replace(change(None, sequence=2), key=edit.key)).outcome is Outcome.KEPT


def test_a_throttle_is_raised_for_the_stream_to_retry_and_then_succeeds(world: World) -> None:
    def throttle(_: str) -> None:
        raise THROTTLED

    world.spokes.before = throttle
    with pytest.raises(TransientFailure):
        world.edit(change(100))
    assert world.status == "FAILED"
    world.spokes.before = lambda _: None
    world.edit(change(100))
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(100))


def test_a_duplicate_record_changes_nothing(world: World) -> None:
    world.edit(change(100))
    world.deliver()
    before = world.parameters.items["monthly-total"]
    assert world.edit(change(100)).outcome is Outcome.SKIPPED
    assert world.parameters.items["monthly-total"] == before


def test_an_older_image_never_wins(world: World) -> None:
    world.edit(change(200, sequence=2))
    assert world.edit(change(100, sequence=1)).outcome is Outcome.SKIPPED
    assert world.edit(change("abc", sequence=1)).outcome is Outcome.SKIPPED
    assert world.edit(change(None, sequence=1)).outcome is Outcome.SKIPPED
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(200))


def test_a_slow_writer_puts_back_the_newer_version_it_overwrote(world: World) -> None:
    def overtake(name: str) -> None:
        if name == "put_document":
            world.spokes.before = lambda _: None
            world.edit(change(200, sequence=2))

    world.spokes.before = overtake
    world.edit(change(100, sequence=1))
    document = world.spokes.published()
    assert document.budget is not None
    assert document.budget.amount == 200
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(200))


def test_a_slow_applier_applies_the_newer_document_it_missed(world: World) -> None:
    world.edit(change(100, sequence=1))

    def overtake(name: str) -> None:
        if name == "create_budget":
            world.budgets.before = lambda _: None
            world.edit(change(200, sequence=2))

    world.budgets.before = overtake
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(200))


def test_a_report_of_an_older_version_does_not_end_a_newer_one(world: World) -> None:
    world.edit(change(100, sequence=1))
    world.applier.apply("monthly-total")
    world.edit(change(200, sequence=2))
    world.record()
    assert world.status == "PENDING"


def test_an_unanswered_edit_fails_and_a_late_answer_still_counts(world: World) -> None:
    world.edit(change(100))
    version = world.statuses.items[KEY].version
    assert world.recorder.expire(KEY, version)
    assert world.status == "FAILED"
    assert "did not report" in world.statuses.items[KEY].error
    world.deliver()
    assert world.status == "APPLIED"
    assert not world.recorder.expire(KEY, version)


def test_an_account_cannot_report_for_another(world: World) -> None:
    world.edit(change(100))
    world.applier.apply("monthly-total")
    with pytest.raises(RejectedInput) as refused:
        world.recorder.record(world.results.reported[0], sender=OTHER)
    assert refused.value.code == "foreign_result"
    assert world.status == "PENDING"


def test_a_removed_row_removes_the_budget_where_the_setting_says_so(world: World) -> None:
    world.edit(change(100))
    world.deliver()
    world.edit(change(None, sequence=2))
    world.deliver()
    assert (world.status, world.amount) == ("REMOVED", None)
    world.edit(change(300, sequence=3))
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(300))


def test_a_removed_row_keeps_the_budget_where_the_setting_says_so() -> None:
    world = World(RemovalPolicy.KEEP)
    world.edit(change(100))
    world.deliver()
    assert world.edit(change(None, sequence=2)).outcome is Outcome.KEPT
    world.deliver()
    assert (world.status, world.amount) == ("REMOVED", Decimal(100))
    assert world.drift(repair=True) == []


def test_removing_a_row_that_never_reached_its_spoke_ends_the_matter(world: World) -> None:
    world.edit(change("abc"))
    assert world.edit(change(None, sequence=2)).outcome is Outcome.KEPT
    assert world.status == "REMOVED"
    assert world.drift(repair=True) == []


def test_a_foreign_document_is_not_applied(world: World) -> None:
    document = document_for(change(5, account_id=OTHER))
    world.parameters.put("monthly-total", document.encode())
    with pytest.raises(ConfigurationError) as refused:
        world.applier.apply("monthly-total")
    assert refused.value.code == "foreign_document"
    assert world.amount is None


def test_one_bad_parameter_does_not_keep_the_others_from_the_schedule(world: World) -> None:
    world.parameters.put("a-broken-one", "not json")
    world.edit(change(100))
    with pytest.raises(ConfigurationError):
        world.applier.apply_all()
    assert world.amount == 100


def test_a_budget_that_aws_refuses_is_made_when_aws_allows_it(world: World) -> None:
    world.parameters.put("monthly-total", document_for(change(100)).encode())

    def refuse(step: str) -> None:
        if step == "create_budget":
            raise ConfigurationError("linked account", code="AccessDeniedException", step=step)

    world.budgets.before = refuse
    (refused,) = world.applier.apply_all(report_unchanged=True).results
    assert (refused.effective, world.amount) == (False, None)
    world.budgets.before = lambda step: None
    (made,) = world.applier.apply_all().results
    assert (made.action, world.amount) == ("created", Decimal(100))


def test_a_budget_that_another_run_made_meanwhile_is_read_again(world: World) -> None:
    world.parameters.put("monthly-total", document_for(change(100)).encode())

    def overtake(step: str) -> None:
        if step == "create_budget":
            world.budgets.before = lambda step: None
            world.applier.apply("monthly-total")
            raise TransientFailure("DuplicateRecordException", code="overtaken", step=step)

    world.budgets.before = overtake
    assert [one.action for one in world.applier.apply_all().results] == ["unchanged"]
    assert world.amount == 100


def test_many_budgets_take_their_calls_side_by_side(world: World) -> None:
    for number in range(80):
        name = f"b{number:03d}"
        world.parameters.put(name, document_for(change(number + 1, budget_name=name)).encode())
    together = threading.Barrier(CONCURRENCY, timeout=120)

    def meet(step: str) -> None:
        if step == "get_budget":
            together.wait()

    world.budgets.before = meet
    done = world.applier.apply_all().results
    assert [one.key.budget_name for one in done] == [f"b{number:03d}" for number in range(80)]
    # A hundred budgets of seven calls, each of a second, in the function's five minutes.
    assert 100 * 7 * 1.0 / CONCURRENCY < 300


def test_the_end_of_a_deployment_leaves_nothing(world: World) -> None:
    for name in ("monthly-total", "storage"):
        world.edit(change(100, budget_name=name))
    world.deliver()
    assert world.applier.remove_all() == ["monthly-total", "storage"]
    assert world.budgets.items == {}
    assert world.parameters.items == {}


def remove_budget(world: World) -> None:
    world.budgets.items.clear()


def remove_parameter(world: World) -> None:
    world.parameters.items.clear()


def edit_budget(world: World) -> None:
    standing = world.budgets.items["monthly-total"]
    world.budgets.items["monthly-total"] = replace(
        standing, settings={**standing.settings, "amount": Decimal(1)}
    )


def edit_parameter(world: World) -> None:
    world.parameters.put("monthly-total", document_for(change(1, sequence=99)).encode())


def garble_parameter(world: World) -> None:
    world.parameters.put("monthly-total", "oops")


def lose_the_record_of_an_edit(world: World) -> None:
    world.table.items[(ACCOUNT, "monthly-total")]["amount"] = Decimal(100)
    world.statuses.items.clear()
    remove_parameter(world)
    remove_budget(world)


def lose_the_event_and_the_answer(world: World) -> None:
    world.edit(change(100, sequence=5))
    world.recorder.expire(KEY, world.statuses.items[KEY].version)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (remove_budget, "budget_missing"),
        (edit_budget, "budget_changed"),
        (remove_parameter, "parameter_missing"),
        (edit_parameter, "parameter_changed"),
        (garble_parameter, "parameter_changed"),
        (lose_the_record_of_an_edit, "edit_not_seen"),
        (lose_the_event_and_the_answer, "not_confirmed"),
    ],
)
def test_drift_is_found_and_repaired(
    world: World, damage: Callable[[World], None], reason: str
) -> None:
    world.edit(change(100))
    world.deliver()
    assert world.drift() == []
    damage(world)
    (found,) = world.drift()
    assert (found.reason, found.wanted, found.repaired) == (reason, "100.00", False)
    (repaired,) = world.drift(repair=True)
    assert repaired.repaired
    assert [one.key for one in world.deadlines.scheduled] == [KEY]
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(100))
    assert world.drift() == []


def test_the_spokes_own_schedule_repairs_an_edit_by_hand(world: World) -> None:
    world.edit(change(100))
    world.deliver()
    edit_budget(world)
    assert [one.action for one in world.applier.apply_all().results] == ["updated"]
    assert world.amount == 100


def test_the_spokes_schedule_is_quiet_where_nothing_drifted(world: World) -> None:
    world.edit(change(100))
    world.deliver()
    world.now += timedelta(hours=2)
    assert [one.action for one in world.applier.apply_all().results] == ["unchanged"]
    assert world.results.reported == []


def test_a_lost_answer_is_given_again_by_the_schedule(world: World) -> None:
    world.edit(change(100))
    world.applier.apply("monthly-total")
    world.results.reported.clear()
    world.recorder.expire(KEY, world.statuses.items[KEY].version)
    world.now += timedelta(minutes=15)
    world.applier.apply_all()
    world.record()
    assert world.status == "APPLIED"
    before, entries = world.statuses.items[KEY], len(world.audit.events)
    world.now += timedelta(minutes=15)
    world.applier.apply_all()
    world.record()
    assert world.statuses.items[KEY] == before
    assert len(world.audit.events) == entries


def test_an_edit_on_its_way_is_not_drift(world: World) -> None:
    world.edit(change(100))
    assert world.repairer.run(repair=True, request_id="drift") == []


def test_a_bad_row_whose_record_was_lost_still_gets_its_reason(world: World) -> None:
    world.table.items[(ACCOUNT, "monthly-total")] = {
        "account_id": ACCOUNT,
        "budget_name": "monthly-total",
        "amount": "abc",
    }
    assert world.drift(repair=True) == []
    assert world.status == "REJECTED"


def test_a_lost_removal_is_found_and_repaired(world: World) -> None:
    world.edit(change(100))
    world.deliver()
    world.table.items.clear()
    (found,) = world.drift(repair=True)
    assert (found.reason, found.wanted, found.actual) == ("not_removed", None, "100.00")
    world.deliver()
    assert (world.status, world.amount) == ("REMOVED", None)


def test_an_edit_that_races_a_repair_wins(world: World) -> None:
    world.edit(change(100))
    world.deliver()
    edit_budget(world)

    def overtake(name: str) -> None:
        if name == "put_document":
            world.spokes.before = lambda _: None
            world.edit(change(300, sequence=7))

    world.spokes.before = overtake
    world.drift(repair=True)
    world.deliver()
    assert (world.status, world.amount) == ("APPLIED", Decimal(300))


def test_an_unreachable_account_is_reported_and_harms_no_other(world: World) -> None:
    world.edit(change(100))
    world.deliver()
    world.edit(change(5, account_id="999999999999"))
    remove_budget(world)
    found = {one.key.account_id: one for one in world.drift(repair=True)}
    assert found["999999999999"].reason == "unreachable"
    assert "AssumeRole was refused" in found["999999999999"].error
    assert found[ACCOUNT].repaired


def crashing(places: list[Fallible], *, after: bool, at: int) -> Callable[[], int]:
    """Crash the process at the `at`-th call of any port; returns how many calls were seen."""
    seen = itertools.count()
    count = 0

    def tick(_: str) -> None:
        nonlocal count
        count = next(seen) + 1
        if count == at:
            raise Crash

    for place in places:
        place.before = (lambda _: None) if after else tick
        place.after = tick if after else (lambda _: None)
    return lambda: count


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_any_call_and_a_replay_end_in_the_same_state(after: bool) -> None:
    for at in itertools.count(1):
        world = World()
        world.edit(change(100, thresholds=["ACTUAL:50", "ACTUAL:60"], emails=["a@example.com"]))
        world.deliver()
        wanted = change(
            200, sequence=2, thresholds=["ACTUAL:60", "ACTUAL:70"], emails=["b@example.com"]
        )
        places: list[Fallible] = [
            world.statuses,
            world.spokes,
            world.parameters,
            world.budgets,
            world.results,
        ]
        calls = crashing(places, after=after, at=at)
        crashed = False
        for step in (
            partial(world.edit, wanted),
            partial(world.applier.apply, "monthly-total"),
            world.record,
        ):
            try:
                step()
            except Crash:
                crashed = True
                step()
        assert world.status == "APPLIED"
        told = {one.action for one in world.audit.events if one.version.startswith(wanted.version)}
        assert told == {"budget.published", "budget.applied"}
        standing = world.budgets.items["monthly-total"]
        assert standing.amount == 200
        assert {one.threshold.percent for one in standing.notifications if one.threshold} == {
            60,
            70,
        }
        assert {one.subscribers for one in standing.notifications} == {
            frozenset({("SNS", TOPIC), ("EMAIL", "b@example.com")})
        }
        if not crashed:
            assert calls() < at
            assert at > 10
            return


def test_an_edit_and_its_result_are_audited_with_who_and_before_and_after(world: World) -> None:
    world.edit(change(100, updated_by="ann"))
    world.deliver()
    edit = change(200, sequence=2, updated_by="bea", emails=["a@example.com"])
    world.edit(replace(edit, previous={"amount": Decimal(100), "updated_by": "ann"}))
    world.deliver()
    published, applied = world.audit.events[2:]
    assert (published.stream, published.action) == ("budgets", "budget.published")
    assert published.subject == f"{ACCOUNT}/monthly-total"
    # The row says who edited it, and whoever edits it writes that.
    assert (published.actor, published.version) == ("publish-budget", edit.version)
    assert published.occurred_at == NOW
    assert published.correlation_id == applied.correlation_id == "request-2"
    assert published.input_sha256 == digest(edit.row or {})
    assert published.output_sha256 == digest(world.spokes.published().encode())
    assert published.details == {
        "before": {"amount": Decimal(100)},
        "after": {"amount": Decimal(200)},
        "said_to_be": "bea",
    }
    assert (applied.action, applied.actor) == ("budget.applied", "apply-budget")
    assert applied.details == {"action": "updated", "amount": "200.00"}
    assert "example.com" not in str([one.document("") for one in world.audit.events])


def test_a_replay_gives_the_same_audit_entries(world: World) -> None:
    for edit in (change(100), change("abc", sequence=2), change(300, sequence=3)):
        world.edit(edit)
        world.edit(edit)
        world.deliver()
    ids = [stated(one) for one in world.audit.events]
    assert world.audited == [
        "budget.published", "budget.applied", "budget.rejected", "budget.published",
        "budget.applied",
    ]  # fmt: skip
    assert ids == [ids[0], ids[0], ids[2], ids[3], ids[3], *ids[5:]]


def test_an_edit_that_was_overtaken_is_not_audited(world: World) -> None:
    world.edit(change(200, sequence=2))
    world.edit(change(100, sequence=1))
    assert [one.version for one in world.audit.events] == [change(sequence=2).version]


def test_a_refusal_is_audited_with_its_reason(world: World) -> None:
    world.edit(change("abc"))
    (refused,) = world.audit.events
    assert (refused.action, refused.output_sha256) == ("budget.rejected", "")
    assert refused.details["error_code"] == "invalid_amount"
    assert refused.actor == "publish-budget"


def test_a_refused_address_is_answered_to_its_editor_and_not_audited(world: World) -> None:
    world.edit(change(5, emails=["jane doe@example.com"]))
    (refused,) = world.audit.events
    assert (refused.action, refused.details["error_code"]) == ("budget.rejected", "invalid_emails")
    assert "jane" not in str(refused.details)
    assert "jane" in world.statuses.items[KEY].error


def test_a_failed_edit_is_audited_once_for_each_way_to_fail(world: World) -> None:
    def throttle(name: str) -> None:
        if name == "put_document":
            raise THROTTLED

    world.spokes.before = throttle
    for _ in range(2):
        with pytest.raises(TransientFailure):
            world.edit(change(100))
    assert world.audited == ["budget.failed"]
    world.spokes.before = lambda _: None
    world.edit(change(100, account_id="999999999999"))
    assert [one.details["error_step"] for one in world.audit.events] == [
        "put_parameter",
        "put_parameter",
        "assume_role",
    ]


def test_later_edits_that_were_not_tried_are_not_audited(world: World) -> None:
    edits = [change(1), change(2, sequence=2)]
    world.publisher.audit([(one, THROTTLED) for one in edits])
    assert [one.version.split()[0] for one in world.audit.events] == [edits[0].version]


def test_a_removal_is_audited_as_what_becomes_of_the_budget() -> None:
    for removal, action in ((RemovalPolicy.KEEP, "kept"), (RemovalPolicy.DELETE, "published")):
        world = World(removal)
        world.edit(change(100, updated_by="ann"))
        world.deliver()
        gone = replace(change(None, sequence=2), previous={"amount": 100, "updated_by": "ann"})
        world.edit(gone)
        world.edit(gone)
        world.deliver()
        first, again = world.audit.events[2:4]
        assert first.action == f"budget.{action}"
        assert stated(first) == stated(again)
        # Nobody knows who removed it.
        assert first.actor == "publish-budget"
        assert first.details["before"] == {"amount": 100}
        assert first.details["after"] is None
        last = "budget.kept" if removal is RemovalPolicy.KEEP else "budget.removed"
        assert world.audited[-1] == last


def test_silence_is_audited_however_often_it_is_noticed(world: World) -> None:
    world.edit(change(100))
    version = world.statuses.items[KEY].version
    for _ in range(2):
        world.recorder.expire(KEY, version)
        world.now += timedelta(seconds=1)
    silent = world.audit.events[1:]
    assert [one.action for one in silent] == ["budget.failed"] * 2
    assert len({stated(one) for one in silent}) == 1
    assert silent[0].details["error_code"] == "no_answer"
    world.deliver()
    world.recorder.expire(KEY, version)
    assert world.audited == ["budget.published", "budget.failed", "budget.applied"]


def test_a_stale_result_is_audited_all_the_same(world: World) -> None:
    world.edit(change(100))
    world.applier.apply("monthly-total")
    world.edit(change(200, sequence=2))
    world.record()
    assert world.status == "PENDING"
    assert world.audited == ["budget.published", "budget.published", "budget.applied"]


def test_a_foreign_result_is_audited_as_an_attempt(world: World) -> None:
    world.edit(change(100))
    world.applier.apply("monthly-total")
    with pytest.raises(RejectedInput):
        world.recorder.record(world.results.reported[0], sender=OTHER)
    attempt = world.audit.events[-1]
    assert (attempt.action, attempt.actor) == ("budget_result.refused", f"account {OTHER}")


def test_an_account_cannot_fill_the_trail(world: World) -> None:
    world.edit(change(100))
    world.applier.apply("monthly-total")
    (answer,) = world.results.reported
    unknown = [
        replace(answer, key=replace(KEY, budget_name=f"none-{number}")) for number in range(1_000)
    ]
    again = [
        replace(
            answer,
            status=status,
            error=FinOpsError("never the same", code="no_answer"),
            reported_at=answer.reported_at + timedelta(microseconds=number),
        )
        for number in range(1, 501)
        for status in (Status.APPLIED, Status.FAILED)
    ]
    for one in (*unknown, *again):
        world.recorder.record(one, sender=ACCOUNT)
    # The answer to the edit, and no more of the rest than a day's limit.
    assert len(world.audit.events) == 1 + 1 + UNASKED_REPORTS
    assert len(world.withheld) == len(unknown) + len(again) - 1 - UNASKED_REPORTS
    # The next edit's answer is not among what the limit holds back.
    world.results.reported.clear()
    world.edit(change(200, sequence=2))
    world.deliver()
    assert [one.action for one in world.audit.events[-2:]] == ["budget.published", "budget.applied"]
    world.now += timedelta(days=1)
    edit_budget(world)
    world.applier.apply("monthly-total")
    world.record()
    assert world.audit.events[-1].details["action"] == "updated"


def test_an_account_that_reports_for_others_fills_no_trail_either(world: World) -> None:
    world.edit(change(100))
    world.applier.apply("monthly-total")
    for number in range(UNASKED_REPORTS + 5):
        foreign = replace(world.results.reported[0], request_id=f"r{number}")
        with pytest.raises(RejectedInput):
            world.recorder.record(foreign, sender=OTHER)
    assert len(world.audit.events) == 1 + UNASKED_REPORTS
    assert len(world.withheld) == 5


@pytest.mark.parametrize("year", [1999, 2099])
def test_an_account_cannot_choose_when_something_happened(world: World, year: int) -> None:
    said = datetime(year, 1, 1, tzinfo=UTC)
    world.edit(change(100))
    world.applier.apply("monthly-total")
    answer = world.results.reported.pop()
    world.recorder.record(replace(answer, reported_at=said), sender=ACCOUNT)
    entry = world.audit.events[-1]
    assert entry.occurred_at == world.now
    assert entry.details["said_at"] == rfc3339(said)
    # A clock that is ahead does not keep later reports out.
    world.now += timedelta(seconds=1)
    assert world.recorder.record(replace(answer, reported_at=world.now), sender=ACCOUNT)


def test_a_repair_is_audited_with_what_had_drifted_and_who_asked(world: World) -> None:
    world.edit(change(100))
    world.deliver()
    edit_budget(world)
    world.drift()
    world.drift(repair=True)
    repaired = world.audit.events[-1]
    assert (repaired.action, repaired.actor) == ("drift.repaired", "schedule")
    assert repaired.version == world.statuses.items[KEY].version
    assert repaired.details == {
        "drift": "budget_changed",
        "before": {"amount": "1"},
        "after": {"amount": "100.00"},
    }
    world.deliver()
    edit_budget(world)
    world.now += timedelta(minutes=15)
    world.repairer.run(repair=True, request_id="r", requested_by="bea")
    assert world.audit.events[-1].actor == "repair-budget-drift"
    assert world.audit.events[-1].details["said_to_be"] == "bea"
    assert len(set(world.audited)) == 3


def test_a_repair_that_fails_and_a_bad_row_that_nobody_saw_are_audited(world: World) -> None:
    world.table.items[(ACCOUNT, "monthly-total")] = {
        "account_id": ACCOUNT,
        "budget_name": "monthly-total",
        "amount": "abc",
    }
    world.drift(repair=True)
    world.drift(repair=True)
    assert world.audited == ["budget.rejected"]
    world.table.items[(ACCOUNT, "monthly-total")]["amount"] = 5

    def throttle(name: str) -> None:
        if name == "put_document":
            raise THROTTLED

    world.spokes.before = throttle
    world.drift(repair=True)
    assert world.audited == ["budget.rejected", "drift.failed"]


def test_a_batch_goes_past_a_failing_budget_and_leaves_its_later_edits_to_the_next() -> None:
    order: list[tuple[str, object]] = []
    # The last edit is not valid, so that none of these replaces the one before it.
    amounts = (2, "two", "three")
    edits = [
        change(amount, sequence=number, account_id=account)
        for number, amount in enumerate(amounts, 1)
        for account in (ACCOUNT, OTHER)
    ]

    def publish(edit: BudgetChange) -> Publication:
        amount = (edit.row or {})["amount"]
        if edit.key.account_id == OTHER and amount == "two":
            raise THROTTLED
        order.append((edit.key.account_id, amount))
        return Publication(outcome=Outcome.PUBLISHED)

    done = publish_in_order(edits, publish, concurrency=4)
    assert [amount for account, amount in order if account == ACCOUNT] == list(amounts)
    failed = [edit for edit, outcome in done if isinstance(outcome, Exception)]
    assert [edit.row["amount"] for edit in failed if edit.row] == ["two", "three"]
    assert {edit.key.account_id for edit in failed} == {OTHER}
    assert len(done) == len(edits)
