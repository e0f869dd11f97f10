"""Tables as cards on a narrow page: the same facts, the same actions, and nothing as markup."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from streamlit.testing.v1 import AppTest

from console import cards
from console.identity import Role
from console.reports import StoredReport
from console.views.budgets import unsaved
from finops.budgets.domain import BudgetKey
from finops.reconciliation.report import as_document
from tests.console.conftest import Stage, put, user, waiting
from tests.console.test_billing import FAILED, LOADED, Billing
from tests.console.test_foreign_text import MARKUP, PAGES, drawn, invoices
from tests.console.test_reports import Shelf
from tests.invoices.builders import processed
from tests.reconciliation.sample_report import sample_report


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "is_narrow", lambda: True)


pytestmark = pytest.mark.usefixtures("narrow")


def said(app: AppTest) -> str:
    return "\n".join(one.value for one in (*app.markdown, *app.caption)).replace("\\", "")


def test_invoices_are_cards_that_open_them_and_can_be_exported(stage: Stage) -> None:
    put(stage, *(waiting(f"raw/{number}.pdf") for number in range(cards.AT_ONCE + 2)))
    app = stage.page("invoices", Role.APPROVER)
    assert not app.exception
    assert not app.dataframe
    shown = said(app)
    assert shown.count("Bäckerei Ähre GmbH") == cards.AT_ONCE
    assert "Total: 1,200.00 EUR" in shown
    assert "1000.00 + 190.00 is 1190.00" in shown
    more = next(one for one in app.button if one.label == "Show more (2 left)")
    more.click().run()
    assert said(app).count("Bäckerei Ähre GmbH") == cards.AT_ONCE + 2
    assert len(app.get("download_button")) == 3


def test_an_inbox_is_one_choice_and_line_items_are_cards(stage: Stage) -> None:
    records = [waiting(f"raw/{number}.pdf") for number in range(3)]
    items = processed().invoice
    read = records[1].invoice
    assert items
    assert read
    records[1] = replace(records[1], invoice=replace(read, line_items=items.line_items))
    put(stage, *records)
    app = stage.page("invoice", Role.APPROVER, id=records[1].id)
    assert not app.exception
    # Ticks, for several at once, need a table.
    assert [str(one.key)[:11] for one in app.dataframe] == ["same-vendor"]
    assert "=HYPERLINK(1)**" in said(app)
    assert "Unit price: 0.12345 EUR" in said(app)
    assert "Amount: 119.00 EUR" in said(app)
    choice = next(one for one in app.selectbox if one.label == "Waiting, oldest first")
    assert choice.options == [f"{at}. Bäckerei Ähre GmbH · 1,200.00 EUR" for at in (1, 2, 3)]
    there = [one.id for one in stage.invoices.waiting()]
    here = there.index(records[1].id)
    assert choice.index == here
    other = (here + 1) % 3
    choice.select_index(other).run()
    assert there[other] in app.query_params["id"]


def test_billing_files_are_cards_and_one_is_opened_and_left(stage: Stage) -> None:
    stage.settings["billing"] = Billing(LOADED, FAILED)
    app = stage.page("billing", Role.VIEWER)
    assert not app.dataframe
    shown = said(app)
    assert "acme/march.csv** 3 rows read, 1 loaded, 2 quarantined" in shown
    assert "acme · 1,500.63 USD" in shown or "acme · 1,500.625 USD" in shown
    app.button(key=f"open-{LOADED.load_id}").click().run()
    assert not app.exception
    assert "Line 3: ten is not an amount" in said(app)
    assert "acme/april.csv" not in said(app)
    next(one for one in app.button if one.label == "All files").click().run()
    assert "acme/april.csv" in said(app)


def test_a_report_is_read_and_gone_into_by_cards(stage: Stage) -> None:
    report = sample_report()
    stage.settings["reports"] = Shelf(StoredReport(document=as_document(report), locations={}))
    app = stage.page("reports")
    assert not app.exception
    assert not app.dataframe
    shown = said(app)
    for unit in report.units:
        assert unit.name in shown
    assert all(one.service in shown for one in report.services)
    unit = next(one for one in report.units if one.services)
    app.button(key=f"drill/Business unit {unit.name}").click().run()
    assert not app.exception
    (box,) = (one for one in app.selectbox if one.label == "Business unit")
    assert box.value == unit.name
    service = unit.services[0]
    key = f"drill/Business unit={unit.name}/Service {service.service}"
    app.button(key=key).click().run()
    account = service.accounts[0]
    assert account.account in said(app)


@pytest.fixture
def budget(stage: Stage) -> BudgetKey:
    key = BudgetKey(account_id="222222222222", budget_name="monthly-total")
    row = {"account_id": key.account_id, "budget_name": key.budget_name, "amount": Decimal(100)}
    stage.budgets.rows.items[key.account_id, key.budget_name] = row
    return key


def test_budgets_are_cards_and_only_editors_edit_them(stage: Stage, budget: BudgetKey) -> None:
    for role, may_edit in ((Role.VIEWER, False), (Role.EDITOR, True)):
        app = stage.page("budgets", role)
        assert not app.exception
        assert not app.dataframe
        assert "222222222222 / monthly-total" in said(app)
        assert "Amount (USD): 100.00" in said(app)
        assert ("Edit" in [one.label for one in app.button]) is may_edit


def test_what_is_typed_in_a_card_is_kept_as_in_the_table_and_applied(
    stage: Stage, budget: BudgetKey
) -> None:
    stage.who = user(Role.EDITOR)

    def script(*arguments: object) -> None:
        from console.views.budgets import cards as budget_cards
        from console.views.budgets import table
        from console.views.budgets.listing import list_budgets

        services, user = arguments
        budgets = list_budgets(services, "test")  # type: ignore[arg-type]
        budget_cards.ask(services, user, budgets[0])  # type: ignore[arg-type]
        table.show(services, user, budgets)  # type: ignore[arg-type]

    app = AppTest.from_function(script, args=(stage.services, stage.who), default_timeout=120).run()
    amount = next(one for one in app.text_input if one.label == "Amount (USD)")
    assert amount.value == "100.00"
    amount.set_value("1.500,00")
    next(one for one in app.button if one.label == "Keep the changes").click().run()
    assert not app.exception
    assert app.session_state["budget_unsaved"] == {budget: {"amount": "1.500,00"}}
    shown = said(app)
    assert "Not applied yet: Amount (USD)" in shown
    assert "Before: 100.00" in shown
    assert "After: 1.500,00" in shown
    assert "is not a number" in shown
    assert stage.budgets.rows.items["222222222222", "monthly-total"]["amount"] == 100
    next(one for one in app.text_input if one.label == "Amount (USD)").set_value("250")
    next(one for one in app.button if one.label == "Keep the changes").click().run()
    next(one for one in app.button if one.label == "Apply 1 change").click().run()
    assert not app.exception
    assert stage.budgets.rows.items["222222222222", "monthly-total"]["amount"] == 250
    assert not unsaved.all_unsaved()


@pytest.mark.parametrize("page", [*PAGES, invoices])
def test_text_from_outside_is_no_markup_in_a_card(
    stage: Stage, page: Callable[[Stage], AppTest]
) -> None:
    app = page(stage)
    assert not app.exception
    shown = [*drawn(app._tree)]
    assert [one for one in shown if any(mark in one for mark in MARKUP)] == []
