"""Rows of `*` and of organizational units: the budget of every account without one of its own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from finops.budgets.adapters.organizations import ListedAccounts, OrganizationAccounts
from finops.budgets.coverage import Source, coverage
from finops.budgets.csv_files import csv_of, read_budgets
from finops.budgets.defaults import inherited_rows, units_above
from finops.budgets.domain import BudgetChange, RemovalPolicy, Status
from finops.budgets.drift_schedule import DriftSchedule
from finops.budgets.editing import in_turn, joined
from finops.budgets.publications import Outcome
from finops.budgets.rows import parse_budget
from finops.shared.errors import RejectedInput, TransientFailure
from tests.budgets.fakes import ACCOUNT, Crash, FakeAccountQueue, FakeOrganization, change
from tests.budgets.test_service import KEY, OTHER, World

OUTER, INNER, ELSEWHERE = "ou-root-outer0001", "ou-root-inner0001", "ou-root-other0001"
STRANGER = "999999999999"


def default(amount: object, *, of: str = "*", sequence: int = 1, **row: object) -> BudgetChange:
    return change(amount, account_id=of, sequence=sequence, **row)


def world(removal: RemovalPolicy = RemovalPolicy.DELETE) -> World:
    """ACCOUNT is in the unit INNER, which is in OUTER; OTHER is in the root."""
    above = {ACCOUNT: INNER, INNER: OUTER}
    return World(removal, FakeOrganization(ACCOUNT, OTHER, **above))


def amounts(of: World) -> dict[str, Decimal | None]:
    """What has been published, by account."""
    found: dict[str, Decimal | None] = {}
    for account_id, parameters in of.spokes.parameters.items():
        if "monthly-total" in parameters.items:
            budget = of.spokes.published(account_id).budget
            found[account_id] = budget.amount if budget else None
    return found


def organizations_client() -> Any:
    return boto3.client(
        "organizations", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


def bring(to: World) -> None:
    """What the drift run after the edit of a default does."""
    to.drift(ACCOUNT, OTHER, repair=True)


def bring_applied(to: World) -> None:
    """A default of 7 that its accounts have."""
    to.edit(default(7, sequence=1))
    bring(to)
    to.deliver()


def test_a_default_reaches_every_account_without_its_own_and_no_other() -> None:
    there = world()
    there.spokes.parameters[STRANGER] = type(there.parameters)()
    there.edit(change(100, sequence=1))
    there.deliver()
    assert there.edit(default(7, sequence=2)).outcome is Outcome.HANDED_ON
    there.drift(ACCOUNT, OTHER, STRANGER, repair=True)
    assert amounts(there) == {ACCOUNT: Decimal(100), OTHER: Decimal(7)}
    status = there.statuses.items[replace(KEY, account_id=OTHER)]
    assert (status.status, status.amount, status.default_of) == (Status.PENDING, "7.00", "*")
    assert there.statuses.items[KEY].default_of == ""


def test_the_nearest_unit_wins_then_the_one_above_it_then_all() -> None:
    there = world()
    for sequence, (of, amount) in enumerate(
        [("*", 1), (ELSEWHERE, 9), (OUTER, 2), (INNER, 3)], start=1
    ):
        there.edit(default(amount, of=of, sequence=sequence))
        bring(there)
    assert amounts(there) == {ACCOUNT: Decimal(3), OTHER: Decimal(1)}
    for sequence, (of, left) in enumerate([(INNER, 2), (OUTER, 1)], start=10):
        there.deliver()
        there.edit(default(None, of=of, sequence=sequence))
        bring(there)
        assert amounts(there)[ACCOUNT] == left


def test_an_own_row_wins_and_its_removal_brings_the_default_back_without_a_gap() -> None:
    there = world()
    bring_applied(there)
    assert (there.status, there.amount) == ("APPLIED", Decimal(7))
    there.edit(change(100, sequence=2))
    there.deliver()
    assert (there.amount, there.statuses.items[KEY].default_of) == (Decimal(100), "")
    there.budgets.calls.clear()
    assert there.edit(change(None, sequence=3)).outcome is Outcome.DEFAULTED
    there.deliver()
    assert "delete_budget" not in there.budgets.calls
    assert (there.status, there.amount) == ("APPLIED", Decimal(7))
    assert there.statuses.items[KEY].default_of == "*"
    bring(there)
    there.deliver()
    assert there.drift(ACCOUNT) == []
    assert "budget.defaulted" in there.audited


def test_a_removal_that_is_killed_and_replayed_ends_at_the_default() -> None:
    for step in ("begin", "put_document", "get_status"):
        there = world()
        there.edit(default(7, sequence=1))
        there.edit(change(100, sequence=2))
        there.deliver()

        def crash(name: str, step: str = step) -> None:
            if name == step:
                raise Crash

        there.statuses.after = there.spokes.after = crash
        with pytest.raises(Crash):
            there.edit(change(None, sequence=3))
        there.statuses.after = there.spokes.after = lambda _: None
        there.edit(change(None, sequence=3))
        there.deliver()
        assert (there.status, there.amount) == ("APPLIED", Decimal(7)), step
        there.edit(change(None, sequence=3))
        said = [one for one in there.audit.events if one.correlation_id == "request-3"]
        told = [one for one in said if one.actor == "publish-budget"]
        assert len(told) == 2
        assert {(one.action, one.output_sha256) for one in told} == {("budget.defaulted", "")}


@pytest.mark.parametrize("removal", RemovalPolicy)
def test_a_default_that_is_removed_leaves_no_budget_or_one_that_says_it_is_kept(
    removal: RemovalPolicy,
) -> None:
    there = world(removal)
    bring_applied(there)
    there.edit(default(None, sequence=2))
    bring(there)
    there.deliver()
    assert there.status == "REMOVED"
    assert there.amount == (None if removal is RemovalPolicy.DELETE else Decimal(7))
    assert there.drift(ACCOUNT, repair=True) == []


def test_a_default_that_is_refused_says_why_and_changes_no_account() -> None:
    there = world()
    bring_applied(there)
    assert there.edit(default("seven", sequence=2)).outcome is Outcome.REJECTED
    assert there.statuses.items[replace(KEY, account_id="*")].status is Status.REJECTED
    bring(there)
    there.deliver()
    assert (there.status, there.amount) == ("APPLIED", Decimal(7))
    there.edit(change(100, sequence=3))
    there.deliver()
    assert there.edit(change(None, sequence=4)).outcome is Outcome.REJECTED
    there.deliver()
    assert (there.status, there.amount) == ("REJECTED", Decimal(100))


def test_a_unit_is_refused_where_only_a_list_of_accounts_is_known() -> None:
    there = World(organization=FakeOrganization(ACCOUNT))
    done = there.edit(default(7, of=OUTER))
    assert done.outcome is Outcome.REJECTED
    assert done.error is not None
    assert "organization_id" in done.error.explanation


def test_an_edited_default_does_not_wait_for_the_answer_to_the_one_before() -> None:
    there = world()
    there.edit(default(7, sequence=1))
    bring(there)
    there.edit(default(8, sequence=2))
    bring(there)
    assert amounts(there)[ACCOUNT] == 8
    assert there.statuses.items[KEY].repairs == 1, "nobody has tried this one before"
    there.deliver()
    assert (there.status, there.amount) == ("APPLIED", Decimal(8))


def test_a_default_that_is_removed_does_not_wait_for_the_answer_to_its_edit() -> None:
    """The run of the removal is the last one for a while."""
    there = world()
    there.edit(default(7, sequence=1))
    bring(there)
    there.edit(default(None, sequence=2))
    bring(there)
    assert amounts(there)[ACCOUNT] is None
    published = there.statuses.items[KEY].version
    bring(there)
    assert there.statuses.items[KEY].version == published, "a removal is published once"
    there.deliver()
    assert (there.status, there.amount) == ("REMOVED", None)


def test_a_default_that_is_edited_while_a_run_brings_it_is_read_again() -> None:
    there = world()
    there.edit(default(7, sequence=1))

    def overtake(name: str) -> None:
        if name == "put_document":
            there.spokes.before = lambda _: None
            there.edit(default(8, sequence=2))

    there.spokes.before = overtake
    there.drift(ACCOUNT, repair=True)
    assert amounts(there)[ACCOUNT] == 8


def test_of_two_runs_at_once_with_two_defaults_one_is_published_and_its_status_agrees() -> None:
    there = world()
    there.edit(default(7, sequence=1))

    def overtake(name: str) -> None:
        if name == "begin":
            there.statuses.before = lambda _: None
            there.edit(default(8, sequence=2))
            there.drift(ACCOUNT, repair=True)

    there.statuses.before = overtake
    there.drift(ACCOUNT, repair=True)
    assert amounts(there)[ACCOUNT] == 8
    assert there.statuses.items[KEY].amount == "8.00"
    assert there.spokes.calls.count("put_document") == 1, "the older one is never published"


def test_where_nobody_knows_who_inherits_nothing_is_removed() -> None:
    organization = FakeOrganization(ACCOUNT)
    there = World(organization=organization)
    bring_applied(there)
    organization.error = TransientFailure("slow down", code="Throttled", step="list_accounts")
    assert [one.reason for one in there.drift(ACCOUNT, repair=True)] == ["not_compared"]
    there.deliver()
    assert (there.status, there.amount) == ("APPLIED", Decimal(7))
    with pytest.raises(TransientFailure):
        there.edit(change(None, sequence=9))
    assert there.amount == Decimal(7)


def test_an_account_that_a_list_of_its_unit_misses_keeps_its_budget_until_it_has_left() -> None:
    organization = FakeOrganization(ACCOUNT, **{ACCOUNT: INNER, INNER: OUTER})
    there = World(organization=organization)
    there.edit(default(7, of=OUTER, sequence=1))
    bring(there)
    there.deliver()
    organization.missed.add(ACCOUNT)
    assert there.drift(ACCOUNT, repair=True) == []
    there.deliver()
    assert (there.status, there.amount) == ("APPLIED", Decimal(7))
    organization.above[ACCOUNT] = ELSEWHERE
    assert [one.reason for one in there.drift(ACCOUNT, repair=True)] == ["not_removed"]
    there.deliver()
    assert (there.status, there.amount) == ("REMOVED", None)


@pytest.mark.parametrize("unit", [INNER, OUTER])
def test_an_account_that_a_list_of_its_unit_misses_has_no_other_default_meanwhile(
    unit: str,
) -> None:
    organization = FakeOrganization(ACCOUNT, **{ACCOUNT: INNER, INNER: OUTER})
    there = World(organization=organization)
    there.edit(default(7, of="*", sequence=1))
    there.edit(default(9, of=unit, sequence=2))
    bring(there)
    there.deliver()
    organization.missed.add(ACCOUNT)
    assert there.drift(ACCOUNT, repair=True) == []
    there.edit(default(11, of=unit, sequence=3))
    there.drift(ACCOUNT, repair=True)
    there.deliver()
    assert (there.status, there.amount) == ("APPLIED", Decimal(11))
    organization.above[ACCOUNT] = ELSEWHERE
    there.drift(ACCOUNT, repair=True)
    there.deliver()
    assert (there.status, there.amount) == ("APPLIED", Decimal(7))


def test_an_account_that_cannot_be_reached_fails_by_its_default_until_it_is_gone() -> None:
    there = World(organization=FakeOrganization(STRANGER))
    there.edit(default(7, sequence=1))
    there.drift(STRANGER, repair=True)
    key = replace(KEY, account_id=STRANGER)
    failed = there.statuses.items[key]
    assert (failed.status, failed.error_step, failed.default_of) == (
        Status.FAILED,
        "assume_role",
        "*",
    )
    there.drift(STRANGER, repair=True)
    assert there.statuses.items[key] == failed, "said once"
    there.edit(default(None, sequence=2))
    there.drift(STRANGER, repair=True)
    assert there.statuses.items[key].status is Status.REMOVED


def test_an_account_that_joins_gets_the_default_by_the_next_scheduled_run() -> None:
    organization = FakeOrganization(ACCOUNT)
    there = World(organization=organization)
    queue = FakeAccountQueue()
    schedule = DriftSchedule(
        table=there.table,
        statuses=there.statuses,
        queue=queue,
        clock=lambda: there.now,
        members=lambda: organization.members,
    )
    there.edit(default(7, sequence=1))
    organization.members.add(OTHER)
    schedule.begin()
    assert (queue.parts, queue.defaults) == ([[ACCOUNT, OTHER]], ["*"])
    assert not schedule.begin().begun
    assert schedule.begin(at_once=True).begun, "an edited default does not wait"
    there.repairer.run(repair=True, request_id="1", account_ids=[OTHER], defaults=queue.defaults)
    assert amounts(there) == {OTHER: Decimal(7)}


def test_coverage_tells_defaults_from_rows_of_the_accounts_own() -> None:
    organization = FakeOrganization(ACCOUNT, OTHER)
    there = World(organization=organization)
    bring_applied(there)
    found = coverage(
        [ACCOUNT, OTHER, "*"],
        table=there.table,
        statuses=there.statuses,
        spokes=there.spokes,
        organization=organization,
    )
    assert [(one.account_id, one.source) for one in found] == [
        (ACCOUNT, Source.DEFAULT),
        (OTHER, Source.MISSING),
    ]


def test_a_list_shows_inherited_budgets_and_an_import_does_not_make_them_rows() -> None:
    there = world()
    there.edit(default(7, sequence=1, time_unit="QUARTERLY"))
    bring(there)
    found = joined(there.table.rows(), there.statuses.all())
    shown = {
        one["account_id"]: (one["amount"], one["time_unit"], one["default_of"]) for one in found
    }
    assert shown[ACCOUNT] == ("7.00", "QUARTERLY", "*")
    assert shown["*"] == ("7", "QUARTERLY", "")
    rows, rejected = imported(csv_of(found), there)
    assert ([row["account_id"] for row in rows], rejected) == (["*"], [])


def imported(text: str, there: World) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What an import makes of a file, which knows what the table holds now."""

    def known() -> list[dict[str, Any]]:
        return joined(there.table.rows(), there.statuses.all())

    return read_budgets(text.encode(), name="list.csv", editor="me", known=known)


def listed_lines(there: World) -> list[dict[str, str]]:
    text = csv_of(joined(there.table.rows(), there.statuses.all()))
    return list(csv.DictReader(io.StringIO(text)))


def as_csv(lines: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, lines[0])
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


@pytest.mark.parametrize(
    "edited",
    [
        {"amount": "8"},
        {"thresholds": "ACTUAL:50"},
        {"emails": "ann@example.com"},
        {"cost_filters": '{"Service": ["Amazon S3"]}'},
        {"amount": "many"},
        {"budget_name": "another"},
        {"account_id": STRANGER},
    ],
)
def test_an_edited_line_of_an_inherited_budget_is_refused_with_the_reason(
    edited: dict[str, str],
) -> None:
    there = world()
    bring_applied(there)
    lines = listed_lines(there)
    (own,) = [one for one in lines if one["account_id"] == ACCOUNT]
    own |= edited
    rows, rejected = imported(as_csv(lines), there)
    assert [row["account_id"] for row in rows] == ["*"]
    (line,) = rejected
    assert (line["field"], line["value"]) == ("default_of", "*")
    assert "inherits this budget from *" in line["reason"]
    assert "Leave its default_of empty" in line["reason"]
    # As the reason says.
    own["default_of"] = ""
    rows, rejected = imported(as_csv(lines), there)
    valid = edited != {"amount": "many"}
    assert ([row["account_id"] for row in rows] == ["*", own["account_id"]]) is valid
    assert [one["field"] for one in rejected] == ([] if valid else ["amount"])


@pytest.mark.parametrize(
    "deleted",
    [
        {"error"},
        {"status", "applied_amount", "applied_at", "error"},
        {"default_of"},
        {"listed_as"},
        {"default_of", "listed_as"},
    ],
)
def test_a_list_without_some_columns_sets_nothing_of_inherited_budgets(deleted: set[str]) -> None:
    there = world()
    bring_applied(there)
    lines = [
        {name: cell for name, cell in one.items() if name not in deleted}
        for one in listed_lines(there)
    ]
    rows, rejected = imported(as_csv(lines), there)
    assert ([row["account_id"] for row in rows], rejected) == (["*"], [])
    assert not {"status", "error", "applied_at", "default_of", "listed_as"} & rows[0].keys()


def test_a_list_makes_no_removed_row_again_until_its_line_is_edited() -> None:
    for removal in (Status.APPLIED, Status.PENDING, Status.FAILED):
        there = world()
        bring_applied(there)
        there.edit(change(9, sequence=5))
        amount = "9.00" if removal is Status.APPLIED else ""
        status = replace(there.statuses.items[KEY], status=removal, amount=amount)
        text = csv_of(joined([], [status]))
        assert read_budgets(text.encode(), name="b.csv", editor="", known=list) == ([], [])
        (line,) = csv.DictReader(io.StringIO(text))
        edited = as_csv([line | {"amount": "12"}]).encode()
        (row,), _ = read_budgets(edited, name="b.csv", editor="", known=list)
        assert (row["account_id"], row["amount"]) == (ACCOUNT, 12)


@pytest.mark.parametrize("amount", ["7", "7.0", " 7.00 "])
def test_what_a_spreadsheet_writes_in_other_words_is_no_edit(amount: str) -> None:
    there = world()
    bring_applied(there)
    lines = listed_lines(there)
    for one in lines:
        one["amount"] = amount
    rows, rejected = imported(as_csv(lines), there)
    assert ([row["account_id"] for row in rows], rejected) == (["*"], [])


def test_a_line_of_what_has_a_row_of_its_own_by_now_is_refused() -> None:
    there = world()
    bring_applied(there)
    lines = listed_lines(there)
    there.edit(change(9, sequence=5))
    _, rejected = imported(as_csv(lines), there)
    assert [one["field"] for one in rejected] == ["default_of"]


def test_the_same_list_is_imported_again_after_it_has_edited_the_default() -> None:
    there = world()
    bring_applied(there)
    lines = listed_lines(there)
    for one in lines:
        if one["account_id"] == "*":
            one["amount"] = "200"
    for number in (5, 6):
        rows, rejected = imported(as_csv(lines), there)
        assert ([row["account_id"] for row in rows], rejected) == (["*"], [])
        there.edit(default(rows[0]["amount"], sequence=number))
        bring(there)
        there.deliver()
        assert there.amount == Decimal(200)
    (own,) = [one for one in lines if one["account_id"] == ACCOUNT]
    own["amount"] = "150"
    assert len(imported(as_csv(lines), there)[1]) == 1


def test_accounts_of_an_import_take_turns() -> None:
    rows = [{"account_id": one, "n": at} for at, one in enumerate("aaabbc")]
    assert [row["account_id"] for row in in_turn(rows)] == list("abcaba")
    assert sorted(row["n"] for row in in_turn(rows)) == list(range(6))


@pytest.mark.parametrize("account_id", ["**", "ou-", "r-root", "ou-ROOT-outer0001", "* "])
def test_nothing_else_is_a_default(account_id: str) -> None:
    with pytest.raises(RejectedInput):
        parse_budget({"account_id": account_id, "amount": 1}, defaults=True)
    with pytest.raises(RejectedInput):
        parse_budget({"account_id": "*", "amount": 1})


@given(
    depth=st.integers(0, 4),
    with_rows=st.sets(st.integers(0, 4)),
    everybody=st.booleans(),
    own=st.booleans(),
)
def test_an_account_inherits_from_the_nearest_or_from_nobody(
    depth: int, with_rows: set[int], everybody: bool, own: bool
) -> None:
    units = [f"ou-root-unit0000{number}" for number in range(5)]
    parents = dict(zip([ACCOUNT, *units[:depth]], units[:depth], strict=False))
    above = units_above(ACCOUNT, parents)
    assert list(above) == units[:depth]
    rows: list[Mapping[str, Any]] = [
        {"account_id": units[one], "budget_name": "b"} for one in sorted(with_rows)
    ]
    rows += [{"account_id": "*", "budget_name": "b"}] * everybody
    found = inherited_rows(ACCOUNT, rows, units=above, own={"b"} if own else ())
    near = [units[one] for one in sorted(with_rows) if one < depth] + ["*"] * everybody
    assert [one.default_of for one in found.values()] == ([] if own else near[:1])
    assert all(one.row["account_id"] == ACCOUNT for one in found.values())


def test_units_are_read_from_the_top_once_in_five_minutes() -> None:
    """API_ListAccountsForParent.html lists what is directly in a unit."""
    client = organizations_client()
    clock = [0.0]
    accounts = OrganizationAccounts(lambda: client, clock=lambda: clock[0])

    def listed(stub: Stubber, unit: str, units: list[str], members: list[str]) -> None:
        stub.add_response(
            "list_organizational_units_for_parent",
            {"OrganizationalUnits": [{"Id": one} for one in units]},
            {"ParentId": unit},
        )
        stub.add_response(
            "list_accounts_for_parent",
            {"Accounts": [{"Id": one} for one in members]},
            {"ParentId": unit},
        )

    with Stubber(client) as stub:
        listed(stub, OUTER, [INNER], [OTHER])
        listed(stub, INNER, [], [ACCOUNT])
        wanted = {INNER: OUTER, OTHER: OUTER, ACCOUNT: INNER}
        assert accounts.parents({OUTER}) == wanted
        assert accounts.parents({OUTER}) == wanted
        clock[0] = 301
        for operation in ("list_organizational_units_for_parent", "list_accounts_for_parent"):
            stub.add_client_error(operation, "ParentNotFoundException")
        assert accounts.parents({OUTER}) == {}, "deleted, so it was empty"
        stub.add_client_error("list_organizational_units_for_parent", "TooManyRequestsException")
        with pytest.raises(TransientFailure):
            accounts.parents({INNER})


def test_an_account_tells_its_units_itself() -> None:
    client = organizations_client()
    accounts = OrganizationAccounts(lambda: client)

    def above(stub: Stubber, child: str, parent: str, kind: str) -> None:
        answer = {"Parents": [{"Id": parent, "Type": kind}]}
        stub.add_response("list_parents", answer, {"ChildId": child})

    with Stubber(client) as stub:
        for unit, below in ((OUTER, True), (ELSEWHERE, False)):
            above(stub, ACCOUNT, INNER, "ORGANIZATIONAL_UNIT")
            above(stub, INNER, OUTER, "ORGANIZATIONAL_UNIT")
            if not below:
                above(stub, OUTER, "r-root", "ROOT")
            assert accounts.is_below(ACCOUNT, unit) is below
        stub.add_client_error("list_parents", "ChildNotFoundException")
        assert not accounts.is_below(ACCOUNT, OUTER)
        stub.add_client_error("list_parents", "TooManyRequestsException")
        with pytest.raises(TransientFailure):
            accounts.is_below(ACCOUNT, OUTER)
    assert not ListedAccounts([ACCOUNT]).is_below(ACCOUNT, OUTER)


def test_the_management_account_inherits_nothing_since_its_budgets_count_all_costs() -> None:
    client = organizations_client()
    accounts = OrganizationAccounts(lambda: client)
    with Stubber(client) as stub:
        stub.add_response(
            "describe_organization", {"Organization": {"MasterAccountId": "111111111111"}}
        )
        stub.add_response("describe_account", {"Account": {"Id": ACCOUNT, "State": "ACTIVE"}})
        assert accounts.inherits(ACCOUNT)
        assert not accounts.inherits("111111111111")
        stub.add_client_error("describe_account", "AccountNotFoundException")
        assert not accounts.inherits(STRANGER)
    assert ListedAccounts([ACCOUNT]).inherits(ACCOUNT)
    assert not ListedAccounts([ACCOUNT]).inherits(OTHER)
    assert json.dumps(ListedAccounts([ACCOUNT]).parents([])) == "{}"
