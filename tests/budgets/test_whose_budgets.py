"""Whatever happens to rows, budgets and parameters: who made a budget decides whether it goes.

A model keeps beside each AWS Budget who has made it, which the flow cannot see. No budget that
somebody made by hand is deleted, or changed before it is adopted; none of the flow's own outlives
its row; and each final status is true.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops.budgets.applier import BudgetApplier
from finops.budgets.approval_desk import ApprovalDesk
from finops.budgets.approvals import RaiseLimit
from finops.budgets.batches import publish_in_order
from finops.budgets.domain import (
    ActualBudget,
    Budget,
    BudgetChange,
    BudgetKey,
    Delivery,
    NotificationChanges,
    NotificationType,
    Owner,
    Status,
    Threshold,
    edit_version,
)
from finops.budgets.rows import parse_budget
from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput
from tests.budgets.fakes import (
    ACCOUNT,
    NOW,
    PAYER,
    TOPIC,
    Crash,
    FakeAccountQueue,
    FakeBudgets,
    FakeOrganization,
)
from tests.budgets.test_payer import PayerWorld
from tests.budgets.test_service import KEY

NAME = KEY.budget_name
IN_PAYER = KEY.name_in(Delivery.PAYER)
PEOPLE = [f"arn:aws:iam::{PAYER}:user/{one} <AIDA{one.upper()}>" for one in ("ann", "bob")]
SECOND, MINUTE, QUARTER = (timedelta(seconds=one) for one in (1, 60, 900))


class OwnedBudgets(FakeBudgets):
    """AWS Budgets that know who has made each, and what was done to those made by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.makers: dict[str, Owner] = {}
        self.wrongs: list[str] = []

    def make_by_hand(self, name: str, amount: int) -> None:
        row = {"account_id": ACCOUNT, "budget_name": NAME, "amount": amount}
        made = parse_budget({**row, "delivery": "payer"} if name == IN_PAYER else row)
        FakeBudgets.create(self, made, TOPIC)
        self.makers[name] = Owner.HAND

    def delete_by_hand(self, name: str) -> None:
        FakeBudgets.delete(self, name)

    def create(self, budget: Budget, topic_arn: str, tags: Any = None) -> None:
        self.makers[budget.aws_name] = Owner.FLOW
        super().create(budget, topic_arn, tags)

    def update_settings(self, budget: Budget, actual: ActualBudget) -> None:
        self._note("changed before it was adopted", budget.aws_name, self.adopted)
        super().update_settings(budget, actual)

    def change_notifications(self, budget: Budget, changes: NotificationChanges) -> None:
        self._note("changed before it was adopted", budget.aws_name, self.adopted)
        super().change_notifications(budget, changes)

    def delete(self, budget_name: str) -> None:
        self._note("deleted", budget_name)
        super().delete(budget_name)

    def maker(self, name: str) -> Owner | None:
        return self.makers[name] if name in self.items else None

    def _note(self, wrong: str, name: str, but: set[str] | frozenset[str] = frozenset()) -> None:
        if self.maker(name) is Owner.HAND and name not in but:
            self.wrongs.append(wrong)


class Owned(PayerWorld):
    """An account and the management account, where raises wait and events may be lost."""

    def __init__(self) -> None:
        super().__init__(
            organization=FakeOrganization(ACCOUNT), raises=RaiseLimit(usd=Decimal(500))
        )
        self.all_parameters = dict(self.spokes.parameters)
        self.made = {ACCOUNT: OwnedBudgets(), PAYER: OwnedBudgets()}
        self.spokes.actual |= self.made
        self.budgets = self.made[ACCOUNT]
        self.appliers = {
            account: BudgetApplier(
                account_id=account,
                parameters=self.spokes.parameters[account],
                budgets=self.made[account],
                results=self.results,
                topic_arn=TOPIC,
                default_thresholds=[Threshold(type=NotificationType.ACTUAL, percent=Decimal(80))],
                default_emails=[],
                clock=lambda: self.now,
            )
            for account in (ACCOUNT, PAYER)
        }
        self.desk = ApprovalDesk(
            table=self.table,
            statuses=self.statuses,
            accounts=FakeAccountQueue(),
            audit=self.audit,
            clock=lambda: self.now,
        )
        self.stream: list[BudgetChange] = []
        self.sequence = 100
        self.now = NOW
        self.pass_time(MINUTE)

    def pass_time(self, time: timedelta) -> None:
        self.now += time
        for parameters in self.all_parameters.values():
            parameters.now = self.now
        for budgets in self.made.values():
            budgets.now = self.now

    def put(self, account_id: str, **row: Any) -> None:
        """Write a row, or remove it where it has nothing."""
        at = (account_id, NAME)
        before = self.table.items.pop(at, None)
        if not row and before is None:
            return
        self.sequence += 1
        item = {"account_id": account_id, "budget_name": NAME, **row}
        if row:
            self.table.items[at] = item
        self.stream.append(
            BudgetChange(
                key=BudgetKey(account_id=account_id, budget_name=NAME),
                version=edit_version(str(self.sequence)),
                request_id=f"request-{self.sequence}",
                edited_at=self.now,
                row=item if row else None,
                previous=before,
            )
        )

    def read_stream(self) -> None:
        batch, self.stream = self.stream, []
        publish_in_order(
            batch, self.publisher.publish, concurrency=1, would_wait=self.publisher.would_wait
        )

    def apply(self, account_id: str) -> None:
        for name in self.all_parameters[account_id].names():
            self.appliers[account_id].apply(name)

    def schedule(self) -> None:
        """A scheduled run in each account, and the drift run of all."""
        for one in self.appliers.values():
            with suppress(FinOpsError):
                one.apply_all()
        self.record()
        self.repairer.run(
            repair=True, request_id="drift", account_ids=[ACCOUNT, PAYER], scheduled=True
        )

    def approve(self) -> None:
        status = self.statuses.items.get(KEY)
        if status and status.status is Status.WAITING:
            for one in PEOPLE:
                with suppress(RejectedInput):
                    self.desk.approve(KEY, one, content=status.content)

    def refuse(self, account_id: str, *, step: str = "") -> None:
        """Refuse the account's role, or a call of the hub in it.

        Not before the schedule has found a parameter that somebody has deleted: a budget without
        one that is moved out of an account that is refused stays there.
        """
        if not step:
            status = self.statuses.items.get(KEY)
            at = PAYER if status and status.delivery is Delivery.PAYER else ACCOUNT
            name = KEY.name_in(status.delivery) if status else NAME
            if not status or name in self.all_parameters[at].items:
                self.spokes.parameters.pop(account_id, None)
            return

        def refused(name: str) -> None:
            if name == step:
                raise ConfigurationError("no", code="AccessDenied", step="put_parameter")

        self.spokes.before = refused

    def allow(self) -> None:
        self.spokes.parameters |= self.all_parameters
        self.spokes.before = lambda _: None

    def end(self) -> None:
        """Nothing is refused or lost any more."""
        self.allow()
        self.read_stream()
        for _ in range(12):
            self.pass_time(20 * QUARTER)
            if (status := self.statuses.items.get(KEY)) and status.status is Status.PENDING:
                self.recorder.expire(KEY, status.version)
            self.schedule()
            for one in (ACCOUNT, PAYER):
                self.apply(one)
            self.record()

    def row_in_effect(self) -> dict[str, Any] | None:
        own = self.table.items.get((ACCOUNT, NAME))
        inherited = self.table.items.get(("*", NAME))
        return own or ({**inherited, "account_id": ACCOUNT} if inherited else None)

    def check(self) -> None:
        spoke, payer = self.made[ACCOUNT].maker(NAME), self.made[PAYER].maker(IN_PAYER)
        status = self.statuses.items.get(KEY)
        row = self.row_in_effect()
        if row is None:
            assert Owner.FLOW not in (spoke, payer), "it outlives its row"
            assert status is None or status.status is Status.REMOVED, status
            return
        assert (spoke, payer) != (Owner.FLOW, Owner.FLOW), "the flow has it twice"
        default = self.statuses.items.get(BudgetKey(account_id="*", budget_name=NAME))
        waits = (default and default.status is Status.WAITING) or (
            status and status.status is Status.WAITING
        )
        if waits:
            return  # what stood before stands, if anything did
        try:
            wanted = parse_budget(row)
        except RejectedInput:
            assert status is None or status.status is not Status.PENDING
            return
        assert status
        assert status.status is Status.APPLIED, status
        where = PAYER if wanted.delivery is Delivery.PAYER else ACCOUNT
        actual = self.made[where].items[wanted.aws_name]
        assert (actual.amount, status.delivery) == (wanted.amount, wanted.delivery)
        maker, other = (payer, spoke) if wanted.delivery is Delivery.PAYER else (spoke, payer)
        assert status.adopted == (maker is Owner.HAND), status
        assert other is not Owner.FLOW, "the flow has it twice"


Step = Callable[[Owned], object]


def step(call: Callable[..., object], *args: object, **facts: object) -> Step:
    """A step that a failing example names."""

    def run(world: Owned) -> object:
        return call(world, *args, **facts)

    run.__qualname__ = f"{call.__name__}{args or ''}{facts or ''}"
    return run


def by_hand(world: Owned, account_id: str, action: str) -> None:
    """Somebody makes or deletes the budget in the account."""
    name = IN_PAYER if account_id == PAYER else NAME
    made = world.made[account_id]
    if action == "delete":
        made.delete_by_hand(name)
    elif name not in made.items:
        made.make_by_hand(name, 7)
    world.pass_time(2 * SECOND)


def without_parameter(world: Owned) -> None:
    """Somebody deletes the parameter of the budget as it stands, whose row the schedule finds.

    What is deleted before it has removed a moved budget asks for that no more, so none is while
    an account is refused: see `Owned.refuse`.
    """
    status = world.statuses.items.get(KEY)
    if status and len(world.spokes.parameters) == len(world.all_parameters):
        at = PAYER if status.delivery is Delivery.PAYER else ACCOUNT
        items = world.all_parameters[at].items
        items.pop(KEY.name_in(status.delivery), None)


def lose(world: Owned, what: str) -> None:
    (world.results.reported if what == "answers" else world.stream).clear()


def answered(world: Owned) -> None:
    """What happens when nothing goes wrong."""
    world.read_stream()
    for one in (ACCOUNT, PAYER):
        world.apply(one)
    world.record()
    world.pass_time(MINUTE)


def killed(world: Owned, after: int) -> None:
    """The publisher is stopped after so many calls, and the stream delivers again."""
    batch, calls = list(world.stream), 0

    def stop(_: str) -> None:
        nonlocal calls
        calls += 1
        if calls == after:
            raise Crash

    world.spokes.after = world.statuses.after = stop
    with suppress(Crash):
        world.read_stream()
    world.spokes.after = world.statuses.after = lambda _: None
    if calls >= after:
        world.stream = batch


ACCOUNTS = (ACCOUNT, PAYER)
STEPS: list[Step] = [
    step(answered),
    step(answered),
    step(answered),
    *(step(Owned.put, one, amount=amount) for one in (ACCOUNT, "*") for amount in ("100", "120")),
    *(step(Owned.put, one, amount="bad") for one in (ACCOUNT, "*")),
    *(step(Owned.put, one, amount="900") for one in (ACCOUNT, "*")),
    *(step(Owned.put, one) for one in (ACCOUNT, ACCOUNT, ACCOUNT, "*", "*")),
    *(step(Owned.put, ACCOUNT, amount=amount, delivery="payer") for amount in ("100", "150")),
    step(Owned.put, "*", amount="150", delivery="payer"),
    step(Owned.read_stream),
    *(step(Owned.apply, one) for one in ACCOUNTS),
    step(Owned.record),
    step(Owned.schedule),
    step(Owned.schedule),
    step(Owned.approve),
    *(step(by_hand, one, action) for one in (ACCOUNT, *ACCOUNTS) for action in ("make", "delete")),
    step(without_parameter),
    step(without_parameter),
    *(step(lose, what) for what in ("answers", "edits")),
    *(step(Owned.refuse, one) for one in ACCOUNTS),
    step(Owned.refuse, ACCOUNT, step="put_document"),
    step(Owned.allow),
    *(step(Owned.pass_time, time) for time in (SECOND, MINUTE, QUARTER, 26 * 4 * QUARTER)),
    *(step(killed, calls) for calls in (2, 3, 4, 5)),
]


def world_after(steps: list[Step]) -> Owned:
    world = Owned()
    for one in steps:
        one(world)
    world.end()
    return world


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(st.sampled_from(STEPS), max_size=16))
def test_who_made_a_budget_decides_whether_it_goes(steps: list[Step]) -> None:
    world = world_after(steps)
    for one in ACCOUNTS:
        assert world.made[one].wrongs == []
    world.check()
