"""A status ends with its row, also where no stream record told of the row's removal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.budgets.domain import RemovalPolicy
from finops.budgets.editing import joined
from finops.shared.errors import ConfigurationError, TransientFailure
from tests.budgets.fakes import ACCOUNT, FakeOrganization, change
from tests.budgets.test_approvals import LIMIT, RaisedWorld
from tests.budgets.test_service import KEY, OTHER, World
from tests.budgets.test_unreachable import alarm

REFUSED = ConfigurationError("refused", code="AccessDenied", step="put_parameter")


def failed() -> World:
    """A row whose budget nobody could publish."""
    world = World()

    def refuse(name: str) -> None:
        if name == "put_document":
            raise REFUSED

    world.spokes.before = refuse
    world.edit(change(100))
    world.spokes.before = lambda _: None
    return world


def rejected() -> World:
    world = World()
    world.edit(change("abc"))
    return world


def waiting() -> World:
    world = RaisedWorld()
    world.set(9000)
    return world


def of_a_bad_default() -> World:
    """The account's own row went while its default was refused."""
    world = World(organization=FakeOrganization(ACCOUNT, OTHER))
    world.edit(change("abc", account_id="*"))
    world.edit(change(5, sequence=2))
    world.edit(change(None, sequence=3))
    world.deliver()
    return world


@pytest.mark.parametrize("make", [failed, rejected, waiting, of_a_bad_default])
def test_what_was_never_published_ends_with_its_row(make: Callable[[], World]) -> None:
    world = make()
    assert world.status in ("FAILED", "REJECTED", "WAITING")
    world.table.items.clear()
    for _ in range(2):
        world.drift(repair=True)
        world.deliver()
    assert world.status == "REMOVED"
    assert joined(world.table.rows(), world.statuses.all()) == []
    assert (world.drift(), alarm(world).failing, world.amount) == ([], [], None)


def test_a_removal_that_nobody_saw_is_told_where_budgets_are_kept() -> None:
    world = World(RemovalPolicy.KEEP)
    world.edit(change(100))
    world.deliver()
    world.table.items.clear()
    world.drift(repair=True)
    status = world.statuses.items[KEY]
    assert (status.status.value, status.action, world.amount) == ("REMOVED", "kept", Decimal(100))


def test_a_row_that_is_written_while_a_run_looks_is_not_without_one() -> None:
    world = World()
    rows = world.table.rows

    def written_meanwhile(account_id: str | None = None):  # type: ignore[no-untyped-def]
        found = list(rows(account_id))
        world.table.rows = rows  # type: ignore[method-assign]
        world.edit(change("abc"))
        return iter(found)

    world.table.rows = written_meanwhile  # type: ignore[method-assign]
    world.drift(repair=True)
    assert world.status == "REJECTED"


STEPS: dict[str, Callable[[RaisedWorld, int], object]] = {
    "edit": lambda world, number: world.edit(change(100 + number % 3, sequence=number)),
    "bad edit": lambda world, number: world.edit(change("abc", sequence=number)),
    "raise": lambda world, number: world.edit(change(9000, sequence=number)),
    "remove": lambda world, number: world.edit(change(None, sequence=number)),
    "lost edit": lambda world, number: world.table.items.update(
        {(ACCOUNT, "monthly-total"): dict(change(100 + number % 3).row or {})}
    ),
    "lost removal": lambda world, _: world.table.items.clear(),
    "deliver": lambda world, _: world.deliver(),
    "compare": lambda world, _: world.drift(ACCOUNT, repair=True),
    "schedule of the account": lambda world, _: own_schedule(world),
    "budget deleted by hand": lambda world, _: world.budgets.items.clear(),
    "account refused": lambda world, _: refuse(world, REFUSED),
    "account slow": lambda world, _: refuse(
        world, TransientFailure("slow", code="Throttling", step="read_budgets")
    ),
    "account back": lambda world, _: refuse(world, None),
}


def own_schedule(world: World) -> None:
    world.applier.apply_all()
    world.record()


def refuse(world: World, error: Exception | None) -> None:
    def fail(_: str) -> None:
        if error:
            raise error

    world.spokes.before = fail


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=14))
def test_whatever_happens_every_status_becomes_that_of_its_row(steps: list[str]) -> None:
    world = RaisedWorld(LIMIT)
    for number, step in enumerate(steps, 1):
        with suppress(TransientFailure):  # the stream's retries are used up
            STEPS[step](world, number)
    refuse(world, None)
    for _ in range(40):  # repairs that did not help come after 4 hours again
        world.drift(ACCOUNT, repair=True)
        world.deliver()
    settled = world.statuses.items.get(KEY)
    row = world.table.items.get((ACCOUNT, "monthly-total"))
    assert alarm(world).failing == []
    if row is None:
        assert settled is None or settled.status.value == "REMOVED"
        assert world.amount is None
        assert joined(world.table.rows(), world.statuses.all()) == []
    elif row["amount"] in (100, 101, 102):
        assert settled is not None
        assert (settled.status.value, world.amount) == ("APPLIED", row["amount"])
        assert settled.applied_amount == f"{row['amount']}.00"
    else:
        assert settled is not None
        assert settled.status.value == ("REJECTED" if row["amount"] == "abc" else "WAITING")
    said, audited = world.statuses.items.get(KEY), len(world.audit.events)
    for _ in range(3):
        assert world.drift(ACCOUNT, repair=True) == []
        world.deliver()
        own_schedule(world)
    assert (world.statuses.items.get(KEY), len(world.audit.events)) == (said, audited)
    assert all(one.unreached_at is None for one in world.statuses.items.values())
