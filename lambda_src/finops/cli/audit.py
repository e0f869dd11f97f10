"""`finops audit`: who did what, and whether the record of it is complete and unchanged."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final

import click

from finops.audit.actors import shown_actor
from finops.audit.trail_reader import Selection, TrailReader
from finops.audit.trail_verifier import TrailVerifier, Verdict
from finops.audit.verification import Problem
from finops.cli.options import Duration, common, limit_option
from finops.cli.output import Exit, Output
from finops.cli.tables import cell
from finops.deployment.environment import Environment
from finops.shared.audit import PERSONAL_PREFIX, canonical
from finops.shared.errors import RejectedInput

if TYPE_CHECKING:
    from finops.deployment.audit import AuditDeployment

COLUMNS: Final = ("occurred_at", "stream", "sequence", "action", "subject", "actor", "sender")
#: Hours. A head is written every hour; the alarm on missing heads waits as long.
HEAD_AGE: Final = 3.0
#: In hours, as HEAD_AGE is.
_CENTURY: Final = 100 * 366 * 24
_DIGEST: Final = re.compile(PERSONAL_PREFIX + "[0-9a-f]{64}")


@click.group()
def audit() -> None:
    """Read the audit trail, and prove that it is complete."""


@audit.command("show")
@click.option("--stream", help="Only this flow: budgets, billing, invoices, …")
@click.option("--subject", help="Only this subject; * matches anything.")
@click.option("--actor", help="Only this actor; * matches anything.")
@click.option("--action", help="Only this action; * matches anything.")
@click.option("--since", metavar="TIME", help="Only entries from this date or time (UTC) on.")
@click.option("--until", metavar="TIME", help="Only entries before this date or time (UTC).")
@click.option("--unproven", is_flag=True, help="Only entries whose actor nobody has proven.")
@limit_option("entries")
@click.option(
    "--values",
    is_flag=True,
    help="Show the personal data that records of invoices still have, in place of their digests.",
)
@common
def show(
    environment: Environment,
    out: Output,
    *,
    since: str | None,
    until: str | None,
    unproven: bool,
    limit: int,
    values: bool,
    **patterns: str | None,
) -> None:
    """List entries, newest first; an actor whom nobody has proven is "said to be" that one."""
    selection = Selection(
        since=_moment(since) if since else None,
        until=_moment(until) if until else None,
        unproven=unproven,
        **patterns,
    )
    reader = TrailReader(_deployed(environment).store)
    entries = list(islice(reader.entries(selection), limit))
    if values:
        entries = list(_with_values(environment, entries))
    if not out.as_json:
        entries = [{**one, "actor": shown_actor(one)} for one in entries]
    out.answer({"entries": entries}, rows="entries", columns=COLUMNS)
    if reader.damaged:
        damaged = "1 entry is" if reader.damaged == 1 else f"{reader.damaged} entries are"
        out.say(f"{damaged} damaged: see `finops audit verify`")


@audit.command("verify")
@click.option(
    "--max-head-age",
    type=Duration(0, _CENTURY),
    metavar="HOURS",
    help="Fail if the newest head is older: somebody may have removed the end of the trail. "
    f"By default {HEAD_AGE:.0f} where heads are signed, but not on a local cloud; 0 for any age.",
)
@common
def verify(environment: Environment, out: Output, *, max_head_age: float | None) -> None:
    """Read the whole trail, and find entries that were changed, removed, added or moved.

    Exit code 1 if there are any; the first bad entry is named.
    """
    from finops.audit.adapters.sqlite import SeenIds
    from finops.deployment.descriptions import STREAM_COLUMNS, verdict_document

    deployment = _deployed(environment)
    if max_head_age is None and deployment.signer and environment.endpoint_url is None:
        max_head_age = HEAD_AGE
    verifier = TrailVerifier(deployment.store, deployment.signer, SeenIds().repeats)
    with out.progress("Percent verified", 100) as bar:
        verdict = verifier.verify(
            progress=lambda done, known: bar(100 * done // known if known else 100),
            oldest_head=datetime.now(UTC) - timedelta(hours=max_head_age) if max_head_age else None,
        )
    answer = verdict_document(verdict, signed=deployment.signer is not None)
    out.answer(answer, rows="streams", columns=STREAM_COLUMNS)
    if verdict.unproven:
        named = "1 entry names" if verdict.unproven == 1 else f"{verdict.unproven} entries name"
        out.say(f"{named} an actor whom nobody has proven: see `finops audit show --unproven`")
    if verdict.ok:
        out.say(f"All {verdict.entries} entries are unchanged; {_sealed(verdict)}")
        return
    for problem in () if out.as_json else verdict.problems:
        out.say(f"{_name(problem)}: {problem.kind}: {problem.message}")
    first = verdict.problems[0]
    count = verdict.problem_count
    problems = "1 problem" if count == 1 else f"{count} problems, the first"
    out.say(f"{problems} in {_name(first)}; {_sealed(verdict)}")
    raise SystemExit(Exit.REJECTED)


@audit.command("recover")
@click.argument("log", type=click.File())
@common
def recover(environment: Environment, out: Output, *, log: IO[str]) -> None:
    """Send entries that a flow could only write to its LOG to the trail (- for stdin).

    LOG holds JSON lines from CloudWatch Logs; other lines are skipped. Entries that the trail
    has already are not added again.
    """
    from finops.audit.recorder import SEND_BATCH

    recorder = _deployed(environment).recorder
    documents = list(logged_entries(log))
    for start in range(0, len(documents), SEND_BATCH):
        for document, reason in recorder.send(documents[start : start + SEND_BATCH]):
            out.fail(f"entry {document['entry_id']} was refused: {reason}", Exit.INFRASTRUCTURE)
    counts = Counter(document["stream"] for document in documents)
    rows = [{"stream": stream, "entries": count} for stream, count in sorted(counts.items())]
    out.answer(
        {"entries": len(documents), "streams": rows}, rows="streams", columns=("stream", "entries")
    )


def _with_values(
    environment: Environment, entries: Iterable[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """The entries, with what the records of invoices prove of the digests in them."""
    from finops.deployment.invoices import InvoiceDeployment
    from finops.invoices.audit_events import STREAM, personal_values

    store = InvoiceDeployment(environment).store
    known: dict[str, Mapping[str, str]] = {}
    for entry in entries:
        subject = entry["subject"]
        if entry["stream"] == STREAM and subject not in known:
            try:
                known[subject] = personal_values(store.find(subject))
            except RejectedInput:
                known[subject] = {}
        yield {**entry, "details": _resolved(entry["details"], known.get(subject, {}))}


def _resolved(details: Any, known: Mapping[str, str]) -> Any:
    if isinstance(details, Mapping):
        return {name: _resolved(one, known) for name, one in details.items()}
    if isinstance(details, list):
        return [_resolved(one, known) for one in details]
    if isinstance(details, str):
        return _DIGEST.sub(lambda found: known.get(found[0], found[0]), details)
    return details


def _deployed(environment: Environment) -> AuditDeployment:
    from finops.deployment.audit import AuditDeployment

    return AuditDeployment(environment)


def _sealed(verdict: Verdict) -> str:
    if verdict.last_head is None:
        return "no head covers them yet"
    heads = "1 head" if verdict.heads == 1 else f"{verdict.heads} heads, the newest"
    return f"{heads} of {cell(verdict.last_head.get('written_at'))}"


def _name(problem: Problem) -> str:
    return f"{problem.stream} {problem.sequence}"


def logged_entries(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """The entries in lines of logs; other lines are skipped."""
    from finops.audit.messages import decode_message

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
        RejectedInput: It is not a date or time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RejectedInput(
            f"{text!r} is not a date or time such as 2026-03-01 or 2026-03-01T08:00",
            code="invalid_time",
            value=text,
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
