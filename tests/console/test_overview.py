"""The overview: open tasks, and flows that cannot be read."""

from __future__ import annotations

from tests.console.conftest import Stage, put, waiting


def test_open_tasks_are_counted_and_a_flow_that_cannot_be_read_says_so(stage: Stage) -> None:
    put(stage, waiting("raw/a.pdf"), waiting("raw/b.pdf"))
    app = stage.page("overview")
    assert not app.exception
    shown = {one.label: one.value for one in app.metric}
    assert shown == {
        "Invoices to review": "2",
        "Failed invoices": "0",
        "Billing files with rejects": "—",
        "Failed billing files": "—",
        "Rejected budgets": "0",
        "Failed budgets": "0",
    }
    assert sum("Nothing to do" in one.value for one in app.markdown) == 3
    assert any("Not deployed here" in one.value for one in app.info)
