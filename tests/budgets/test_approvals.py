"""Raises that wait for two people: what waits, who may approve it, and every way round it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from finops.budgets.approval_desk import ApprovalDesk
from finops.budgets.approval_requests import ApprovalAnswer, answer
from finops.budgets.approvals import RaiseLimit
from finops.budgets.batches import publish_in_order
from finops.budgets.domain import BudgetKey, RemovalPolicy, Status
from finops.budgets.publications import Outcome, Publication
from finops.shared.errors import RejectedInput, TransientFailure
from tests.budgets.fakes import ACCOUNT, NOW, Crash, FakeAccountQueue, FakeOrganization, change
from tests.budgets.test_service import KEY, OTHER, World
from tests.trail import stated

ANN = "arn:aws:iam::111111111111:user/ann <AIDAANN>"
BOB = "arn:aws:iam::111111111111:user/bob <AIDABOB>"
DEFAULT = BudgetKey(account_id="*", budget_name="monthly-total")
#: A tenth, and never more than 500 USD a month.
LIMIT = RaiseLimit(percent=Decimal(10), usd=Decimal(500))


class RaisedWorld(World):
    """A world in which raises wait."""

    def __init__(
        self, limit: RaiseLimit = LIMIT, organization: FakeOrganization | None = None
    ) -> None:
        super().__init__(RemovalPolicy.DELETE, organization, limit)
        self.queue = FakeAccountQueue()
        self.desk = ApprovalDesk(
            table=self.table,
            statuses=self.statuses,
            accounts=self.queue,
            audit=self.audit,
            clock=lambda: self.now,
        )
        self.numbers = itertools.count(1)

    def set(self, amount: object, account_id: str = ACCOUNT, **row: Any) -> Outcome:
        number = next(self.numbers)
        done = self.edit(change(amount, sequence=number, account_id=account_id, **row))
        self.deliver()
        return done.outcome

    def approve(self, *people: str, key: BudgetKey = KEY) -> None:
        for one in people:
            self.desk.approve(key, one, content=self.statuses.items[key].content)
        # What the queue invokes.
        if self.queue.all_accounts or self.queue.parts:
            self.drift(repair=True)
            self.deliver()

    @property
    def standing(self) -> tuple[str, object]:
        """The newest edit's status, and the amount in AWS."""
        return self.status, self.amount

    def next_month(self) -> None:
        first = self.now.replace(day=1) + timedelta(days=32)
        self.now = first.replace(day=2)


@pytest.fixture
def world() -> RaisedWorld:
    world = RaisedWorld()
    world.set(100)
    return world


def test_a_raise_waits_and_the_budget_stays_until_two_people_have_approved_it(
    world: RaisedWorld,
) -> None:
    assert world.set(200, thresholds=["ACTUAL:99"]) is Outcome.WAITING
    status = world.statuses.items[KEY]
    assert (status.status, status.amount) == (Status.WAITING, "200.00")
    assert world.amount == 100
    assert "by 200.00 USD a month (100.0 percent" in status.error
    assert "finops budgets approve" in status.error
    assert world.drift() == []
    world.approve(ANN)
    assert world.standing == ("WAITING", 100)
    world.approve(BOB)
    assert world.standing == ("APPLIED", 200)
    assert world.drift() == []
    assert approvers(world) == [ANN, BOB]
    assert "budget.waiting" in world.audited


def test_all_of_a_budget_that_is_new_this_month_counts_as_its_raise() -> None:
    world = RaisedWorld(RaiseLimit(usd=Decimal(500)))
    assert world.set(500) is Outcome.PUBLISHED
    assert world.set(501) is Outcome.WAITING
    assert world.standing == ("WAITING", 500)
    world.approve(ANN, BOB)
    assert world.standing == ("APPLIED", 501)
    assert world.set(1001) is Outcome.PUBLISHED
    assert world.set(1002) is Outcome.WAITING


def test_a_budget_that_is_new_this_month_has_its_amount_to_measure_a_percentage_by() -> None:
    world = RaisedWorld(RaiseLimit(percent=Decimal(10)))
    assert world.set(100) is Outcome.PUBLISHED
    assert world.set(110) is Outcome.PUBLISHED
    assert world.set(111) is Outcome.WAITING
    world.next_month()
    assert world.set(121) is Outcome.PUBLISHED
    assert world.set(122) is Outcome.WAITING


def approvers(world: RaisedWorld) -> list[str]:
    """Whose approvals the trail has, each once."""
    told = {stated(one): one for one in world.audit.events if one.action == "budget.approved"}
    return [one.actor for one in told.values()]


def test_without_a_limit_nothing_waits() -> None:
    world = World()
    world.edit(change(1))
    world.deliver()
    world.edit(change(10**9, sequence=2))
    world.deliver()
    assert world.status == "APPLIED"
    assert world.statuses.items[KEY].baseline == ""


@pytest.mark.parametrize(
    ("row", "waits"),
    [
        ({"amount": 110}, False),
        ({"amount": "110.01"}, True),
        ({"amount": 1}, False),
        ({"amount": 100, "thresholds": "none"}, False),
        ({"amount": 5, "time_unit": "DAILY"}, True),  # 1,825 a year
        ({"amount": 300, "time_unit": "QUARTERLY"}, False),
        ({"amount": 400, "time_unit": "QUARTERLY"}, True),
        ({"amount": 1200, "time_unit": "ANNUALLY"}, False),
        ({"amount": 100, "planned_amounts": {"2099-01": "500"}}, True),
        ({"amount": 100, "planned_amounts": {"2020-01": "1300/year"}}, False),
        ({"amount": 100, "planned_amounts": {"2020-01": "1500/year"}}, True),
        (
            {
                "amount": 100,
                "planned_amounts": {"2020-01": "1200/year"},
                "phasing": ",".join(["12", *["1"] * 11]),
            },
            True,
        ),
        ({"amount": 200, "delivery": "payer"}, True),
    ],
)
def test_what_a_year_would_cost_counts_whatever_the_period_and_the_plan(
    world: RaisedWorld, row: dict[str, Any], waits: bool
) -> None:
    amount = row.pop("amount")
    assert (world.set(amount, **row) is Outcome.WAITING) == waits


def test_an_amount_counts_where_a_percentage_would_not() -> None:
    world = RaisedWorld()
    assert world.set(400) is Outcome.PUBLISHED
    standing = Decimal(0)
    for _ in range(60):
        world.next_month()
        standing = world.amount or standing
        if world.set(standing * Decimal("1.1") // 1) is Outcome.WAITING:
            break
    assert "500 USD a month" in world.statuses.items[KEY].error
    assert standing > 5000
    assert world.amount == standing


def test_a_new_budget_is_a_raise_of_its_whole_amount() -> None:
    world = RaisedWorld()
    assert world.set(501) is Outcome.WAITING
    assert world.amount is None
    world.approve(ANN, BOB)
    assert world.standing == ("APPLIED", 501)
    by_percent = RaisedWorld(RaiseLimit(percent=Decimal(10)))
    assert by_percent.set(501) is Outcome.PUBLISHED


def test_small_steps_add_up_within_a_month_and_not_beyond(world: RaisedWorld) -> None:
    found = [world.set(amount) for amount in (105, 109, 110, 111)]
    assert found == [Outcome.PUBLISHED] * 3 + [Outcome.WAITING]
    assert world.amount == 110
    world.next_month()
    assert world.set(121) is Outcome.PUBLISHED
    assert world.set(122) is Outcome.WAITING


def test_steps_after_an_approval_start_from_what_was_approved(world: RaisedWorld) -> None:
    world.set(200)
    world.approve(ANN, BOB)
    assert [world.set(one) for one in (220, 221)] == [Outcome.PUBLISHED, Outcome.WAITING]


def test_lowering_it_first_gives_nothing_and_takes_nothing(world: RaisedWorld) -> None:
    assert [world.set(one) for one in (1, 110, 111)] == [
        Outcome.PUBLISHED,
        Outcome.PUBLISHED,
        Outcome.WAITING,
    ]


@pytest.mark.parametrize("later", [False, True])
def test_a_budget_that_is_removed_and_made_again_is_raised(
    world: RaisedWorld, *, later: bool
) -> None:
    world.set(None)
    assert world.amount is None
    if later:
        world.next_month()
    assert world.set(111) is Outcome.WAITING
    assert world.amount is None
    assert world.set(110) is Outcome.PUBLISHED


def test_a_row_that_is_removed_while_its_raise_waits_is_removed(world: RaisedWorld) -> None:
    world.set(200)
    world.set(None)
    assert world.standing == ("REMOVED", None)
    assert world.drift() == []


def test_a_raise_that_is_taken_back_waits_no_more(world: RaisedWorld) -> None:
    world.set(200)
    assert world.set(100) is Outcome.PUBLISHED
    assert world.standing == ("APPLIED", 100)


def test_an_approval_is_of_exactly_what_was_seen(world: RaisedWorld) -> None:
    world.set(200)
    seen = world.statuses.items[KEY].content
    world.approve(ANN)
    world.set(900)
    with pytest.raises(RejectedInput, match="has changed since you looked"):
        world.desk.approve(KEY, BOB, content=seen)
    world.approve(BOB)
    assert world.standing == ("WAITING", 100)
    # Back to what Ann had approved: her word was for the edit before.
    world.set(200)
    world.approve(BOB)
    assert world.standing == ("WAITING", 100)


@pytest.mark.parametrize(
    ("people", "code"),
    [
        ((ANN, ANN), "own_approval"),
        ((ANN, "arn:aws:iam::111111111111:user/ANN <AIDAOTHER>"), "own_approval"),
        ((ANN, "AWS:AIDAANN"), "own_approval"),
        (("arn:aws:sts::111111111111:assumed-role/ops/bob",), "unproven_session"),
        (("arn:aws:sts::111111111111:federated-user/bob",), "unproven_session"),
    ],
)
def test_nobody_approves_alone(world: RaisedWorld, people: tuple[str, ...], code: str) -> None:
    world.set(200)
    with pytest.raises(RejectedInput) as refused:
        world.approve(*people)
    assert refused.value.code == code
    assert world.standing == ("WAITING", 100)


def test_what_does_not_wait_cannot_be_approved(world: RaisedWorld) -> None:
    for key in (KEY, BudgetKey(account_id=OTHER, budget_name="x")):
        with pytest.raises(RejectedInput, match="does not wait"):
            world.desk.approve(key, ANN, content="")


def test_drift_repairs_the_budget_before_the_raise_and_publishes_no_raise(
    world: RaisedWorld,
) -> None:
    world.set(200)
    world.budgets.items.clear()
    assert [one.reason for one in world.drift()] == ["budget_missing"]
    assert [one.repaired for one in world.drift(repair=True)] == [True]
    world.deliver()
    assert world.standing == ("WAITING", 100)
    world.parameters.items.clear()
    world.drift(repair=True)
    world.deliver()
    assert world.standing == ("WAITING", 100)
    assert world.drift() == []


def test_a_raise_whose_stream_record_was_lost_waits_all_the_same(world: RaisedWorld) -> None:
    world.table.items[ACCOUNT, "monthly-total"]["amount"] = 200
    world.drift(repair=True)
    world.deliver()
    assert world.standing == ("WAITING", 100)
    world.approve(ANN, BOB)
    assert world.standing == ("APPLIED", 200)


def in_one_batch(world: RaisedWorld, *edits: dict[str, Any]) -> list[str]:
    """The same edits in one batch of the stream. Returns how each ended."""
    batch = [change(**{"amount": 100, **edit}, sequence=next(world.numbers)) for edit in edits]
    for one in batch:
        at = (one.key.account_id, one.key.budget_name)
        world.table.items.pop(at, None)
        if one.row is not None:
            world.table.items[at] = dict(one.row)
    publisher = world.publisher
    done = publish_in_order(
        batch, publisher.publish, concurrency=4, would_wait=publisher.would_wait
    )
    publisher.audit(done)
    world.deliver()
    return [one.outcome.name if isinstance(one, Publication) else repr(one) for _, one in done]


@pytest.mark.parametrize(
    ("edits", "ends", "standing"),
    [
        ([105, 900], ["PUBLISHED", "WAITING"], ("WAITING", 105)),
        ([104, 105, 900], ["SUPERSEDED", "PUBLISHED", "WAITING"], ("WAITING", 105)),
        ([50, 900, 800], ["PUBLISHED", "WAITING", "WAITING"], ("WAITING", 50)),
        ([50, 900, "x"], ["PUBLISHED", "WAITING", "REJECTED"], ("REJECTED", 50)),
        ([900, 105], ["SUPERSEDED", "PUBLISHED"], ("APPLIED", 105)),
        ([None, 900], ["PUBLISHED", "WAITING"], ("WAITING", None)),
        ([900, None], ["SUPERSEDED", "PUBLISHED"], ("REMOVED", None)),
    ],
)
def test_a_raise_that_waits_replaces_no_edit_before_it(
    world: RaisedWorld, edits: list[object], ends: list[str], standing: object
) -> None:
    one_by_one = RaisedWorld()
    one_by_one.set(100)
    for amount in edits:
        one_by_one.set(amount)
    assert one_by_one.standing == standing
    assert in_one_batch(world, *({"amount": one} for one in edits)) == ends
    assert world.standing == standing
    repair(world)
    assert world.standing == standing


def test_an_approval_is_of_no_edit_that_came_after_another(world: RaisedWorld) -> None:
    """Though it asks for the same: the edit between them has ended what was approved."""
    world.set(900)
    for one in (ANN, BOB):
        world.desk.approve(KEY, one, content=world.statuses.items[KEY].content)
    assert in_one_batch(world, {"amount": 50}, {"amount": 900}) == ["PUBLISHED", "WAITING"]
    assert world.standing == ("WAITING", 50)


def test_a_batch_of_defaults_and_own_rows_takes_effect_as_one_by_one() -> None:
    world = inheriting()
    ends = in_one_batch(
        world,
        {"amount": 105, "account_id": "*"},
        {"amount": 900, "account_id": "*"},
        {"amount": 7, "account_id": OTHER, "budget_name": "other"},
    )
    assert sorted(ends) == ["HANDED_ON", "PUBLISHED", "WAITING"]
    repair(world)
    assert world.standing == ("APPLIED", 105)
    own = RaisedWorld(organization=FakeOrganization(ACCOUNT, OTHER))
    own.set(100)
    own.set(450, account_id="*")
    # The default would raise an account that loses its row.
    assert in_one_batch(own, {"amount": 90}, {"amount": None}) == ["PUBLISHED", "WAITING"]
    assert own.standing == ("WAITING", 90)


def test_a_batch_whose_organization_does_not_answer_loses_nothing() -> None:
    world = inheriting()
    organization = world.repairer._organization
    assert isinstance(organization, FakeOrganization)
    organization.error = TransientFailure("slow down", code="Throttling", step="list_accounts")
    assert in_one_batch(world, {"amount": 90}, {"amount": None})[0] == "PUBLISHED"


def test_an_import_of_many_raises_has_each_of_them_wait(world: RaisedWorld) -> None:
    for name in ("a", "b"):
        world.set(100, budget_name=name)
    assert [world.set(900, budget_name=name) for name in ("a", "b")] == [Outcome.WAITING] * 2


def inheriting() -> RaisedWorld:
    world = RaisedWorld(organization=FakeOrganization(ACCOUNT, OTHER))
    world.set(100, account_id="*")
    world.drift(ACCOUNT, OTHER, repair=True)
    world.deliver()
    assert world.amount == 100
    return world


def test_a_raise_of_a_default_waits_once_for_all_accounts() -> None:
    world = inheriting()
    assert world.set(400, account_id="*") is Outcome.WAITING
    world.drift(ACCOUNT, OTHER, repair=True)
    world.deliver()
    assert world.standing == ("APPLIED", 100)
    world.approve(ANN, key=DEFAULT)
    assert world.queue.all_accounts == 0
    world.approve(BOB, key=DEFAULT)
    assert world.statuses.items[DEFAULT].status is Status.APPLIED
    assert world.standing == ("APPLIED", 400)
    assert [world.set(one, account_id="*") for one in (440, 441)] == [
        Outcome.HANDED_ON,
        Outcome.WAITING,
    ]


@pytest.mark.parametrize("row", [None, {"amount": "many"}])
def test_a_default_that_is_removed_or_spoiled_while_people_approve_is_not_handed_on(
    row: dict[str, Any] | None,
) -> None:
    world = inheriting()
    world.set(400, account_id="*")
    world.approve(ANN, key=DEFAULT)
    # The stream's record of this edit is still on its way.
    key = (DEFAULT.account_id, DEFAULT.budget_name)
    before = world.table.items.pop(key)
    if row:
        world.table.items[key] = {**before, **row}
    status = world.desk.approve(DEFAULT, BOB, content=world.statuses.items[DEFAULT].content)
    assert (status.status, len(status.approvals)) == (Status.WAITING, 2)
    assert world.queue.all_accounts == 0
    assert world.standing == ("APPLIED", 100)


def test_the_edit_of_a_default_that_the_stream_lost_waits_too() -> None:
    world = inheriting()
    world.table.items["*", "monthly-total"]["amount"] = 400
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    assert world.standing == ("APPLIED", 100)


def test_a_row_of_its_own_above_the_default_is_a_raise() -> None:
    world = inheriting()
    assert world.set(400) is Outcome.WAITING
    assert world.amount == 100


def test_an_own_row_that_is_removed_does_not_raise_to_the_default() -> None:
    world = RaisedWorld(organization=FakeOrganization(ACCOUNT, OTHER))
    world.set(100)
    world.set(450, account_id="*")
    assert world.set(None) is Outcome.WAITING
    assert world.standing == ("WAITING", 100)
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    assert world.standing == ("WAITING", 100)
    world.approve(ANN, BOB)
    assert world.standing == ("APPLIED", 450)


def test_a_default_that_was_refused_meanwhile_raises_nobody_either() -> None:
    world = RaisedWorld(organization=FakeOrganization(ACCOUNT, OTHER))
    world.set(100)
    world.set(450, account_id="*")
    world.set("many", account_id="*")
    assert world.set(None) is Outcome.REJECTED
    assert world.set(450, account_id="*") is Outcome.HANDED_ON
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    assert world.standing == ("WAITING", 100)


def test_a_deployment_that_gets_a_limit_measures_against_what_is_published() -> None:
    world = RaisedWorld()
    world.set(100)
    world.statuses.items[KEY] = replace(world.statuses.items[KEY], baseline="")
    assert world.set(200) is Outcome.WAITING


def raised_within_limits(world: RaisedWorld) -> None:
    """A default of 105 that stands, and one of 112 that waits."""
    assert world.set(105, account_id="*") is Outcome.HANDED_ON
    assert world.set(112, account_id="*") is Outcome.WAITING


def repair(world: RaisedWorld, account_id: str = ACCOUNT) -> None:
    world.drift(account_id, repair=True)
    world.deliver()


def test_an_own_row_that_is_removed_gives_the_default_that_stands() -> None:
    world = RaisedWorld(organization=FakeOrganization(ACCOUNT, OTHER))
    world.set(100, account_id="*")
    raised_within_limits(world)
    world.set(105)
    assert world.set(None) is Outcome.DEFAULTED
    assert world.standing == ("APPLIED", 105)
    repair(world)
    assert world.standing == ("APPLIED", 105)
    world.approve(ANN, BOB, key=DEFAULT)
    assert world.standing == ("APPLIED", 112)


def test_an_account_that_is_new_gets_the_default_that_stands() -> None:
    world = RaisedWorld(organization=FakeOrganization(ACCOUNT, OTHER))
    world.set(100, account_id="*", thresholds="none", cost_filters={"Service": ["Amazon S3"]})
    world.set(900, account_id="*", emails="a@example.com")
    repair(world)
    assert world.standing == ("APPLIED", 100)
    assert world.drift(ACCOUNT) == []
    assert world.budgets.items["monthly-total"].notifications == ()


def test_a_unit_whose_first_default_waits_leaves_its_accounts_what_stands_above() -> None:
    unit = "ou-ab12-cd34ef56"
    world = RaisedWorld(organization=FakeOrganization(ACCOUNT, OTHER, **{ACCOUNT: unit}))
    world.publisher.defaults._units_known = True
    world.set(100, account_id="*")
    assert world.set(900, account_id=unit) is Outcome.WAITING
    world.set(95)
    world.set(None)
    assert world.standing == ("APPLIED", 100)
    assert world.drift(ACCOUNT) == []


def test_a_default_that_waits_and_never_stood_is_no_default() -> None:
    world = RaisedWorld(organization=FakeOrganization(ACCOUNT, OTHER))
    world.set(100)
    assert world.set(900, account_id="*") is Outcome.WAITING
    world.set(None)
    assert world.standing == ("REMOVED", None)
    repair(world, OTHER)
    assert not world.spokes.parameters[OTHER].items


def before_the_limit(world: RaisedWorld) -> RaiseLimit:
    limit = world.publisher.raises.limit
    assert limit
    world.publisher.raises.limit = None
    world.set(500, account_id="*")
    repair(world)
    world.publisher.raises.limit = limit
    return limit


@pytest.mark.parametrize("between", [(), ("many",), (None,), ("many", None)])
def test_a_default_of_before_the_limit_is_measured_against_what_it_handed_on(
    between: tuple[object, ...],
) -> None:
    by_percent = RaiseLimit(percent=Decimal(10))
    world = RaisedWorld(by_percent, FakeOrganization(ACCOUNT, OTHER))
    before_the_limit(world)
    for amount in between:
        world.set(amount, account_id="*")
    assert world.set(50000, account_id="*") is Outcome.WAITING
    repair(world)
    assert world.amount == 500
    assert world.set(550, account_id="*") is Outcome.HANDED_ON


@pytest.mark.parametrize("between", [(), ("many",), (None,)])
def test_a_default_of_an_older_version_waits_where_nobody_knows_what_it_was(
    between: tuple[object, ...],
) -> None:
    world = RaisedWorld(RaiseLimit(percent=Decimal(10)), FakeOrganization(ACCOUNT, OTHER))
    before_the_limit(world)
    old = replace(world.statuses.items[DEFAULT], document="", content="")
    world.statuses.items[DEFAULT] = old
    for amount in between:
        world.set(amount, account_id="*")
    assert world.set(50000, account_id="*") is Outcome.WAITING
    assert "nobody knows" in world.statuses.items[DEFAULT].error
    repair(world)
    assert world.amount == 500
    world.approve(ANN, BOB, key=DEFAULT)
    assert world.set(54000, account_id="*") is Outcome.HANDED_ON


def test_a_drift_run_learns_what_an_older_version_handed_on() -> None:
    world = RaisedWorld(RaiseLimit(percent=Decimal(10)), FakeOrganization(ACCOUNT, OTHER))
    before_the_limit(world)
    old = replace(world.statuses.items[DEFAULT], document="", content="")
    world.statuses.items[DEFAULT] = old
    world.drift(ACCOUNT)
    assert world.statuses.items[DEFAULT] == old
    repair(world, OTHER)
    assert world.spokes.parameters[OTHER].items
    assert world.set(551, account_id="*") is Outcome.WAITING
    assert world.set(550, account_id="*") is Outcome.HANDED_ON
    # One whose edit has not come through the stream yet is not what was handed on.
    world.statuses.items[DEFAULT] = old
    world.table.items["*", "monthly-total"]["amount"] = 9000
    repair(world)
    assert world.amount == 500


def test_what_waits_goes_on_waiting_when_the_month_ends(world: RaisedWorld) -> None:
    world.set(105)
    assert world.set(112) is Outcome.WAITING
    for _ in range(2):
        world.next_month()
        repair(world)
        assert world.standing == ("WAITING", 105)
    world.approve(ANN)
    repair(world)
    assert world.standing == ("WAITING", 105)
    world.publisher.raises.limit = RaiseLimit(percent=Decimal(50))
    repair(world)
    assert world.standing == ("WAITING", 105)
    # An edit is measured anew.
    assert world.set(112, thresholds="none") is Outcome.PUBLISHED


def test_a_default_that_waits_goes_on_waiting_when_the_month_ends() -> None:
    world = inheriting()
    raised_within_limits(world)
    repair(world)
    world.next_month()
    repair(world)
    assert world.standing == ("APPLIED", 105)
    assert world.statuses.items[DEFAULT].status is Status.WAITING
    world.set(104)
    world.set(None)
    assert world.standing == ("APPLIED", 105)
    world.approve(ANN, BOB, key=DEFAULT)
    assert world.standing == ("APPLIED", 112)


def test_without_the_limit_what_waited_takes_effect_and_waits_no_more() -> None:
    world = inheriting()
    world.set(400, account_id="*")
    world.publisher.raises.limit = None
    world.drift(ACCOUNT)
    assert world.statuses.items[DEFAULT].status is Status.WAITING
    repair(world)
    assert world.standing == ("APPLIED", 400)
    status = world.statuses.items[DEFAULT]
    assert (status.status, status.amount, status.error) == (Status.APPLIED, "400.00", "")
    own = RaisedWorld()
    own.set(100)
    own.set(400)
    own.publisher.raises.limit = None
    repair(own)
    assert own.standing == ("APPLIED", 400)


def test_an_approval_is_finished_whenever_it_was_killed() -> None:
    for key, at in itertools.product((KEY, DEFAULT), range(3)):
        world = inheriting() if key is DEFAULT else RaisedWorld()
        world.set(100, account_id=key.account_id)
        world.set(400, account_id=key.account_id)
        world.approve(ANN, key=key)
        calls = itertools.count()

        def crash(_: str, at: int = at, calls: Any = calls) -> None:
            if next(calls) == at:
                raise Crash

        world.statuses.after = crash
        content = world.statuses.items[key].content
        try:
            world.desk.approve(key, BOB, content=content)
        except Crash:
            world.statuses.after = lambda _: None
            if world.statuses.items[key].status is Status.WAITING:
                world.desk.approve(key, BOB, content=content)
        world.statuses.after = lambda _: None
        world.drift(repair=True)
        world.deliver()
        assert world.amount == 400, (key, at)


@pytest.mark.parametrize("key", [KEY, DEFAULT])
@pytest.mark.parametrize("stopped", [ANN, BOB])
def test_an_approval_whose_entry_was_lost_is_in_the_trail_once_the_raise_takes_effect(
    key: BudgetKey, stopped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = inheriting() if key is DEFAULT else RaisedWorld()
    world.set(100, account_id=key.account_id)
    world.set(400, account_id=key.account_id)
    content = world.statuses.items[key].content

    def crash(*_: object) -> None:
        raise Crash

    for one in (ANN, BOB):
        with monkeypatch.context() as patched:
            if one is stopped:
                patched.setattr(world.audit, "record", crash)
                with pytest.raises(Crash):
                    world.desk.approve(key, one, content=content)
            else:
                world.desk.approve(key, one, content=content)
    world.drift(ACCOUNT, repair=True)
    world.deliver()
    assert world.standing == ("APPLIED", 400)
    assert sorted(approvers(world)) == [ANN, BOB]


def test_an_approval_that_is_sent_again_is_told_of_who_sends_it() -> None:
    world = inheriting()
    world.set(400, account_id="*")
    content = world.statuses.items[DEFAULT].content
    world.desk.approve(DEFAULT, ANN, content=content)

    def stop(name: str) -> None:
        if name == "approve":
            raise Crash

    world.statuses.after = stop
    with pytest.raises(Crash):
        world.desk.approve(DEFAULT, BOB, content=content)
    world.statuses.after = lambda _: None
    world.audit.events.clear()
    world.desk.approve(DEFAULT, BOB, content=content)
    assert world.statuses.items[DEFAULT].status is Status.APPLIED
    told = [(one.actor, one.details["people"]) for one in world.audit.events]
    assert told == [(ANN, 1), (BOB, 2)]


@pytest.mark.parametrize(
    ("row", "amounts"),
    [
        ({"planned_amounts": {"2099-01": "5000"}}, "100.00, 5000.00 from 2099-01 on"),
        (
            {"planned_amounts": {"2099-01": "60000/year"}, "phasing": "1,1,1,1,1,1,1,1,1,1,1,9"},
            "100.00, 60000.00 a year from 2099-01 on",
        ),
    ],
)
def test_a_raise_by_a_plan_is_told_by_what_the_months_become(
    world: RaisedWorld, row: dict[str, Any], amounts: str
) -> None:
    assert world.set(100, **row) is Outcome.WAITING
    status = world.statuses.items[KEY]
    highest = "5000.00" if "phasing" not in row else "27000.00"
    assert status.amount == "100.00"
    assert status.amounts == f"{amounts}, at most {highest} at once"
    assert f", to {status.amounts}, and raises above" in status.error
    world.approve(ANN)
    (told,) = [one for one in world.audit.events if one.action == "budget.approved"]
    assert told.details["after"] == {"amount": "100.00", "amounts": status.amounts}
    # Of another edit there is another word, or none.
    world.set(900)
    assert world.statuses.items[KEY].amounts == ""


def event(body: object, arn: str = "arn:aws:iam::1:user/ann", identifier: str = "AIDAANN") -> Any:
    iam = {"userArn": arn, "callerId": identifier, "userId": identifier}
    return {
        "requestContext": {"authorizer": {"iam": iam}},
        "body": json.dumps(body),
    }


def test_people_approve_by_signed_requests(world: RaisedWorld) -> None:
    world.set(200)
    body = {
        "account_id": ACCOUNT,
        "budget_name": KEY.budget_name,
        "content": world.statuses.items[KEY].content,
    }
    ask: Callable[..., dict[str, Any]] = lambda *sent: answer(world.desk, event(*sent))  # noqa: E731
    unsigned = answer(world.desk, {"requestContext": {}, "body": json.dumps(body)})
    assert unsigned["statusCode"] == 400
    for bad in ({}, {**body, "approver": "bob"}, {**body, "content": "x" * 129}, "text"):
        assert ask(bad)["statusCode"] == 400
    first = ask(body)
    assert (first["statusCode"], json.loads(first["body"])) == (200, {"approvals": 1})
    again = ask(body)
    assert (again["statusCode"], json.loads(again["body"])["error"]["code"]) == (
        400,
        "own_approval",
    )
    second = ask(body, "arn:aws:iam::1:user/bob", "AIDABOB")
    assert json.loads(second["body"]) == {"approvals": 2}
    assert world.queue.parts == [[ACCOUNT]]
    assert ApprovalAnswer().approvals == 0


def test_a_month_is_a_calendar_month_in_utc(world: RaisedWorld) -> None:
    world.now = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    assert world.set(111) is Outcome.WAITING
    assert world.set(110) is Outcome.PUBLISHED
    world.now = datetime(2026, 12, 1, tzinfo=UTC)
    assert world.set(121) is Outcome.PUBLISHED
    assert NOW.month == 11
