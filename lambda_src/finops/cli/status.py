"""`finops status`: one row for each service and flow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from finops.audit.heads import newest_head
from finops.billing.domain import TO_FIX, FileStatus
from finops.budgets.domain import Status
from finops.cli.options import common
from finops.cli.output import Exit, Output
from finops.cli.waiting import months_to_close, no_head, old_head, waiting_in
from finops.deployment.environment import Environment
from finops.invoices.domain import InvoiceStatus
from finops.shared.errors import ConfigurationError, TransientFailure

if TYPE_CHECKING:
    from finops.deployment.clients import Aws
    from finops.deployment.states import State
    from finops.invoices.domain import InvoiceRecord

_MONTHS_SHOWN = 3
#: Of refused invoices, how many of the newest are read: those that a person rejected need nobody.
_LOOKED_AT = 500


@click.command()
@common
def status(environment: Environment, out: Output) -> None:
    """Show what is there, the state of each flow, and what waits for a person.

    Exit code 3 if something does not work.
    """
    from finops.deployment.clients import Aws

    aws = Aws(environment)
    rows = [*_tables(aws, environment), *_functions(aws, environment), *_queues(aws, environment)]
    waiting: list[str] = []
    rows += [
        _flow("budgets", lambda: _budgets(aws, environment, waiting)),
        _flow("billing", lambda: _billing(aws, environment, waiting)),
        _flow("invoices", lambda: _invoices(aws, environment, waiting)),
        _flow("reconciliation", lambda: _reconciliation(aws, environment, waiting)),
        _flow("audit", lambda: _audit(aws, environment, waiting)),
    ]
    rows = [row | {"detail": out.addressed(row["detail"])} for row in _by_flow(rows, environment)]
    ok = all(row["ok"] for row in rows)
    steps = [out.addressed(step) for step in (*_next_steps(rows), *waiting)]
    out.answer(
        {"status": rows, "ok": ok, "next": steps},
        rows="status",
        columns=("name", "kind", "ok", "state", "detail"),
    )
    if not out.as_json:
        out.say("\n".join(["", "Do next:", *steps]) if steps else "\nNothing needs you.")
    if not ok:
        raise SystemExit(Exit.INFRASTRUCTURE)


def _by_flow(rows: list[dict[str, Any]], environment: Environment) -> list[dict[str, Any]]:
    """The rows; those of a flow that is not deployed are no fault, beside a flow that is."""
    states = {row["name"]: row["state"] for row in rows}
    flows = environment.flow_functions
    absent = {
        flow
        for flow, names in flows.items()
        if all(states[name] == "ResourceNotFoundException" for name in names)
    }
    if len(absent) == len(flows):
        return rows
    parts = {part for flow in absent for part in (flow, *environment.parts_of(flow))}
    beside = {"ok": True, "detail": "this flow is not deployed"}
    return [row | beside if row["name"] in parts else row for row in rows]


def _next_steps(rows: list[dict[str, Any]]) -> list[str]:
    """What a person should do, the most urgent first: flows, queues, what does not exist."""
    waiting = [row for row in rows if not row["ok"]]
    waiting.sort(key=lambda row: row["kind"] != "flow")
    names: dict[str, list[str]] = {}
    for row in waiting:
        if row["detail"]:
            names.setdefault(row["detail"], []).append(row["name"])
    steps = [f"{', '.join(alike)}: {detail}" for detail, alike in names.items()]
    if parts := [row["name"] for row in waiting if not row["detail"]]:
        steps.append(f"{', '.join(parts)}: not there, or not ready; `finops doctor` says why")
    return steps


def _tables(aws: Aws, environment: Environment) -> list[dict[str, Any]]:
    from finops.deployment.states import table_state

    states = {
        name: table_state(aws.client("dynamodb"), name)
        for name in (
            environment.budgets_table,
            environment.budget_status_table,
            environment.invoices_table,
            environment.vendors_table,
        )
    }
    return [_of_state(name, "table", state) for name, state in states.items()]


def _functions(aws: Aws, environment: Environment) -> list[dict[str, Any]]:
    from finops.deployment.states import function_state

    states = {
        name: function_state(aws.client("lambda"), name)
        for name in (*environment.management_functions, *environment.optional_functions)
    }
    for name in environment.optional_functions:
        if states[name].word == "ResourceNotFoundException":
            del states[name]
    return [_of_state(name, "function", state) for name, state in states.items()]


def _of_state(name: str, kind: str, state: State) -> dict[str, Any]:
    return _row(name, kind, state.word, state.word == "ACTIVE", state.hint)


def _queues(aws: Aws, environment: Environment) -> list[dict[str, Any]]:
    from finops.deployment.states import queue_depth

    rows = []
    optional = [f"{name}-failures" for name in environment.optional_functions]
    for name in (*environment.failure_queues, *optional):
        found = queue_depth(aws.client("sqs"), name)
        depth = found.word
        exists = depth.isdigit()
        if name in optional and not exists:
            continue
        waits = exists and depth != "0"
        detail = "read its messages, fix the cause, then redrive them" if waits else found.hint
        state = f"{depth} message{'s' * (depth != '1')}" if exists else depth
        rows.append(_row(name, "failure queue", state, depth == "0", detail))
    return rows


def _flow(name: str, look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The row of a flow; one that could not be looked at leaves the other rows as they are."""
    from finops.deployment.states import unchecked

    try:
        return look()
    except (ConfigurationError, TransientFailure) as error:
        if error.code == "not_deployed":
            return _row(name, "flow", "NOT DEPLOYED", False, error.explanation)
        return _row(name, "flow", "NOT CHECKED", False, unchecked(error))


def _budgets(aws: Aws, environment: Environment, waiting: list[str]) -> dict[str, Any]:
    from finops.budgets.adapters.dynamodb import DynamoStatusTable
    from finops.deployment.states import table_state

    state = table_state(aws.client("dynamodb"), environment.budget_status_table)
    if state.word == "ResourceNotFoundException":
        return _row("budgets", "flow", "NOT DEPLOYED", False, environment.how_to_deploy)
    table = DynamoStatusTable(aws.client("dynamodb"), environment.budget_status_table)
    counts = Counter(one.status for one in table.all())
    waiting += waiting_in("budgets", counts)
    detail = ", ".join(f"{counts[one]} {one.lower()}" for one in Status if counts[one])
    failed = counts[Status.FAILED]
    if failed:
        detail += "; see `finops budgets list --status FAILED`"
    return _row("budgets", "flow", "FAILING" if failed else "RUNNING", not failed, detail)


def _billing(aws: Aws, environment: Environment, waiting: list[str]) -> dict[str, Any]:
    from finops.deployment.billing import BillingDeployment

    store = BillingDeployment(environment, aws).store
    counts, to_fix = store.count_by_status(), store.count_to_fix()
    waiting += waiting_in("billing", {**counts, **dict.fromkeys(TO_FIX, 0), **to_fix})
    detail = ", ".join(f"{counts[one]} {one.lower()}" for one in FileStatus if counts.get(one))
    failed = to_fix.get(FileStatus.FAILED, 0)
    if failed:
        detail += "; see `finops billing files --status FAILED`"
    return _row("billing", "flow", "FAILING" if failed else "RUNNING", not failed, detail)


def _invoices(aws: Aws, environment: Environment, waiting: list[str]) -> dict[str, Any]:
    from finops.deployment.invoices import InvoiceDeployment

    store = InvoiceDeployment(environment, aws).store
    counts = {one: store.count(one) for one in InvoiceStatus}
    refused = InvoiceStatus.VALIDATION_FAILED
    newest = islice(store.all(status=refused), min(counts[refused], _LOOKED_AT))
    left = counts[refused] - rejected_by_people(newest)
    waiting += waiting_in("invoices", {**counts, refused: left})
    detail = ", ".join(f"{count} {one.lower()}" for one, count in counts.items() if count)
    failed = counts[InvoiceStatus.PROCESSING_FAILED]
    if failed:
        detail += "; see `finops invoices list --status PROCESSING_FAILED`"
    return _row("invoices", "flow", "FAILING" if failed else "RUNNING", not failed, detail)


def rejected_by_people(records: Iterable[InvoiceRecord]) -> int:
    """How many of these a reviewer has rejected: they wait for nobody."""
    return sum(bool(one.reviews) and one.reviews[-1].decision == "REJECTED" for one in records)


def _reconciliation(aws: Aws, environment: Environment, waiting: list[str]) -> dict[str, Any]:
    from finops.deployment.reconciliation import ReconciliationDeployment

    months = ReconciliationDeployment(environment, aws, alone=False).reports.months()
    waiting += months_to_close(months, datetime.now(UTC).date())
    newest = list(months.items())[-_MONTHS_SHOWN:]
    detail = ", ".join(
        f"{month} {f'closed, revision {revision}' if revision else 'open'}"
        for month, revision in newest
    )
    return _row("reconciliation", "flow", "RUNNING", True, detail or "no months yet")


def _audit(aws: Aws, environment: Environment, waiting: list[str]) -> dict[str, Any]:
    from finops.deployment.audit import AuditDeployment
    from finops.deployment.states import queue_depth

    deployment = AuditDeployment(environment, aws)
    head = newest_head(deployment.store)
    depth = queue_depth(aws.client("sqs"), environment.audit_queue)
    exists = depth.word.isdigit()
    detail = f"{depth.word} entries are waiting" if exists else f"its queue: {depth.word}"
    if head is None:
        waiting += no_head(deployment.changed_at, datetime.now(UTC))
        return _row("audit", "flow", "RUNNING", True, f"no head yet; {detail}")
    waiting += old_head(head["written_at"], datetime.now(UTC))
    sealed = sum(one["sequence"] for one in head["streams"].values())
    detail = f"{sealed} entries sealed at {head['written_at']}; {detail}"
    if head["problems"]:
        detail += "; see `finops audit verify`"
    return _row(
        "audit", "flow", "FAILING" if head["problems"] else "RUNNING", not head["problems"], detail
    )


def _row(name: str, kind: str, state: str, ok: bool, detail: str = "") -> dict[str, Any]:
    return {"name": name, "kind": kind, "state": state, "ok": ok, "detail": detail}
