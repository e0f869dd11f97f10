"""`finops audit`: what was done and by whom, and whether the trail of it is whole."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import IO, Any, Final

import click

from finops.audit.adapters.sqlite import SeenIds
from finops.audit.messages import decode_message
from finops.audit.recorder import SEND_BATCH
from finops.audit.service import Selection, TrailReader, TrailVerifier, Verdict
from finops.audit.verification import Problem
from finops.cli.options import common
from finops.cli.output import Exit, Output
from finops.deployment.audit import AuditDeployment
from finops.deployment.descriptions import verdict_document
from finops.deployment.environment import Environment
from finops.shared.audit import canonical
from finops.shared.errors import RejectedInput

COLUMNS: Final = ("occurred_at", "stream", "sequence", "action", "subject", "actor")
STREAM_COLUMNS: Final = ("stream", "entries", "last_sequence", "sealed_sequence", "problems")


@click.group()
def audit() -> None:
    """Read the audit trail, and prove it whole."""


@audit.command("show")
@click.option("--stream", help="Only this flow: budgets, billing, invoices, …")
@click.option("--subject", help="Only this subject; * stands for anything.")
@click.option("--actor", help="Only this actor; * stands for anything.")
@click.option("--action", help="Only this action; * stands for anything.")
@click.option("--since", metavar="TIME", help="From this date or time (UTC) on.")
@click.option("--until", metavar="TIME", help="Before this date or time (UTC).")
@click.option("--limit", default=50, help="At most so many, the newest first.")
@common
def show(
    environment: Environment,
    out: Output,
    *,
    since: str | None,
    until: str | None,
    limit: int,
    **patterns: str | None,
) -> None:
    """List entries, the newest first."""
    reader = TrailReader(AuditDeployment(environment).store)
    selection = Selection(
        since=_moment(since) if since else None,
        until=_moment(until) if until else None,
        **patterns,
    )
    entries = list(islice(reader.entries(selection), limit))
    out.answer({"entries": entries}, rows="entries", columns=COLUMNS)
    if reader.damaged:
        out.say(f"{reader.damaged} entries are damaged: see `finops audit verify`")


@audit.command("verify")
@click.option(
    "--max-head-age",
    type=float,
    metavar="HOURS",
    help="Fail when the newest head is older: the end of the trail may have been cut off.",
)
@common
def verify(environment: Environment, out: Output, *, max_head_age: float | None) -> None:
    """Read the whole trail, and find what was changed, removed, added or moved.

    Ends with 1 if anything was, and names the first entry at fault.
    """
    deployment = AuditDeployment(environment)
    verifier = TrailVerifier(deployment.store, deployment.signer, SeenIds().repeats)
    with out.progress("percent verified", 100) as bar:
        verdict = verifier.verify(
            progress=lambda done, known: bar(100 * done // known if known else 100),
            oldest_head=datetime.now(UTC) - timedelta(hours=max_head_age) if max_head_age else None,
        )
    answer = verdict_document(verdict, signed=deployment.signer is not None)
    out.answer(answer, rows="streams", columns=STREAM_COLUMNS)
    if verdict.ok:
        out.say(f"{verdict.entries} entries are as they were written; {_sealed(verdict)}")
        return
    for problem in () if out.as_json else verdict.problems:
        out.say(f"{_name(problem)}: {problem.kind}: {problem.message}")
    first = verdict.problems[0]
    out.say(f"{verdict.problem_count} problems, the first with {_name(first)}; {_sealed(verdict)}")
    raise SystemExit(Exit.REJECTED)


@audit.command("recover")
@click.argument("log", type=click.File())
@common
def recover(environment: Environment, out: Output, *, log: IO[str]) -> None:
    """Send entries again that a flow could only write to its LOG (- for stdin).

    Takes JSON log lines, as CloudWatch Logs has them; others are passed over. What the trail holds
    already is not added again.
    """
    recorder = AuditDeployment(environment).recorder
    documents = list(_logged_entries(log))
    for start in range(0, len(documents), SEND_BATCH):
        for document, reason in recorder.send(documents[start : start + SEND_BATCH]):
            out.fail(f"entry {document['entry_id']} was refused: {reason}", Exit.INFRASTRUCTURE)
    counts = Counter(document["stream"] for document in documents)
    rows = [{"stream": stream, "entries": count} for stream, count in sorted(counts.items())]
    out.answer(
        {"entries": len(documents), "streams": rows}, rows="streams", columns=("stream", "entries")
    )


def _sealed(verdict: Verdict) -> str:
    if verdict.last_head is None:
        return "no head has sealed them yet"
    return f"the newest of {verdict.heads} heads is of {verdict.last_head.get('written_at')}"


def _name(problem: Problem) -> str:
    return f"{problem.stream} {problem.sequence}"


def _logged_entries(lines: IO[str]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        try:
            logged = json.loads(line[line.index("{") :])
            entry = logged["audit_entry"]
        except (ValueError, KeyError, TypeError):
            continue
        yield decode_message(canonical(entry).decode())


def _moment(text: str) -> datetime:
    """A date or time that a person typed; without a zone it is UTC.

    Raises:
        RejectedInput: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RejectedInput(
            f"{text!r} is no date or time such as 2026-03-01 or 2026-03-01T08:00",
            code="invalid_time",
            value=text,
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
