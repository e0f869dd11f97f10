"""Budgets that the management account has for others: made, repaired, moved and removed."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from finops.budgets.adapters.organizations import ListedAccounts
from finops.budgets.adapters.spokes import AssumedSpokes
from finops.budgets.applier import BudgetApplier
from finops.budgets.approvals import RaiseLimit
from finops.budgets.coverage import Source, coverage
from finops.budgets.documents import BudgetDocument, decode_document, document_for
from finops.budgets.domain import ActualBudget, Budget, BudgetKey, Delivery, RemovalPolicy, Status
from finops.budgets.publications import Outcome
from finops.budgets.results import ResultRecorder
from finops.budgets.rows import parse_budget
from finops.shared.audit import digest
from finops.shared.aws import AssumedRoles
from finops.shared.errors import ConfigurationError, RejectedInput
from tests.budgets.fakes import (
    ACCOUNT,
    NOW,
    PAYER,
    TOPIC,
    Crash,
    FakeOrganization,
    FakeReportCounts,
    FakeSpokes,
    change,
)
from tests.budgets.test_service import KEY, OTHER, World

#: An account without a spoke.
LONE = "444444444444"
LONE_KEY = BudgetKey(account_id=LONE, budget_name="monthly-total")
NAME = f"{LONE}/monthly-total"
NAME_OF_OWN = f"{ACCOUNT}/monthly-total"


class PayerWorld(World):
    """A world whose management account has a spoke of its own."""

    def __init__(
        self,
        removal: RemovalPolicy = RemovalPolicy.DELETE,
        organization: FakeOrganization | None = None,
        raises: RaiseLimit | None = None,
    ) -> None:
        super().__init__(removal, organization, raises)
        fresh = FakeSpokes(PAYER)
        self.spokes.parameters |= fresh.parameters
        self.spokes.actual |= fresh.actual
        self.recorder = ResultRecorder(
            statuses=self.statuses,
            reports=FakeReportCounts(),
            audit=self.audit,
            withheld=self.withheld.append,
            clock=lambda: self.now,
            payer_account_id=PAYER,
        )
        self.payer = BudgetApplier(
            account_id=PAYER,
            parameters=self.spokes.parameters[PAYER],
            budgets=self.spokes.actual[PAYER],
            results=self.results,
            topic_arn=TOPIC,
            default_thresholds=[],
            default_emails=[],
            clock=lambda: self.now,
        )

    def deliver(self) -> None:
        for applier, account in ((self.applier, ACCOUNT), (self.payer, PAYER)):
            for name in self.spokes.parameters[account].names():
                applier.apply(name)
        self.record()

    def record(self) -> None:
        while self.results.reported:
            result = self.results.reported.pop(0)
            in_payer = result.delivery is Delivery.PAYER
            self.recorder.record(result, sender=PAYER if in_payer else result.key.account_id)

    def in_payer(self, name: str = NAME) -> ActualBudget | None:
        return self.spokes.actual[PAYER].items.get(name)


@pytest.fixture
def world() -> PayerWorld:
    return PayerWorld()


def payer_row(amount: object = 100, **row: Any) -> Budget:
    return parse_budget(
        {"account_id": LONE, "budget_name": "monthly-total", "amount": amount}
        | {"delivery": "payer"}
        | row
    )


def test_an_account_without_a_spoke_gets_a_budget_of_its_own_costs(world: PayerWorld) -> None:
    world.edit(change(100, account_id=LONE, delivery="payer"))
    world.deliver()
    made = world.in_payer()
    assert made
    assert made.amount == 100
    assert made.settings["cost_filters"] == {"LinkedAccount": (LONE,)}
    status = world.statuses.items[LONE_KEY]
    assert (status.status, status.applied_amount) == (Status.APPLIED, "100.00")
    assert world.drift(LONE) == []
    world.edit(change(200, sequence=2, account_id=LONE, delivery="payer"))
    world.deliver()
    made = world.in_payer()
    assert made
    assert made.amount == 200


def test_a_row_may_name_several_accounts(world: PayerWorld) -> None:
    filters = {"LinkedAccount": [OTHER, LONE], "Service": ["Amazon S3"]}
    world.edit(change(100, account_id=LONE, delivery="payer", cost_filters=filters))
    world.deliver()
    made = world.in_payer()
    assert made
    assert made.settings["cost_filters"] == {
        "LinkedAccount": (OTHER, LONE),
        "Service": ("Amazon S3",),
    }


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ({"delivery": "hub"}, "delivery", "'hub' is not one of spoke, payer"),
        ({"delivery": 5}, "delivery", "5 is not one of"),
        ({"cost_filters": {"LinkedAccount": ["all"]}}, "cost_filters", "'all', which is not an"),
        ({"cost_filters": {"LinkedAccount": [OTHER]}}, "cost_filters", f"leaves out {LONE}"),
        ({"budget_name": "n" * 88}, "budget_name", "Use at most 87 characters"),
    ],
)
def test_what_the_payer_cannot_have_is_refused_by_name(
    row: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(RejectedInput) as refused:
        payer_row(**row)
    assert refused.value.field == field
    assert reason in refused.value.explanation


def test_a_default_of_the_payer_counts_each_account_by_itself() -> None:
    row = {"account_id": "*", "budget_name": "x", "amount": 5, "delivery": "payer"}
    assert parse_budget(row, defaults=True).cost_filters == {}
    with pytest.raises(RejectedInput, match="of a default"):
        parse_budget(row | {"cost_filters": {"LinkedAccount": [OTHER]}}, defaults=True)
    world = PayerWorld(organization=FakeOrganization(LONE, ACCOUNT))
    world.edit(change(50, account_id="*", delivery="payer"))
    world.drift(LONE, ACCOUNT, repair=True)
    world.deliver()
    for account in (LONE, ACCOUNT):
        made = world.in_payer(f"{account}/monthly-total")
        assert made
        assert made.settings["cost_filters"] == {"LinkedAccount": (account,)}
    assert world.budgets.items == {}


def test_only_whole_costs_of_one_account_are_reconciled_with_it() -> None:
    assert payer_row().counts_whole_account
    both = payer_row(cost_filters={"LinkedAccount": [LONE, OTHER]})
    assert not both.counts_whole_account
    assert not payer_row(cost_types="AMORTIZED").counts_whole_account


def test_drift_in_the_payer_is_found_and_repaired(world: PayerWorld) -> None:
    world.edit(change(100, account_id=LONE, delivery="payer"))
    world.deliver()
    budgets, parameters = world.spokes.actual[PAYER], world.spokes.parameters[PAYER]
    changed = ActualBudget(settings={**budgets.items[NAME].settings, "cost_filters": {}})
    for spoil, reason in (
        (lambda: budgets.items.pop(NAME), "budget_missing"),
        (lambda: budgets.items.update({NAME: changed}), "budget_changed"),
        (lambda: parameters.items.pop(NAME), "parameter_missing"),
        (lambda: parameters.put(NAME, "{}"), "parameter_changed"),
    ):
        spoil()
        assert [one.reason for one in world.drift(LONE)] == [reason]
        assert [one.repaired for one in world.drift(LONE, repair=True)] == [True]
        world.deliver()
        assert world.drift(LONE) == []


def test_an_account_that_nobody_reaches_stops_no_budget_of_the_payer(world: PayerWorld) -> None:
    world.edit(change(100, account_id=LONE, delivery="payer"))
    world.edit(change(7, account_id=LONE, budget_name="own"))
    world.deliver()
    world.spokes.actual[PAYER].items.clear()
    found = {one.key.budget_name: one.reason for one in world.drift(LONE, repair=True)}
    assert found == {"own": "unreachable", "monthly-total": "budget_missing"}
    world.deliver()
    assert world.in_payer()


@pytest.mark.parametrize("removal", RemovalPolicy)
def test_a_removed_row_removes_the_payers_budget_by_policy_and_once(
    removal: RemovalPolicy,
) -> None:
    world = PayerWorld(removal)
    world.edit(change(100, account_id=LONE, delivery="payer"))
    world.deliver()
    world.edit(change(None, sequence=2, account_id=LONE))
    world.deliver()
    assert (world.in_payer() is None) == (removal is RemovalPolicy.DELETE)
    assert world.statuses.items[LONE_KEY].status is Status.REMOVED
    if removal is RemovalPolicy.KEEP:
        return
    by_hand = ActualBudget(settings={"amount": Decimal(5)}, updated_at=world.now)
    world.spokes.actual[PAYER].items[NAME] = by_hand
    world.edit(change(None, sequence=3, account_id=LONE))
    assert world.drift(LONE, repair=True) == []
    world.payer.apply_all()
    assert world.in_payer() is by_hand


def test_a_budget_moves_between_the_accounts_and_is_never_in_both(world: PayerWorld) -> None:
    name = f"{ACCOUNT}/monthly-total"
    for sequence, delivery in enumerate(("spoke", "payer", "spoke"), start=1):
        world.edit(change(100, sequence=sequence, delivery=delivery))
        world.deliver()
        in_payer = delivery == "payer"
        assert (world.in_payer(name) is not None, world.amount is not None) == (
            in_payer,
            not in_payer,
        )
        assert world.status == "APPLIED"
        assert world.drift(ACCOUNT) == []


def test_the_trail_proves_what_a_removal_in_the_payer_wrote(world: PayerWorld) -> None:
    world.edit(change(100, account_id=LONE, delivery="payer"))
    world.deliver()
    removal = change(None, sequence=2, account_id=LONE)
    for _ in range(2):  # as the stream delivers it again
        world.edit(removal)
        (parameter,) = world.spokes.parameters[PAYER].items.values()
        told = world.audit.events[-1]
        assert (told.action, told.output_sha256) == ("budget.published", digest(parameter.value))


def test_a_move_is_finished_whenever_it_was_killed() -> None:
    """At each call of the move the process ends, and the stream delivers the edit again."""
    for at in itertools.count():
        world = PayerWorld()
        world.edit(change(100))
        world.deliver()
        calls = itertools.count()

        def crash(_: str, at: int = at, calls: Any = calls) -> None:
            if next(calls) == at:
                raise Crash

        world.statuses.before = world.spokes.before = crash
        move = change(100, sequence=2, delivery="payer")
        try:
            world.edit(move)
            done = True
        except Crash:
            done = False
        world.statuses.before = world.spokes.before = lambda _: None
        world.edit(move)
        world.deliver()
        assert world.amount is None
        assert world.in_payer(f"{ACCOUNT}/monthly-total")
        assert world.status == "APPLIED"
        if done:
            break
    assert at > 3


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize(
    ("there", "back", "unreached"), [("spoke", "payer", PAYER), ("payer", "spoke", ACCOUNT)]
)
def test_a_move_to_an_account_that_nobody_reaches_leaves_the_budget_where_it_is(
    world: PayerWorld, there: str, back: str, unreached: str, *, answered: bool
) -> None:
    def found() -> tuple[bool, bool]:
        actual = world.spokes.actual
        return "monthly-total" in actual[ACCOUNT].items, NAME_OF_OWN in actual[PAYER].items

    def apply() -> None:
        applier = world.applier if there == "spoke" else world.payer
        applier.apply("monthly-total" if there == "spoke" else NAME_OF_OWN)
        if answered:
            world.record()
        world.results.reported.clear()

    stands = (there == "spoke", there == "payer")
    world.edit(change(100, delivery=there))
    apply()
    parameters = world.spokes.parameters.pop(unreached)
    done = world.edit(change(200, sequence=2, delivery=back))
    assert done.outcome is Outcome.FAILED
    assert world.status == "FAILED"
    apply()
    assert found() == stands
    world.drift(ACCOUNT, repair=True)
    apply()
    assert found() == stands
    # It goes with its row, and moves once the account is reached.
    removed = world.edit(change(None, sequence=3))
    assert removed.outcome is Outcome.PUBLISHED
    apply()
    assert found() == (False, False)
    world.spokes.parameters[unreached] = parameters
    world.edit(change(200, sequence=4, delivery=back))
    world.deliver()
    assert found() == (back == "spoke", back == "payer")


def test_an_account_whose_spoke_is_gone_moves_to_the_payer(world: PayerWorld) -> None:
    world.edit(change(100))
    world.deliver()
    del world.spokes.parameters[ACCOUNT]
    world.edit(change(100, sequence=2, delivery="payer"))
    world.payer.apply(f"{ACCOUNT}/monthly-total")
    world.record()
    assert world.status == "APPLIED"


def test_a_slow_writer_leaves_no_budget_where_a_newer_edit_does_not_want_it(
    world: PayerWorld,
) -> None:
    """The first edit writes its parameter after the second has moved the budget."""
    first, second = change(100), change(200, sequence=2, delivery="payer")

    def overtake(name: str) -> None:
        if name == "put_document":
            world.spokes.before = lambda _: None
            world.edit(second)

    world.spokes.before = overtake
    world.edit(first)
    world.deliver()
    assert world.amount is None
    made = world.in_payer(f"{ACCOUNT}/monthly-total")
    assert made
    assert made.amount == 200
    assert world.status == "APPLIED"


def test_an_outdated_move_puts_back_what_it_removed(world: PayerWorld) -> None:
    """Drift repair moves a budget while an edit moves it back."""
    world.edit(change(100))
    world.deliver()
    standing = world.statuses.items[KEY]
    moved = document_for(change(100, sequence=2, delivery="payer"))

    def overtake(name: str) -> None:
        if name == "begin":
            world.statuses.before = lambda _: None
            world.edit(change(300, sequence=3))

    world.statuses.before = overtake
    pending = standing.__class__(
        key=KEY, version=moved.version, status=Status.PENDING, document=moved.encode()
    )
    assert not world.publisher.documents.begin_where_wanted(pending, moved, standing)
    world.deliver()
    assert world.amount == 300
    assert world.in_payer(NAME_OF_OWN) is None
    assert world.status == "APPLIED"


@pytest.mark.parametrize("by_default", [False, True])
def test_a_move_whose_parameter_is_refused_changes_nothing(*, by_default: bool) -> None:
    """As with a quota that is full: nobody knows before it is written."""
    world = PayerWorld(organization=FakeOrganization(ACCOUNT, OTHER))
    account_id = "*" if by_default else ACCOUNT

    def edit(sequence: int, **row: Any) -> None:
        world.edit(change(100 + sequence, sequence=sequence, account_id=account_id, **row))
        if by_default:
            world.drift(ACCOUNT, repair=True)
        world.deliver()

    edit(1)
    full = ConfigurationError("too many", code="ParameterLimitExceeded", step="put_parameter")
    put = world.spokes.put_document

    def refuse(document: BudgetDocument) -> None:
        if document.delivery is Delivery.PAYER:
            raise full
        put(document)

    world.spokes.put_document = refuse  # type: ignore[method-assign]
    edit(2, delivery="payer")
    for _ in range(3):
        assert (world.status, world.amount) == ("FAILED", Decimal(101))
        assert "too many" in world.statuses.items[KEY].error
        world.drift(ACCOUNT, repair=True)
        world.deliver()
    world.spokes.put_document = put  # type: ignore[method-assign]
    edit(3, delivery="payer")
    assert (world.status, world.amount) == ("APPLIED", None)
    assert world.in_payer(NAME_OF_OWN)


def test_a_spoke_says_nothing_of_a_budget_that_the_payer_has(world: PayerWorld) -> None:
    world.edit(change(100, delivery="payer"))
    world.payer.apply(f"{ACCOUNT}/monthly-total")
    (answer,) = world.results.reported
    for sender in (ACCOUNT, OTHER):
        with pytest.raises(RejectedInput, match="reported a budget of account"):
            world.recorder.record(answer, sender=sender)
    claimed = replace(answer, delivery=Delivery.SPOKE)
    assert not world.recorder.record(claimed, sender=ACCOUNT)
    with pytest.raises(RejectedInput):
        world.recorder.record(claimed, sender=PAYER)
    assert world.status == "PENDING"
    assert world.recorder.record(answer, sender=PAYER)
    assert world.status == "APPLIED"


def test_a_spoke_applies_no_document_of_another_account(world: PayerWorld) -> None:
    foreign = document_for(change(5, account_id=OTHER))
    world.parameters.put("monthly-total", foreign.encode())
    with pytest.raises(ConfigurationError, match="of account 333333333333"):
        world.applier.apply("monthly-total")


def test_a_removal_says_from_where() -> None:
    removal = document_for(change(None, account_id=LONE), removed_from=Delivery.PAYER)
    assert decode_document(removal.encode()) == removal
    assert removal.aws_name == NAME
    here = document_for(change(None, account_id=LONE))
    assert '"delivery"' not in here.encode()
    assert here.content_digest != removal.content_digest


def test_a_removal_in_the_payer_whose_answer_was_lost_is_found_done(world: PayerWorld) -> None:
    world.edit(change(100, account_id=LONE, delivery="payer"))
    world.deliver()
    world.edit(change(None, sequence=2, account_id=LONE))
    world.payer.apply(NAME)
    world.results.reported.clear()
    world.recorder.expire(LONE_KEY, world.statuses.items[LONE_KEY].version)
    assert world.drift(repair=True) == []
    assert world.statuses.items[LONE_KEY].status is Status.REMOVED


@pytest.mark.parametrize(("length", "accepted"), [(87, True), (88, False)])
@pytest.mark.parametrize("account", [LONE, "*", "ou-ab12-cdefgh34"])
def test_a_name_leaves_room_for_the_account_in_the_payer(
    account: str, length: int, accepted: bool
) -> None:
    row = {"account_id": account, "budget_name": "n" * length, "amount": 100, "delivery": "payer"}
    with nullcontext() if accepted else pytest.raises(RejectedInput, match="at most 87") as said:
        assert parse_budget(row, defaults=True).delivery is Delivery.PAYER
    assert said is None or said.value.field == "budget_name"


def test_coverage_knows_the_budgets_of_the_payer() -> None:
    class Refusing(FakeSpokes):
        def budgets(self, account_id: str) -> dict[str, ActualBudget]:
            self._reach(account_id)
            return super().budgets(account_id)

    world = PayerWorld()
    world.edit(change(100, account_id=LONE, delivery="payer"))
    world.deliver()
    refusing = Refusing()
    refusing.parameters, refusing.actual = world.spokes.parameters, world.spokes.actual

    def look() -> list[tuple[str | None, Source]]:
        found = coverage([LONE], table=world.table, statuses=world.statuses, spokes=refusing)
        return [(one.budget, one.source) for one in found]

    assert look() == [("monthly-total", Source.TABLE)]
    world.edit(change(5, account_id=LONE, budget_name="own"))
    assert {source for _, source in look()} == {Source.UNKNOWN}


def assumed(client: Any, monkeypatch: pytest.MonkeyPatch, *accounts: str) -> AssumedSpokes:
    roles = AssumedRoles(role_arn=str, external_id="x", session_name="test", sts=client)
    monkeypatch.setattr(roles, "client", lambda *_: client)
    monkeypatch.setattr(roles, "shared", lambda *_: nullcontext(client))
    return AssumedSpokes(
        roles,
        accounts=ListedAccounts(accounts),
        prefix="/finops/budgets",
        role_name="spoke",
        payer_account_id=PAYER,
    )


def test_a_filter_on_an_account_that_is_not_known_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ssm = boto3.client("ssm", region_name="us-east-1")
    row: dict[str, Any] = {"delivery": "payer", "cost_filters": {"LinkedAccount": [LONE, OTHER]}}
    document = document_for(change(5, account_id=LONE, **row))
    with Stubber(ssm) as stub:
        with pytest.raises(ConfigurationError, match=f"{OTHER} is not among"):
            assumed(ssm, monkeypatch, LONE).put_document(document)
        put = {
            "Name": f"/finops/budgets/{NAME}",
            "Value": document.encode(),
            "Type": "String",
            "Overwrite": True,
        }
        stub.add_response("put_parameter", {"Version": 1}, put)
        assumed(ssm, monkeypatch, LONE, OTHER).put_document(document)


def test_only_what_the_payer_has_for_an_account_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    budgets = boto3.client("budgets", region_name="us-east-1")
    described = {"BudgetType": "COST", "TimeUnit": "MONTHLY", "LastUpdatedTime": NOW}
    with Stubber(budgets) as stub:
        where = {"AccountId": PAYER, "ShowFilterExpression": True}
        stub.add_client_error(
            "describe_budget",
            "NotFoundException",
            expected_params={**where, "BudgetName": f"{LONE}/a"},
        )
        stub.add_response(
            "describe_budget",
            {"Budget": {"BudgetName": NAME, **described}},
            {**where, "BudgetName": NAME},
        )
        spokes = assumed(budgets, monkeypatch)
        assert list(spokes.payer_budgets(LONE, ["monthly-total", "a"])) == ["monthly-total"]
        listed = [{"BudgetName": name, **described} for name in (NAME, "by/hand", "own")]
        stub.add_response("describe_budgets", {"Budgets": listed}, where)
        assert set(spokes.budgets(PAYER)) == {"by/hand", "own"}


def test_parameters_of_an_account_are_below_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    ssm = boto3.client("ssm", region_name="us-east-1")
    for delivery, path in (
        (Delivery.SPOKE, "/finops/budgets"),
        (Delivery.PAYER, f"/finops/budgets/{LONE}"),
    ):
        with Stubber(ssm) as stub:
            found = [{"Name": f"{path}/monthly-total", "Value": "x"}]
            stub.add_response("get_parameters_by_path", {"Parameters": found}, {"Path": path})
            spokes = assumed(ssm, monkeypatch)
            assert spokes.documents(LONE, delivery) == {"monthly-total": "x"}
