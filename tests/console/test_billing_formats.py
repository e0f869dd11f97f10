"""The page on which a person makes the format of a dataset from a file of it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from console.identity import Role, User
from finops.billing.dataset_format import DatasetFormat, format_key
from finops.deployment.billing_formats import DatasetFormats
from finops.shared.audit import AuditRecorder
from finops.shared.rates import ExchangeRates, RatePolicy
from tests.billing.test_workbooks import book
from tests.billing.use_cases import FOCUS, Flow
from tests.cli.test_billing_formats import Bucket
from tests.console.conftest import Stage, user
from tests.console.test_billing import Billing

GERMAN = """Rechnungsnr.;Kunde;Datum;Betrag;<b>x</b> **y**
R1;Ähre;31.03.2026;1.200,50;=1+1
R2;Ähre;01.04.2026;-3,00;
""".encode()


class Formats(Billing):
    """As `BillingDeployment`, with a bucket for formats."""

    def __init__(self) -> None:
        super().__init__()
        self.flow = Flow()
        policy = RatePolicy(static={"EUR": Decimal("1.1")})
        self.rates = ExchangeRates(policy, self.flow.store.rates)

    def formats_recorded_by(self, audit: AuditRecorder) -> DatasetFormats:
        return DatasetFormats(Bucket(self.flow), "b", self.flow.settings, audit)

    @property
    def stored(self) -> dict[str, Any]:
        return dict(self.formats_recorded_by(Stage().services.recorder).read("werke").document)


@pytest.fixture
def billing(stage: Stage) -> Formats:
    made = Formats()
    stage.settings["billing"] = made
    return made


def page(stage: Stage, content: bytes, role: Role = Role.EDITOR, name: str = "m.csv") -> AppTest:
    app = stage.page("billing", role)
    app.session_state["billing_part"] = "Formats"
    app.run()
    app.text_input(key="format_dataset").set_value("werke").run()
    app.file_uploader(key="format_file").upload(name, content, "text/csv").run()
    assert not app.exception
    return app


def save(app: AppTest) -> AppTest:
    next(one for one in app.button if one.label == "Save the format").click().run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    return "\n".join(one.value for one in (*app.markdown, *app.caption, *app.warning, *app.info))


def test_a_proposal_is_shown_beside_the_rows_changed_and_saved(
    stage: Stage, billing: Formats
) -> None:
    app = page(stage, GERMAN)
    assert app.dataframe[0].value["Kunde"].tolist() == ["Ähre", "Ähre"]
    assert app.selectbox(key="format_record_id").value == "Rechnungsnr."
    assert "defaults\\.currency" in texts(app)
    app.text_input(key="format_currency_default").set_value("EUR").run()
    assert "**2 of 2 rows would be loaded**" in texts(app)
    assert "1,197\\.50 EUR" in texts(app)
    app.selectbox(key="format_company_name").set_value("").run()
    app = save(app)
    document = billing.stored
    assert document["columns"] == {
        "record_id": "Rechnungsnr.", "bill_date": "Datum", "bill_amount": "Betrag"
    }  # fmt: skip
    assert document["defaults"] == {"currency": "EUR"}
    assert (document["decimal_comma"], document["thousands"]) == (True, ".")
    DatasetFormat.from_document("werke", document)
    assert stage.recorded() == [("the editor", "format.changed", format_key("werke"))]


def test_a_stored_format_is_what_is_changed(stage: Stage, billing: Formats) -> None:
    before = {
        "columns": {"record_id": "Rechnungsnr.", "bill_date": "Datum", "bill_amount": "Betrag"},
        "defaults": {"currency": "EUR"},
        "date_formats": ["%d.%m.%Y"],
        "decimal_comma": True,
        "thousands": ".",
        "replace": True,
    }
    billing.flow.objects.content[format_key("werke"), ""] = json.dumps(before).encode()
    app = page(stage, GERMAN)
    save_button = next(one for one in app.button if one.label == "Save the format")
    assert save_button.disabled
    app.selectbox(key="format_company_name").set_value("Kunde").run()
    save(app)
    columns: dict[str, str] = before["columns"]  # type: ignore[assignment]
    assert billing.stored == before | {"columns": columns | {"company_name": "Kunde"}}


def test_what_would_be_refused_is_told_and_not_saved(stage: Stage, billing: Formats) -> None:
    app = page(stage, GERMAN)
    app.text_input(key="format_days").set_value("%d.%m").run()
    assert "date format" in texts(app) or "format" in texts(app)
    assert not [one for one in app.button if one.label == "Save the format" and not one.disabled]


def test_foreign_text_is_shown_as_it_is(stage: Stage, billing: Formats) -> None:
    app = page(stage, GERMAN)
    app.selectbox(key="format_item").set_value("<b>x</b> **y**").run()
    assert any(one.value == "\\=1\\+1" or "1\\+1" in one.value for one in app.caption)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"1;2\n"])
def test_what_is_no_table_is_refused_with_its_reason(
    stage: Stage, billing: Formats, content: bytes
) -> None:
    app = page(stage, content)
    assert "The file cannot be understood" in texts(app)


def test_a_known_export_needs_no_format(stage: Stage, billing: Formats) -> None:
    app = page(stage, FOCUS)
    assert any("This export is known" in one.value for one in app.success)
    assert not [one for one in app.button if one.label == "Save the format"]


def test_a_workbook_is_looked_at_too(stage: Stage, billing: Formats) -> None:
    header = ["Rechnungsnr.", "Datum", "Währung", "Betrag"]
    app = page(stage, book([header, ["R1", "31.03.2026", "EUR", 1200.5]]), name="m.xlsx")
    assert "1,200\\.50 EUR" in texts(app)


def test_who_only_reads_has_no_formats(stage: Stage, billing: Formats) -> None:
    app = stage.page("billing", Role.VIEWER)
    app.session_state["billing_part"] = "Formats"
    app.run()
    assert not [one for one in app.text_input if one.key == "format_dataset"]


@pytest.mark.parametrize("now", [None, user(Role.VIEWER)])
def test_an_open_tab_saves_nothing_once_its_session_has_ended(
    stage: Stage, billing: Formats, now: User | None
) -> None:
    app = page(stage, GERMAN)
    app.text_input(key="format_currency_default").set_value("EUR").run()
    stage.who = now
    save(app)
    assert "Your session has ended" in texts(app)
    assert billing.stored == {}


def test_of_two_people_the_second_is_told(stage: Stage, billing: Formats) -> None:
    app = page(stage, GERMAN)
    app.text_input(key="format_currency_default").set_value("EUR").run()
    theirs = {"decimal_comma": True}
    billing.flow.objects.content[format_key("werke"), ""] = json.dumps(theirs).encode()
    save(app)
    assert "somebody else" in texts(app)
    assert billing.stored == theirs
    assert stage.recorded() == []


def test_another_file_begins_with_its_own_proposal(stage: Stage, billing: Formats) -> None:
    app = page(stage, GERMAN)
    app.selectbox(key="format_company_name").set_value("").run()
    app.file_uploader(key="format_file").upload("n.csv", GERMAN, "text/csv").run()
    assert app.selectbox(key="format_company_name").value == "Kunde"


LEDGER = """Beleg;Datum;Währung;Soll;Haben;Art
R1;2026-03-31;EUR;10.00;;R
R2;2026-04-01;EUR;;3.00;G
""".encode()


def test_charges_and_credits_in_two_columns_can_be_chosen(stage: Stage, billing: Formats) -> None:
    app = page(stage, LEDGER)
    ways = app.radio(key="format_amounts")
    assert ways.value == ways.options[1]
    assert (app.selectbox(key="format_debit").value, app.selectbox(key="format_credit").value) == (
        "Soll",
        "Haben",
    )
    assert not [one for one in app.selectbox if one.key == "format_bill_amount"]
    app.selectbox(key="format_record_id").set_value("Beleg").run()
    assert "**2 of 2 rows would be loaded**: 7\\.00 EUR" in texts(app)
    app.selectbox(key="format_debit").set_value("Haben").run()
    app.selectbox(key="format_credit").set_value("Soll").run()
    assert "\\-7\\.00 EUR" in texts(app)
    save(app)
    assert (billing.stored["debit"], billing.stored["credit"]) == ("Haben", "Soll")
    DatasetFormat.from_document("werke", billing.stored)


def test_a_column_of_signs_can_be_chosen(stage: Stage, billing: Formats) -> None:
    signed = LEDGER.replace(b";Soll;Haben", b";Betrag;S/H").replace(b";10.00;;", b";10.00;S;")
    app = page(stage, signed.replace(b";;3.00;", b";3.00;H;"))
    app.selectbox(key="format_record_id").set_value("Beleg").run()
    ways = app.radio(key="format_amounts")
    ways.set_value(ways.options[2]).run()
    assert "would be refused" not in texts(app)
    app.selectbox(key="format_sign").set_value("S/H").run()
    assert "sign needs column, negative and positive" in texts(app)
    app.multiselect(key="format_positive_S/H").set_value(["S"]).run()
    app.multiselect(key="format_negative_S/H").set_value(["H"]).run()
    assert "**2 of 2 rows would be loaded**: 7\\.00 EUR" in texts(app)
    app.checkbox(key="format_negate").check().run()
    assert "\\-7\\.00 EUR" in texts(app)
    save(app)
    sign = {"column": "S/H", "positive": ["S"], "negative": ["H"]}
    assert (billing.stored["sign"], billing.stored["negate"]) == (sign, True)
    # What is stored is what is shown when the file is looked at again.
    app = page(stage, signed.replace(b";;3.00;", b";3.00;H;"))
    assert app.multiselect(key="format_negative_S/H").value == ["H"]
    assert next(one for one in app.button if one.label == "Save the format").disabled


BILLS = ["record_id", "bill_date", "currency", "bill_amount"]


def test_of_several_sheets_one_is_chosen(stage: Stage, billing: Formats) -> None:
    header = ["Rechnungsnr.", "Datum", "Währung", "Betrag"]
    content = book(
        [header, ["R1", "31.03.2026", "EUR", 1]], [header, ["R2", "31.03.2026", "EUR", 2]]
    )
    app = page(stage, content, name="m.xlsx")
    assert "more than one sheet" in texts(app)
    app.selectbox(key="format_sheet").set_value("Sheet2").run()
    assert "2\\.00 EUR" in texts(app)
    app.selectbox(key="format_sheet").set_value("Sheet1").run()
    assert "1\\.00 EUR" in texts(app)
    save(app)
    assert billing.stored["sheet"] == "Sheet1"


def test_the_sheet_of_an_export_that_is_known_can_be_saved(stage: Stage, billing: Formats) -> None:
    content = book([BILLS, ["R1", "2026-03-31", "USD", 1]], [BILLS, ["R2", "2026-03-31", "USD", 2]])
    app = page(stage, content, name="m.xlsx")
    app.selectbox(key="format_sheet").set_value("Sheet2").run()
    assert "2\\.00 USD" in texts(app)
    save(app)
    assert billing.stored["sheet"] == "Sheet2"


def test_a_workbook_with_one_sheet_asks_for_none(stage: Stage, billing: Formats) -> None:
    app = page(stage, book([BILLS, ["R1", "2026-03-31", "USD", 1]]), name="m.xlsx")
    assert not [one for one in app.selectbox if one.key == "format_sheet"]
