"""Audit: who did what and when, and whether the trail is intact."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, Final

import streamlit as st

from console import presses, ui
from console.identity import User
from console.services import Services
from finops.audit.actors import shown_actor
from finops.audit.adapters.sqlite import SeenIds
from finops.audit.trail_reader import Selection, TrailReader
from finops.audit.trail_verifier import TrailVerifier
from finops.deployment.descriptions import STREAM_COLUMNS, verdict_document

LIMIT: Final = 200
STREAMS: Final = ("budgets", "billing", "invoices", "reconciliation", "console")
_VERDICT: Final = "audit_verdict"


def show(services: Services, _user: User) -> None:
    """Draw the page."""
    st.title("Audit")
    with ui.failures("The audit trail cannot be read"):
        _verify(services)
        _search(services)


def _verify(services: Services) -> None:
    with st.container(border=True):
        st.markdown(
            "Each entry holds the hash of the one before it, in a bucket where nobody can "
            "overwrite it. Verifying reads every entry."
        )
        if presses.button("Verify the trail", icon=":material/verified_user:"):
            bar = st.progress(0.0, "Reading …")

            def shown(done: int, known: int) -> None:
                bar.progress(
                    min(done / known, 1.0) if known else 1.0, f"{ui.counted(done, 'entry')} read"
                )

            store, signer = services.audit.store, services.audit.signer
            verdict = TrailVerifier(store, signer, SeenIds().repeats).verify(progress=shown)
            bar.empty()
            answer = verdict_document(verdict, signed=signer is not None)
            st.session_state[_VERDICT] = (datetime.now(UTC), answer)
        if _VERDICT in st.session_state:
            _result(*st.session_state[_VERDICT])


def _result(at: datetime, verdict: Mapping[str, Any]) -> None:
    if verdict["ok"]:
        st.success(
            f"The trail is intact: {ui.counted(verdict['entries'], 'entry')} verified at "
            f"{ui.moment(at)}.",
            icon=":material/verified:",
        )
    else:
        first = verdict["first_bad"]
        st.error(
            f"{ui.counted(verdict['problem_count'], 'problem')} found. The first is entry "
            f"{first['sequence']} of {first['stream']}: {ui.escaped(first['message'])}",
            icon=":material/gpp_bad:",
        )
        st.dataframe(verdict["problems"], hide_index=True, placeholder="", alt="Problems")
    if unproven := verdict["unproven_actors"]:
        st.warning(
            f"{ui.counted(unproven, 'entry')} with an actor whom nobody has proven. Below, such an "
            "actor is “said to be” that one.",
            icon=":material/person_alert:",
        )
    st.dataframe(
        verdict["streams"],
        hide_index=True,
        placeholder="",
        height="content",
        alt="Streams of the trail",
        column_order=STREAM_COLUMNS,
        column_config={
            "stream": "Stream",
            "entries": st.column_config.NumberColumn("Entries", format="localized"),
            "last_sequence": st.column_config.NumberColumn("Newest", format="localized"),
            "sealed_sequence": st.column_config.NumberColumn("Sealed up to", format="localized"),
            "problems": "Problems",
            "unproven_actors": st.column_config.NumberColumn(
                "Actor not proven", format="localized"
            ),
        },
    )


def _search(services: Services) -> None:
    stream, actor, subject, action, since = st.columns([1.5, 1.8, 1.8, 1.8, 2.4])
    chosen = stream.selectbox(
        "Stream", ["", *STREAMS], format_func=lambda one: one.capitalize() or "Any"
    )
    hint = "* matches any text."
    who = actor.text_input("Who", placeholder="anna*", help=hint)
    what = subject.text_input("Subject", placeholder="222222222222/*", help=hint)
    done = action.text_input("Action", placeholder="budget.*", help=hint)
    today = datetime.now(UTC).date()
    days = since.date_input("Days (UTC)", (today - timedelta(days=30), today), format="YYYY-MM-DD")
    first, last = _span(days, today)
    with st.skeleton(height=300):
        entries, damaged = search_trail(
            services,
            services.environment.name,
            Selection(
                stream=chosen or None,
                actor=who.strip() or None,
                subject=what.strip() or None,
                action=done.strip() or None,
                since=first,
                until=last,
            ),
        )
    if damaged:
        st.error(
            f"{ui.counted(damaged, 'damaged entry')} found. Verify the trail.",
            icon=":material/gpp_bad:",
        )
    if not entries:
        ui.empty("No entries match your filters.")
        return
    ticked = ui.ticked(
        [_row(one) for one in entries],
        [f"{one['stream']}/{one['sequence']}" for one in entries],
        key="audit_grid",
        mode="single-row",
        height=ui.height(len(entries)),
        alt="Entries of the audit trail, newest first",
        column_config={
            "occurred_at": st.column_config.DatetimeColumn(
                "When (UTC)", format="YYYY-MM-DD HH:mm:ss", timezone="UTC"
            ),
            "stream": "Stream",
            "action": st.column_config.TextColumn("Action", width="medium"),
            "subject": st.column_config.TextColumn("Subject", width="large"),
            "actor": st.column_config.TextColumn(
                "Who", width="medium", help="“Said to be” where nobody has proven it."
            ),
            "sender": st.column_config.TextColumn(
                "Sent by", width="medium", help="Who sent the entry, as SQS tells: ID:SESSION."
            ),
            "sequence": st.column_config.NumberColumn("No.", format="localized", width="small"),
        },
    )
    if len(entries) == LIMIT:
        st.caption(
            f"Only the newest {LIMIT} entries are shown. Narrow the search to see older ones."
        )
    for number in ticked:
        st.code(json.dumps(entries[number], indent=2, ensure_ascii=False), language="json")


def _span(days: Any, today: date) -> tuple[datetime, datetime]:
    """From the start of the first day to the end of the last, UTC; the last may be left out."""
    chosen: Sequence[date] = days if isinstance(days, Sequence) else (days,)
    first = chosen[0] if chosen else today
    last = chosen[1] if len(chosen) > 1 else today
    return (
        datetime.combine(first, time.min, UTC),
        datetime.combine(last + timedelta(days=1), time.min, UTC),
    )


@st.cache_data(ttl=10, max_entries=50, show_spinner=False)
def search_trail(
    _services: Services, _deployment: str, selection: Selection
) -> tuple[list[Mapping[str, Any]], int]:
    """The newest entries that match, and how many damaged ones were read on the way."""
    reader = TrailReader(_services.audit.store)
    entries = list(islice(reader.entries(selection), LIMIT))
    return entries, reader.damaged


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "occurred_at": datetime.fromisoformat(str(entry["occurred_at"])),
        **{name: entry.get(name) for name in ("stream", "action", "subject")},
        "actor": shown_actor(entry),
        **{name: entry.get(name) for name in ("sender", "sequence")},
    }
