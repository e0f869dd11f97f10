"""The page of the audit trail: searched, and verified."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from finops.audit.entry_appender import EntryAppender
from tests.audit.fakes import FakeStore, message
from tests.audit.recorders import MemoryRecorder
from tests.console.conftest import Stage


class Trail:
    """As `AuditDeployment`."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.signer = None
        self.recorder = MemoryRecorder()


@pytest.fixture
def trail(stage: Stage) -> Trail:
    made = Trail()
    entries = [message(number, occurred_at=datetime.now(UTC)) for number in (1, 2)]
    EntryAppender(made.store, lambda: datetime.now(UTC)).append("billing", entries)
    stage.settings["audit"] = made
    return made


def button(app: Any, name: str) -> Any:
    return next(one for one in app.button if one.label == name)


def test_entries_are_shown_newest_first_and_filtered(stage: Stage, trail: Trail) -> None:
    app = stage.page("audit")
    assert not app.exception
    assert app.dataframe[0].value["subject"].tolist() == ["load/2", "load/1"]
    subject = next(one for one in app.text_input if one.label == "Subject")
    subject.set_value("load/1").run()
    assert app.dataframe[0].value["subject"].tolist() == ["load/1"]
    subject.set_value("nothing").run()
    assert any("No entries match your filters." in one.value for one in app.markdown)


def test_an_intact_trail_is_verified(stage: Stage, trail: Trail) -> None:
    app = stage.page("audit")
    button(app, "Verify the trail").click().run()
    assert not app.exception
    assert "The trail is intact: 2 entries verified" in app.success[0].value


def test_an_actor_whom_nobody_has_proven_is_said_to_be_that_one(stage: Stage, trail: Trail) -> None:
    entry = message(3, actor="cfo", occurred_at=datetime.now(UTC))
    entry |= {"sender": "AROABEA:bea", "actor_proven": False}
    EntryAppender(trail.store, lambda: datetime.now(UTC)).append("billing", [entry])
    app = stage.page("audit")
    shown = app.dataframe[0].value.iloc[0]
    assert (shown["actor"], shown["sender"]) == ("said to be cfo", "AROABEA:bea")
    button(app, "Verify the trail").click().run()
    assert "1 entry with an actor whom nobody has proven" in app.warning[0].value


def test_a_changed_entry_is_found_and_named(stage: Stage, trail: Trail) -> None:
    key = next(one for one in trail.store.versions if one.startswith("trail/billing/"))
    body = trail.store.versions[key][0]
    assert body
    trail.store.versions[key] = [body.replace(b"load/1", b"load/9")]
    app = stage.page("audit")
    assert "1 damaged entry found" in app.error[0].value
    button(app, "Verify the trail").click().run()
    assert "found. The first is entry 1 of billing" in app.error[0].value
