"""The overview: open tasks, and flows that cannot be read."""

from __future__ import annotations

from dataclasses import replace

import pytest
import streamlit as st

from console import ui
from console.identity import Role
from finops.billing.domain import FileStatus
from tests.console.conftest import Stage, put, waiting
from tests.console.test_billing import FAILED, LOADED, Billing


def test_open_tasks_are_counted_and_a_flow_that_cannot_be_read_says_so(stage: Stage) -> None:
    put(stage, waiting("raw/a.pdf"), waiting("raw/b.pdf"))
    app = stage.page("overview")
    assert not app.exception
    shown = {one.label: one.value for one in app.metric}
    assert shown == {
        "Invoices to review": "2",
        "Failed invoices": "0",
        "Billing files with rejects": "—",
        "Billing files not loaded": "—",
        "Rejected budgets": "0",
        "Failed budgets": "0",
    }
    assert sum("Nothing to do" in one.value for one in app.markdown) == 3
    assert any("Not deployed here" in one.value for one in app.info)


def test_what_an_approver_may_not_decide_is_counted_for_somebody_else(stage: Stage) -> None:
    own = replace(waiting("raw/own.pdf"), submitted_by="the approver")
    put(stage, own, waiting("raw/other.pdf"))
    app = stage.page("overview", Role.APPROVER)
    assert app.metric[0].value == "1"
    assert any("1 waits for somebody else" in one.value for one in app.caption)
    assert stage.page("overview", Role.EDITOR).metric[0].value == "2"


def test_a_billing_file_counts_until_nothing_of_it_is_left_to_fix(stage: Stage) -> None:
    refused = replace(FAILED, load_id=99, status=FileStatus.REJECTED)
    flow = stage.settings["billing"] = Billing(LOADED, FAILED, refused)
    wanted = ("Billing files with rejects", "Billing files not loaded")
    for counts in (["1", "2"], ["0", "0"]):
        app = stage.page("overview")
        assert [one.value for one in app.metric if one.label in wanted] == counts
        flow.store.unsettled.clear()
        st.cache_data.clear()


@pytest.mark.parametrize(
    ("role", "doing"),
    [(Role.VIEWER, {"View them"}), (Role.EDITOR, {"Review them", "Fix their rows"})],
)
def test_the_cards_name_what_the_role_may_do(
    stage: Stage, role: Role, doing: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(ui, "link", lambda _page, label, **_query: said.append(label))
    stage.settings["billing"] = Billing(LOADED)
    put(stage, waiting())
    assert not stage.page("overview", role).exception
    assert {"View them", "Review them", "Fix their rows"} & set(said) == doing
