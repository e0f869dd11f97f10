"""`finops status`: one row for each service and flow."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from finops.audit.heads import newest_head
from finops.billing.domain import FileStatus
from finops.budgets.domain import Status
from finops.cli.options import listing
from finops.cli.output import Exit, Output
from finops.cli.waiting import months_to_close, old_head, waiting_in
from finops.deployment.environment import Environment
from finops.invoices.domain import InvoiceStatus
from finops.shared.errors import ConfigurationError

if TYPE_CHECKING:
    from finops.deployment.clients import Aws

_MONTHS_SHOWN = 3


@click.command()
@listing
def status(environment: Environment, out: Output) -> None:
    """Show what is there, the state of each flow, and what waits for a person.

    Exit code 3 if something does not work.
    """
    from finops.deployment.clients import Aws

    aws = Aws(environment)
    rows = [*_tables(aws, environment), *_functions(aws, environment), *_queues(aws, environment)]
    waiting: list[str] = []
    rows += [
        _budgets(aws, environment, waiting),
        _billing(environment, waiting),
        _invoices(environment, waiting),
        _reconciliation(environment, waiting),
        _audit(aws, environment, waiting),
    ]
    rows = _by_flow(rows, environment)
    ok = all(row["ok"] for row in rows)
    steps = [*_next_steps(rows), *waiting]
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
    steps = [f"{row['name']}: {row['detail']}" for row in waiting if row["detail"]]
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
    return [_row(name, "table", state, state == "ACTIVE") for name, state in states.items()]


def _functions(aws: Aws, environment: Environment) -> list[dict[str, Any]]:
    from finops.deployment.states import function_state

    states = {
        name: function_state(aws.client("lambda"), name)
        for name in (*environment.management_functions, *environment.optional_functions)
    }
    for name in environment.optional_functions:
        if states[name] == "ResourceNotFoundException":
            del states[name]
    return [_row(name, "function", state, state == "ACTIVE") for name, state in states.items()]


def _queues(aws: Aws, environment: Environment) -> list[dict[str, Any]]:
    from finops.deployment.states import queue_depth

    rows = []
    optional = [f"{name}-failures" for name in environment.optional_functions]
    for name in (*environment.failure_queues, *optional):
        depth = queue_depth(aws.client("sqs"), name)
        exists = depth.isdigit()
        if name in optional and not exists:
            continue
        waits = exists and depth != "0"
        detail = "read its messages, fix the cause, then redrive them" if waits else ""
        state = f"{depth} message{'s' * (depth != '1')}" if exists else depth
        rows.append(_row(name, "failure queue", state, depth == "0", detail))
    return rows


def _budgets(aws: Aws, environment: Environment, waiting: list[str]) -> dict[str, Any]:
    from finops.budgets.adapters.dynamodb import DynamoStatusTable
    from finops.deployment.states import table_state

    if table_state(aws.client("dynamodb"), environment.budget_status_table) != "ACTIVE":
        return _row("budgets", "flow", "NOT DEPLOYED", False, environment.how_to_deploy)
    table = DynamoStatusTable(aws.client("dynamodb"), environment.budget_status_table)
    counts = Counter(one.status for one in table.all())
    waiting += waiting_in("budgets", counts)
    detail = ", ".join(f"{counts[one]} {one.lower()}" for one in Status if counts[one])
    failed = counts[Status.FAILED]
    if failed:
        detail += "; see `finops budgets list --status FAILED`"
    return _row("budgets", "flow", "FAILING" if failed else "RUNNING", not failed, detail)


def _billing(environment: Environment, waiting: list[str]) -> dict[str, Any]:
    from finops.deployment.billing import BillingDeployment

    try:
        counts = BillingDeployment(environment).store.count_by_status()
    except ConfigurationError as error:
        return _row("billing", "flow", "NOT DEPLOYED", False, error.explanation)
    waiting += waiting_in("billing", counts)
    detail = ", ".join(f"{counts[one]} {one.lower()}" for one in FileStatus if counts.get(one))
    failed = counts.get(FileStatus.FAILED, 0)
    if failed:
        detail += "; see `finops billing files --status FAILED`"
    return _row("billing", "flow", "FAILING" if failed else "RUNNING", not failed, detail)


def _invoices(environment: Environment, waiting: list[str]) -> dict[str, Any]:
    from finops.deployment.invoices import InvoiceDeployment

    try:
        store = InvoiceDeployment(environment).store
    except ConfigurationError as error:
        return _row("invoices", "flow", "NOT DEPLOYED", False, error.explanation)
    counts = {one: store.count(one) for one in InvoiceStatus}
    waiting += waiting_in("invoices", counts)
    detail = ", ".join(f"{count} {one.lower()}" for one, count in counts.items() if count)
    failed = counts[InvoiceStatus.PROCESSING_FAILED]
    if failed:
        detail += "; see `finops invoices list --status PROCESSING_FAILED`"
    return _row("invoices", "flow", "FAILING" if failed else "RUNNING", not failed, detail)


def _reconciliation(environment: Environment, waiting: list[str]) -> dict[str, Any]:
    from finops.deployment.reconciliation import ReconciliationDeployment

    try:
        months = ReconciliationDeployment(environment, alone=False).reports.months()
    except ConfigurationError as error:
        return _row("reconciliation", "flow", "NOT DEPLOYED", False, error.explanation)
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

    try:
        head = newest_head(AuditDeployment(environment).store)
    except ConfigurationError as error:
        return _row("audit", "flow", "NOT DEPLOYED", False, error.explanation)
    detail = f"{queue_depth(aws.client('sqs'), environment.audit_queue)} entries are waiting"
    if head is None:
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
