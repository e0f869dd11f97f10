"""How amounts, statuses, text from outside and failures are shown."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from streamlit.testing.v1 import AppTest

from console import ui
from finops.billing.domain import FileStatus
from finops.budgets.domain import Status
from finops.invoices.domain import InvoiceStatus


@pytest.mark.parametrize(
    ("value", "currency", "shown"),
    [
        ("1234.5", "EUR", "1,234.50 EUR"),
        ("-1234567.891", "USD", "-1,234,567.891 USD"),
        ("5000", "JPY", "5,000 JPY"),
        ("1.5", "KWD", "1.500 KWD"),
        (Decimal("0.1"), "", "0.10"),
        ("lots", "USD", "lots"),
        ("", "USD", ""),
        (None, "USD", ""),
    ],
)
def test_amounts_have_thousands_separators_and_their_currencys_decimals(
    value: Decimal | str | None, currency: str, shown: str
) -> None:
    assert ui.amount(value, currency) == shown


def test_times_are_shown_in_utc() -> None:
    local = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert ui.moment(local) == "2026-02-28 23:30 UTC"
    assert ui.moment(None) == ""


@pytest.mark.parametrize("statuses", [InvoiceStatus, FileStatus, Status])
def test_every_status_has_a_colour(statuses: type) -> None:
    assert {one.value for one in statuses} <= set(ui.STATUS_COLOURS)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    [
        "**bold**",
        "[a](http://b)",
        "![i](x.png)",
        ":red[x]",
        "<b>x</b>",
        "$x$",
        "# x",
        "`x`",
        "a_b_",
    ],
)
def test_text_from_outside_is_escaped(text: str) -> None:
    shown = ui.escaped(text)
    assert shown.replace("\\", "").replace("\u2060", "") == text
    assert all(shown[at - 1] == "\\" for at, c in enumerate(shown) if c in "*[]()!:<>$#`_")


def test_text_of_several_lines_is_put_on_one() -> None:
    assert ui.escaped("a\n\n# b\r\nc") == "a  \\# b  c"


def table_of(*ids: str) -> AppTest:
    def script() -> None:
        import streamlit as st

        from console import ui

        ids = st.session_state["ids"]
        chosen = ui.ticked([{"id": one} for one in ids], ids, key="grid")
        st.session_state["chosen"] = [ids[number] for number in chosen]

    app = AppTest.from_function(script, default_timeout=60)
    app.session_state["ids"] = ids
    return app.run()


def tick(app: AppTest, *rows: int, seen: tuple[str, ...] = ()) -> AppTest:
    """What the browser sends for the rows of the table that it shows."""
    shown = seen or app.session_state["ids"]
    app.session_state[f"grid-{hash(shown)}"] = {"selection": {"rows": list(rows), "columns": []}}
    return app.run()


def test_a_tick_stays_with_its_row_whatever_comes_before_it_or_goes() -> None:
    app = tick(table_of("a", "b", "c"), 0, 2)
    assert app.session_state["chosen"] == ["a", "c"]
    for ids, chosen in (
        (("new", "a", "b", "c"), ["a", "c"]),
        (("c", "b", "a"), ["c", "a"]),
        (("b", "c"), ["c"]),
        (("a", "b", "c"), ["c"]),
    ):
        app.session_state["ids"] = ids
        assert app.run().session_state["chosen"] == chosen
        assert app.run().session_state["chosen"] == chosen
    assert tick(app).session_state["chosen"] == []
    app.session_state["ids"] = ("c", "d")
    assert app.run().session_state["chosen"] == []


def test_a_tick_for_rows_that_are_no_longer_shown_ticks_nothing() -> None:
    app = table_of("a", "b")
    app.session_state["ids"] = ("new", "a", "b")
    assert tick(app, 0, seen=("a", "b")).session_state["chosen"] == []


def test_a_unit_price_keeps_its_decimals() -> None:
    rows = [
        {"price": one, "currency": code}
        for one, code in (("0.0025", "EUR"), ("5", "EUR"), ("80000.5", "EUR"), ("2.5", "JPY"))
    ]
    shown = ui.money_table(rows, ("price",)).to_html()
    for expected in (">0.0025<", ">5.00<", ">80,000.50<", ">2.5<"):
        assert expected in shown


def failing(kind: str) -> AppTest:
    def script(kind: str) -> None:
        import streamlit as st

        from console import ui
        from finops.shared import errors

        with ui.failures("It cannot be read"):
            if kind == "unforeseen":
                raise KeyError("secret detail")
            raise getattr(errors, kind)("the *reason*", code="code", remedy="Do this")
        st.write("the rest of the page")

    return AppTest.from_function(script, args=(kind,)).run()


@pytest.mark.parametrize(
    ("kind", "shown_as"),
    [
        ("RejectedInput", "warning"),
        ("TransientFailure", "warning"),
        ("ConfigurationError", "error"),
    ],
)
def test_a_failure_is_explained_and_the_rest_of_the_page_is_drawn(kind: str, shown_as: str) -> None:
    app = failing(kind)
    (said,) = getattr(app, shown_as)
    assert "the \\*reason\\*" in said.value
    assert "Do this" in said.value
    assert app.markdown[-1].value == "the rest of the page"
    assert not app.exception


def test_an_unexpected_error_is_logged_under_the_number_that_is_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = failing("unforeseen")
    (said,) = app.error
    assert "secret" not in said.value
    number = said.value.rstrip(".").rsplit(" ", 1)[1]
    assert [getattr(one, "number", "") for one in caplog.records if one.exc_info] == [number]
    assert app.markdown[-1].value == "the rest of the page"


def test_a_table_keeps_numbers_and_shows_each_currencys_decimals() -> None:
    table = ui.money_table(
        [
            {"total": "1234.5", "currency": "EUR"},
            {"total": "5000", "currency": "JPY"},
            {"total": None, "currency": ""},
        ],
        ("total",),
    )
    assert table.data["total"].tolist()[:2] == [1234.5, 5000.0]
    html = table.to_html()
    assert ">1,234.50<" in html
    assert ">5,000<" in html


def test_a_table_of_few_rows_shows_all_of_them() -> None:
    assert ui.height(3) == "content"
    assert ui.height(100) == ui.height(16)
