"""`finops budgets`: edit the budgets table, and see the result of each edit."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from finops.budgets.approvals import PEOPLE
from finops.budgets.attributes import ATTRIBUTES, Form
from finops.budgets.csv_files import csv_of, read_budgets
from finops.budgets.domain import BudgetKey, Status
from finops.budgets.editing import as_edit, changes_of, described, joined, matching
from finops.budgets.rows import DEFAULT_BUDGET_NAME, parse_budget, parse_key
from finops.budgets.values import parse_amount
from finops.cli.options import common, confirm, timeout_option
from finops.cli.output import Exit, Format, Output
from finops.deployment.environment import Environment
from finops.shared.errors import RejectedInput

if TYPE_CHECKING:
    from finops.budgets.ports import BudgetStatus
    from finops.deployment.budgets import BudgetDeployment

POLL_SECONDS: Final = 0.1
LONGEST_POLL_SECONDS: Final = 5.0
_ASKED_AT_ONCE: Final = 50
#: What `coverage` calls a budget that a row asks for, and an account that has none.
_ROWS: Final = ("table", "default")
_WITHOUT: Final = ("none", "missing", "unknown")
_STATUS_COLUMNS: Final = ("status", "applied_at", "error")
COLUMNS: Final = (
    "account_id",
    "name",
    *(one.name for one in ATTRIBUTES if one.listed),
    "actual_spend",
    "forecasted_spend",
    "variance",
    *_STATUS_COLUMNS,
)
ALL_COLUMNS: Final = (
    "account_id",
    "name",
    *(one.name for one in ATTRIBUTES),
    "actual_spend",
    "forecasted_spend",
    "variance",
    "forecast_variance",
    "spend_at",
    *_STATUS_COLUMNS,
    "note",
    "latency_ms",
    "updated_by",
    "default_of",
)


def _trimmed(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    return value.strip() if value else value


def _known_account(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    try:
        return value and parse_key({"account_id": value.strip()}, defaults=True).account_id
    except RejectedInput as error:
        raise click.BadParameter(error.explanation) from error


def _known_status(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    if value is None:
        return None
    names = [one.value for one in Status]
    typed = value.strip().upper()
    if typed in names:
        return typed
    near = difflib.get_close_matches(typed, names, n=1)
    meant = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(names)}"
    raise click.BadParameter(f"{value!r} is no status; {meant}")


def _usd(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Decimal | None:
    try:
        return None if value is None else parse_amount(value)
    except RejectedInput as error:
        raise click.BadParameter(error.explanation) from error


account_argument = click.argument("account", callback=_trimmed)
name_option = click.option(
    "--name", default=DEFAULT_BUDGET_NAME, callback=_trimmed, help="The name of the budget."
)
wait_option = click.option(
    "--wait", is_flag=True, help="Wait until the spoke account has reported the result."
)
wait_timeout = timeout_option(60.0)


def _attribute_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for one in reversed(ATTRIBUTES):
        if one.option:
            command = click.option(
                one.option,
                one.name,
                multiple=one.form is not Form.VALUE,
                type=click.Choice(one.choices) if one.choices else str,
                metavar=one.metavar,
                help=one.help,
            )(command)
    return command


@click.group()
def budgets() -> None:
    """Set, list, import and repair the budgets of spoke accounts."""


# An amount such as -5 is to be refused as an amount, not as an unknown option.
@budgets.command("set", context_settings={"ignore_unknown_options": True})
@account_argument
@click.argument("amount")
@name_option
@_attribute_options
@wait_option
@wait_timeout
@common
def set_budget(
    environment: Environment,
    out: Output,
    *,
    account: str,
    amount: str,
    name: str,
    wait: bool,
    timeout: float,
    **attributes: str | tuple[str, ...] | None,
) -> None:
    """Set ACCOUNT's budget to AMOUNT in USD. Attributes that you do not name keep their values.

    '*' or the id of an organizational unit as ACCOUNT is the default of accounts without their own.
    """
    row: dict[str, Any] = {"account_id": account, "budget_name": name, "amount": amount}
    for one in ATTRIBUTES:
        if given := attributes.get(one.name):
            row[one.name] = given if isinstance(given, str) else one.read_options(given)
    try:
        budget = parse_budget(row, defaults=True)
    except RejectedInput as error:
        out.fail(
            error.explanation,
            Exit.REJECTED,
            account_id=account,
            name=name,
            amount=amount,
            status=Status.REJECTED.value,
            applied_at=None,
        )
    tables = _deployed(environment)
    document = as_edit(row, budget.amount, tables.aws.caller)
    request_id = document["request_id"]
    before, stored = tables.edits.merge(
        budget.key,
        {k: v for k, v in document.items() if k not in ("account_id", "budget_name")},
    )
    if wait:
        _wait(tables, {budget.key: request_id}, timeout, out)
    status = tables.statuses.get(budget.key)
    mine = status if status and status.request_id == request_id else None
    answer = described(budget.key, stored, mine)
    changes = changes_of(before, stored)
    if out.as_json:
        out.document({**answer, "changes": changes})
    else:
        for attribute, change in changes.items():
            out.say(
                f"{attribute}: {change['before'] or 'default'} → {change['after'] or 'default'}"
            )
        out.answer({"budgets": [answer]}, rows="budgets", columns=COLUMNS)
    _exit_by([answer], waited=wait)


@budgets.command("list")
@click.option(
    "--status",
    callback=_known_status,
    help="Only budgets in this status, such as FAILED.",
)
@click.option("--account", callback=_known_account, help="Only this account.")
@click.option(
    "--name", metavar="PATTERN", help="Only budgets of this name; * stands for any text, ? for one."
)
@click.option(
    "--at-least", metavar="USD", callback=_usd, help="Only budgets of this amount or more."
)
@click.option(
    "--at-most", metavar="USD", callback=_usd, help="Only budgets of this amount or less."
)
@click.option(
    "--csv", "as_csv", is_flag=True, help="The same as --format csv, which `import` reads."
)
@common
def list_budgets(
    environment: Environment,
    out: Output,
    *,
    account: str | None,
    as_csv: bool,
    **wanted: Any,
) -> None:
    """List budgets with their status, all or those that you ask for."""
    found = matching(_listed(_deployed(environment), account), **wanted)
    if out.form is Format.CSV or (as_csv and not out.as_json):
        click.echo(csv_of(found), nl=False)
        return
    out.answer({"budgets": found}, rows="budgets", columns=COLUMNS)


@budgets.command("show")
@account_argument
@common
def show(environment: Environment, out: Output, *, account: str) -> None:
    """Show the budgets of one ACCOUNT."""
    found = _listed(_deployed(environment), account)
    error = "" if found else f"account {account} has no budget"
    document = {"budgets": found} | ({"error": error} if error else {})
    out.answer(document, rows="budgets", columns=ALL_COLUMNS)
    if error:
        out.fail(error, Exit.REJECTED)


@budgets.command("delete")
@click.argument("account")
@click.option("--name", default=DEFAULT_BUDGET_NAME, help="The name of the budget.")
@click.option("--yes", is_flag=True, help="Delete it without asking.")
@wait_option
@wait_timeout
@common
def delete(
    environment: Environment,
    out: Output,
    *,
    account: str,
    name: str,
    yes: bool,
    wait: bool,
    timeout: float,
) -> None:
    """Delete the row of ACCOUNT's budget, also one whose key has a space too many.

    Whether the AWS Budget in the account is deleted too depends on the module's removal_policy.
    """
    if not yes:
        confirm(f"Delete the budget {name} of account {account}?")
    tables = _deployed(environment)
    keys = dict.fromkeys(
        BudgetKey(account_id=one, budget_name=other)
        for one, other in ((account, name), (account.strip(), name.strip()))
    )
    known = tables.statuses.get_many(list(keys))
    key = next(filter(tables.edits.delete, keys), None)
    if key is None:
        out.fail(f"account {account} has no budget {name}", Exit.REJECTED)
    if wait:
        version = known[key].version if key in known else ""
        _poll(
            lambda: (
                (found := tables.statuses.get(key)) is not None
                and found.version > version
                and found.status is not Status.PENDING
            ),
            timeout,
        )
    answer = described(key, {}, tables.statuses.get(key))
    out.answer(
        {"budgets": [answer], **answer}, rows="budgets", columns=("account_id", "name", "status")
    )
    if answer["action"] == "left" and not out.as_json:
        out.say("The AWS Budget stays as it is: somebody made it by hand")


@budgets.command("approve")
@account_argument
@name_option
@click.option("--yes", is_flag=True, help="Approve it without asking.")
@common
def approve(environment: Environment, out: Output, *, account: str, name: str, yes: bool) -> None:
    """Approve a raise of ACCOUNT's budget that waits.

    Two people have to: whoever wants it, and somebody else. AWS tells the flow who signs.
    """
    tables = _deployed(environment)
    key = BudgetKey(account_id=account, budget_name=name)
    status = tables.statuses.get(key)
    if status is None or status.status is not Status.WAITING:
        out.fail(
            f"budget {name} of account {account} does not wait for an approval",
            Exit.REJECTED,
            account_id=account,
            name=name,
            status=status.status.value if status else None,
        )
    wanted = f"{status.amounts or status.amount} USD"
    if not yes:
        confirm(f"{status.error}\nApprove {wanted} for {name} of account {account}?")
    people = tables.approve(status)
    answer = {
        "account_id": account,
        "name": name,
        "amount": status.amount,
        "amounts": status.amounts or status.amount,
        "approvals": people,
    }
    if out.as_json:
        out.document(answer)
    elif out.form is Format.CSV:
        out.answer({"budgets": [answer]}, rows="budgets", columns=tuple(answer))
    else:
        out.say(f"Approved by {people} of {PEOPLE} people: {wanted} for {name}")


@budgets.command(
    "import",
    help=f"""Set the budgets in a CSV FILE. Bad lines are reported; the others are imported.

    The first line names the columns: account_id and amount, and optionally budget_name,
    {", ".join(one.name for one in ATTRIBUTES if one.name != "amount")}. Lists are written as
    ACTUAL:80;FORECASTED:100, maps as JSON. Each line replaces the whole budget; notes stay that
    the file has no column for.
    """,
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@wait_option
@timeout_option(
    None,
    "The longest time that --wait waits: a minute, and half a second more for each budget,"
    " where you do not say.",
)
@common
def import_file(
    environment: Environment, out: Output, *, file: Path, wait: bool, timeout: float | None
) -> None:
    """Write the file's rows, and report each line that was rejected."""
    tables = _deployed(environment)
    rows, rejected = read_budgets(
        file.read_bytes(),
        name=str(file),
        editor=tables.aws.caller,
        known=partial(_listed, tables, None),
    )
    requests = {
        BudgetKey(account_id=row["account_id"], budget_name=row["budget_name"]): row["request_id"]
        for row in rows
    }
    tables.edits.put_all(rows)
    if wait:
        longest = 60 + len(requests) / 2 if timeout is None else timeout
        _wait(tables, requests, longest, out)
    statuses = tables.statuses.get_many(list(requests))
    done = []
    for row in rows:
        key = BudgetKey(account_id=row["account_id"], budget_name=row["budget_name"])
        found = statuses.get(key)
        mine = found if found and found.request_id == requests[key] else None
        done.append(described(key, row, mine))
    if out.as_json:
        out.document({"budgets": done, "rejected": rejected})
    else:
        out.answer({"rejected": rejected}, rows="rejected", columns=("line", "field", "reason"))
        out.say(f"{_count(len(done), 'budget')} set, {_count(len(rejected), 'line')} rejected")
    if rejected:
        raise SystemExit(Exit.REJECTED)
    _exit_by(done, waited=wait)


@budgets.command("drift")
@click.option("--repair", is_flag=True, help="Publish budgets that have drifted again.")
@click.option("--account", callback=_known_account, help="Only this account.")
@timeout_option(60.0, "The longest time that --repair waits for the spoke accounts.")
@common
def drift(
    environment: Environment, out: Output, *, repair: bool, account: str | None, timeout: float
) -> None:
    """Compare every row with the AWS Budget in its account."""
    tables = _deployed(environment)

    def look(*, repairing: bool) -> list[dict[str, Any]]:
        return tables.drift(repair=repairing, requested_by=tables.aws.caller, account=account)

    found = look(repairing=repair)
    if repair and found:
        keys = [_key(one) for one in found if one["repaired"]]
        unanswered = _await(tables, keys, lambda _: True, timeout, out)
        still = {_key(one) for one in look(repairing=False)}.union(unanswered)
        for one in found:
            if _key(one) in unanswered:
                one["error"] = one["error"] or "the spoke account has not answered yet"
            one["repaired"] = one["repaired"] and _key(one) not in still
    out.answer(
        {"drift": found},
        rows="drift",
        columns=("account_id", "name", "wanted", "actual", "reason", "repaired", "error"),
    )
    if repair and not all(one["repaired"] for one in found):
        raise SystemExit(Exit.INFRASTRUCTURE)


@budgets.command("coverage")
@click.option("--all", "everything", is_flag=True, help="Also budgets that a row asks for.")
@common
def coverage(environment: Environment, out: Output, *, everything: bool) -> None:
    """Name accounts without a budget, and budgets that no row asks for.

    `source` is table (a row asks for it), default (a default asks for it), kept (the flow made it,
    and its row is gone or wants it in the other account), by_hand (no row asks for it: somebody
    made it, or the spoke began with it), missing (a row asks for it, and the account does not have
    it), none (the account has no budget), or unknown (the account could not be asked).
    """
    found = _deployed(environment).coverage()
    shown = (
        found if everything or out.as_json else [one for one in found if one["source"] not in _ROWS]
    )
    out.answer(
        {"accounts": shown},
        rows="accounts",
        columns=("account_id", "name", "budget", "amount", "source", "delivery", "error"),
    )
    covered = {one["account_id"] for one in found if one["source"] not in _WITHOUT}
    total = {one["account_id"] for one in found}
    out.say(f"{len(covered)} of {_count(len(total), 'account')} have a budget")


def _deployed(environment: Environment) -> BudgetDeployment:
    from finops.deployment.budgets import BudgetDeployment

    return BudgetDeployment(environment)


def _listed(tables: BudgetDeployment, account: str | None) -> list[dict[str, Any]]:
    return joined(tables.rows.rows(account), tables.statuses.all(account))


def _key(drift: Mapping[str, Any]) -> BudgetKey:
    return BudgetKey(account_id=drift["account_id"], budget_name=drift["name"])


def _wait(
    tables: BudgetDeployment, requests: Mapping[BudgetKey, str], timeout: float, out: Output
) -> None:
    """Wait until each of these requests has a result."""
    _await(tables, list(requests), lambda one: one.request_id == requests[one.key], timeout, out)


def _await(
    tables: BudgetDeployment,
    keys: Sequence[BudgetKey],
    counts: Callable[[BudgetStatus], bool],
    timeout: float,
    out: Output,
) -> list[BudgetKey]:
    """Wait until each of these budgets has a status that counts and is not PENDING.

    Asks for the first fifty only until those have ended, so that many cost little more than few.
    Returns the budgets without one.
    """
    waiting = list(keys)
    with out.progress("Waiting for the spoke accounts", len(keys)) as show_done:

        def finished() -> bool:
            while waiting:
                asked = waiting[:_ASKED_AT_ONCE]
                known = tables.statuses.get_many(asked)
                still = [
                    key
                    for key in asked
                    if not (one := known.get(key))
                    or one.status is Status.PENDING
                    or not counts(one)
                ]
                waiting[:_ASKED_AT_ONCE] = still
                show_done(len(keys) - len(waiting))
                if still:
                    return False
            return True

        _poll(finished, timeout)
    return waiting


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _poll(condition: Callable[[], bool], timeout: float) -> None:
    start = time.monotonic()
    while not condition() and (waited := time.monotonic() - start) < timeout:
        time.sleep(min(max(POLL_SECONDS, waited / 20), LONGEST_POLL_SECONDS))


def _exit_by(found: Iterable[Mapping[str, Any]], *, waited: bool) -> None:
    statuses = {one["status"] for one in found}
    if Status.REJECTED in statuses or (waited and Status.WAITING in statuses):
        raise SystemExit(Exit.REJECTED)
    if Status.FAILED in statuses or (waited and Status.PENDING in statuses):
        raise SystemExit(Exit.INFRASTRUCTURE)
