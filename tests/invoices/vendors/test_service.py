"""What invoices teach, and what that does to the next ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import sample_einvoices
from finops.invoices.domain import InvoiceRecord, InvoiceStatus, Reading
from finops.invoices.vendors.vendor import FactKind, Vendor
from sample_einvoices import Sale
from tests.invoices.fakes import Killed
from tests.invoices.responses import GOOD, answer
from tests.invoices.test_service import Flow, issues

OURS, THEIRS = "DE89370400440532013000", "GB82WEST12345698765432"


@pytest.fixture
def flow() -> Flow:
    return Flow(separation_of_duties=True)


def page(*lines: str, **values: str) -> dict[str, Any]:
    """What Textract answers for a page with these fields and lines; an empty field is not there."""
    # Not of the same total and date as another.
    day = values.get("invoice_number", "").rpartition("-")[2] or "31"
    dated = {"invoice_date": f"2026-03-{int(day):02}"}
    read = answer({name: text for name, text in (GOOD | dated | values).items() if text})
    read["ExpenseDocuments"][0]["Blocks"] = [
        {"BlockType": "LINE", "Text": text, "Confidence": 99.0} for text in lines
    ]
    return read


def approve(
    flow: Flow, waiting: InvoiceRecord, *, by: str = "bea", proven: bool = True
) -> InvoiceRecord:
    desk = replace(flow.review_desk, proven=proven)
    desk.decide(waiting.id, by, approve=True)
    return flow.check(waiting.id)


def correct(flow: Flow, waiting: InvoiceRecord, by: str = "cora", **values: str) -> InvoiceRecord:
    flow.review_desk.decide(waiting.id, by, corrections=values)
    return flow.check(waiting.id)


def reviewed(flow: Flow, key: str, *lines: str, **values: str) -> InvoiceRecord:
    """An invoice whose tax does not fit, so that a person looks at it."""
    wrong = {"tax": "EUR 25.00", "invoice_number": key} | values
    waiting = flow.run(flow.drop(f"raw/{key}.pdf", page(*lines, **wrong)))
    assert waiting.status is InvoiceStatus.NEEDS_REVIEW
    return waiting


def acme(flow: Flow) -> Vendor:
    return flow.vendors.vendors["acmegmbh"]


def state(vendor: Vendor, kind: FactKind, value: str) -> str:
    fact = vendor.fact(kind, value)
    return fact.state if fact else ""


class TestLearning:
    def test_an_approved_invoice_makes_its_vendor_known(self, flow: Flow) -> None:
        done = approve(flow, reviewed(flow, "R-1", f"IBAN {OURS}"))
        assert done.status is InvoiceStatus.PROCESSED
        assert acme(flow).name == "Acme GmbH"
        assert state(acme(flow), FactKind.IBAN, OURS) == "learned"
        assert state(acme(flow), FactKind.CURRENCY, "EUR") == "1 of 2 approvals"
        (change,) = acme(flow).history
        assert (change.actor, change.proven, change.why) == ("bea", True, done.id)

    def test_the_second_approval_makes_a_rule_that_fills_in_what_the_page_leaves_open(
        self, flow: Flow
    ) -> None:
        vat = "USt-IdNr. DE123456789"
        for key in ("R-1", "R-2"):
            bare = {"subtotal": "100.00", "tax": "19.00", "total": "119.00"}
            waiting = reviewed(flow, key, vat, f"IBAN {OURS}", **bare)
            assert "missing" in issues(waiting)
            approve(flow, correct(flow, waiting, currency="EUR"))
        assert state(acme(flow), FactKind.CURRENCY, "EUR") == "learned"
        third = page(vat, f"IBAN {OURS}", **bare, invoice_number="R-3")
        done = flow.run(flow.drop("raw/R-3.pdf", third))
        assert done.status is InvoiceStatus.PROCESSED, done.issues
        assert done.vendor_id == "acmegmbh"
        assert done.invoice
        assert done.invoice.readings["currency"] == Reading(value="EUR", source="vendor-master")

    def test_a_name_that_was_corrected_twice_is_an_alias(self, flow: Flow) -> None:
        approve(flow, reviewed(flow, "R-1", f"IBAN {OURS}"))
        for key in ("R-2", "R-3"):
            waiting = reviewed(flow, key, f"IBAN {OURS}", vendor="ACME Billing Dept")
            assert "vendor_contradicted" in issues(waiting)
            approve(flow, correct(flow, waiting, vendor="Acme GmbH"))
        assert acme(flow).is_called("ACME billing dept")
        fourth = page(f"IBAN {OURS}", vendor="ACME Billing Dept", invoice_number="R-4")
        assert flow.run(flow.drop("raw/R-4.pdf", fourth)).status is InvoiceStatus.PROCESSED

    @pytest.mark.parametrize(("by", "proven"), [("bea", False), ("ann", True)])
    def test_unproven_approvals_and_those_of_the_submitter_teach_nothing(
        self, by: str, proven: bool
    ) -> None:
        """Ann submits the files; without separation of duties she may approve them."""
        flow = Flow()
        done = approve(flow, reviewed(flow, "R-1", f"IBAN {OURS}"), by=by, proven=proven)
        assert done.status is InvoiceStatus.PROCESSED
        assert flow.vendors.vendors == {}

    def test_who_corrected_an_invoice_teaches_nothing_by_approving_it(self) -> None:
        flow = Flow()
        waiting = correct(flow, reviewed(flow, "R-1", f"IBAN {OURS}"), by="bea", due_date="")
        approve(flow, waiting, by="bea")
        assert flow.vendors.vendors == {}

    def test_an_account_that_a_person_typed_in_is_not_learned(self, flow: Flow) -> None:
        """One person types it in, and the other approves: the document shows no such account."""
        waiting = reviewed(flow, "R-1", f"IBAN {OURS}")
        approve(flow, correct(flow, waiting, iban=THEIRS))
        assert acme(flow).accounts == frozenset()

    def test_nothing_is_learned_from_what_the_master_filled_in(self, flow: Flow) -> None:
        self.test_the_second_approval_makes_a_rule_that_fills_in_what_the_page_leaves_open(flow)
        before = acme(flow)
        bare = {"subtotal": "100.00", "total": "119.00"}
        waiting = reviewed(flow, "R-9", "USt-IdNr. DE123456789", f"IBAN {OURS}", **bare)
        approve(flow, waiting)
        assert acme(flow) == before

    def test_the_form_of_numbers_is_a_rule_after_two(self, flow: Flow) -> None:
        for key in ("R-1", "R-2"):
            approve(flow, reviewed(flow, key))
        assert acme(flow).known(FactKind.NUMBER_FORM) == ("R-9",)

    def test_what_changes_each_time_is_no_rule_and_fills_no_table(self, flow: Flow) -> None:
        for number in range(1, 25):
            key = f"{chr(64 + number)}-{number}"
            approve(flow, reviewed(flow, key, f"BIC COBADEFF, sort code 20 00 {number:04}"))
        kinds = [one.kind for one in acme(flow).facts]
        assert kinds.count(FactKind.NUMBER_FORM) == 20
        assert kinds.count(FactKind.ACCOUNT) == 20

    def test_a_replay_counts_once(self, flow: Flow) -> None:
        done = approve(flow, reviewed(flow, "R-1"))
        before = acme(flow)
        for _ in range(3):
            flow.processor.process(done.id)
        assert acme(flow) == before
        assert state(before, FactKind.CURRENCY, "EUR") == "1 of 2 approvals"

    def test_two_approvals_at_once_count_twice(self, flow: Flow) -> None:
        first, second = (reviewed(flow, key) for key in ("R-1", "R-2"))

        def other() -> None:
            approve(flow, second)

        flow.vendors.meanwhile = other
        approve(flow, first)
        fact = acme(flow).fact(FactKind.CURRENCY, "EUR")
        assert fact
        assert {one.invoice_id for one in fact.approvals} == {first.id, second.id}
        assert acme(flow).revision == 2

    def test_a_step_that_was_killed_after_it_learned_tells_the_trail_on_its_next_run(
        self, flow: Flow
    ) -> None:
        waiting = reviewed(flow, "R-1")
        replace(flow.review_desk, proven=True).decide(waiting.id, "bea", approve=True)
        flow.validator.validate(waiting.id)
        # The invoice is filed, the vendor is saved, and the function ends.
        flow.calls.kill_after = len(flow.calls.made) + 2
        with pytest.raises(Killed):
            flow.processor.process(waiting.id)
        flow.calls.kill_after = 0
        assert acme(flow).revision == 1
        assert "vendor.added" not in {one.action for one in flow.audit.events}
        flow.processor.process(waiting.id)
        (event,) = [one for one in flow.audit.events if one.action == "vendor.added"]
        assert (event.actor, event.details["actor_proven"]) == ("bea", "yes")
        assert "Acme" not in str(event)
        assert acme(flow).revision == 1

    def test_a_tax_id_that_two_vendors_show_tells_none_of_them(self, flow: Flow) -> None:
        """The customer's own, which was taken for the vendor's."""
        approve(flow, reviewed(flow, "R-1", vendor_tax_id="DE123456789"))
        waiting = reviewed(flow, "R-2", vendor="Other AG", vendor_tax_id="DE123456789")
        assert "vendor_contradicted" in issues(waiting)
        approve(flow, waiting)
        assert acme(flow).known(FactKind.VAT_ID) == ("DE123456789",)
        other = flow.vendors.vendors.get("otherag")
        assert other is None or not other.known(FactKind.VAT_ID)


class TestBankDetails:
    @pytest.fixture(autouse=True)
    def known(self, flow: Flow) -> None:
        approve(flow, reviewed(flow, "R-1", f"IBAN {OURS}"))
        flow.metrics.clear()

    def test_another_account_waits_with_an_alarm_and_is_known_once_approved(
        self, flow: Flow
    ) -> None:
        def drop(key: str) -> InvoiceRecord:
            read = page("IBAN GB82 WEST 1234 5698 7654 32", invoice_number=key)
            return flow.run(flow.drop(f"raw/{key}.pdf", read))

        waiting = drop("R-2")
        assert issues(waiting) == ["bank_details_changed"]
        assert OURS in waiting.issues[0].message
        assert THEIRS in waiting.issues[0].message
        assert flow.metrics["BankDetailsChanged"] == 1
        done = approve(flow, waiting)
        assert done.status is InvoiceStatus.PROCESSED
        assert acme(flow).ibans == {OURS, THEIRS}
        assert drop("R-3").status is InvoiceStatus.PROCESSED

    def test_a_rejection_teaches_nothing(self, flow: Flow) -> None:
        read = page(f"IBAN {THEIRS}", invoice_number="R-2")
        waiting = flow.run(flow.drop("raw/R-2.pdf", read))
        desk = replace(flow.review_desk, proven=True)
        desk.decide(waiting.id, "bea", reject=True, reason="fraud")
        flow.check(waiting.id)
        assert acme(flow).ibans == {OURS}

    def test_of_an_e_invoice(self, flow: Flow) -> None:
        sale = Sale(seller="Acme GmbH", iban=THEIRS)
        waiting = flow.run(flow.drop("raw/a.xml", sample_einvoices.ubl(sale)))
        assert issues(waiting) == ["bank_details_changed"]
        assert flow.metrics["BankDetailsChanged"] == 1

    def test_in_the_notes_of_an_e_invoice(self, flow: Flow) -> None:
        xml = sample_einvoices.ubl(Sale(seller="Acme GmbH", iban=OURS)).replace(
            b"<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>",
            b"<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>"
            b"<cbc:Note>New account: GB82 WEST 1234 5698 7654 32</cbc:Note>",
        )
        waiting = flow.run(flow.drop("raw/a.xml", xml))
        assert issues(waiting) == ["bank_details_changed"]

    @pytest.mark.parametrize(
        ("before", "text"),
        [
            ("<cac:TaxTotal>", "<cac:PaymentTerms><cbc:Note>{}</cbc:Note></cac:PaymentTerms>"),
            ("<cbc:InvoicedQuantity", "<cbc:Note>{}</cbc:Note>"),
            ("<cbc:PaymentID>", "<cbc:InstructionNote>{}</cbc:InstructionNote>"),
            ("<cac:ClassifiedTaxCategory>", "<cbc:Description>{}</cbc:Description>"),
            ("</cac:PartyLegalEntity>", "<cbc:CompanyLegalForm>{}</cbc:CompanyLegalForm>"),
            ("</cac:PayeeFinancialAccount>", "<cbc:Name>{}</cbc:Name>"),
        ],
    )
    def test_in_any_text_of_an_e_invoice(self, flow: Flow, before: str, text: str) -> None:
        xml = sample_einvoices.ubl(Sale(seller="Acme GmbH", iban=OURS)).decode()
        told = text.format("pay to GB82 WEST 1234 5698 7654 32")
        waiting = flow.run(flow.drop("raw/a.xml", xml.replace(before, told + before, 1).encode()))
        assert issues(waiting) == ["bank_details_changed"]

    def test_the_customers_own_account_in_an_e_invoice_is_not_where_to_pay(
        self, flow: Flow
    ) -> None:
        xml = sample_einvoices.ubl(Sale(seller="Acme GmbH", iban=OURS))
        debited = (
            f"<cac:PaymentMandate><cbc:ID>M-1</cbc:ID><cac:PayerFinancialAccount><cbc:ID>{THEIRS}"
            "</cbc:ID></cac:PayerFinancialAccount></cac:PaymentMandate></cac:PaymentMeans>"
        )
        xml = xml.replace(b"</cac:PaymentMeans>", debited.encode())
        assert flow.run(flow.drop("raw/a.xml", xml)).status is InvoiceStatus.PROCESSED

    @pytest.mark.parametrize(
        ("note", "found"),
        [
            ("Neue Bankverbindung: BLZ 37040044 Konto 1234567", ["bank_details_changed"]),
            ("Bitte bei der Bank die Nummer R-2026/17 angeben", []),
        ],
    )
    def test_an_account_that_is_no_iban_in_a_note(
        self, flow: Flow, note: str, found: list[str]
    ) -> None:
        xml = sample_einvoices.ubl(Sale(seller="Acme GmbH", iban=OURS)).replace(
            b"<cbc:DocumentCurrencyCode>",
            f"<cbc:Note>{note}</cbc:Note><cbc:DocumentCurrencyCode>".encode(),
        )
        assert issues(flow.run(flow.drop("raw/a.xml", xml))) == found

    @pytest.mark.parametrize(
        "lines",
        [
            ("IBAN", "GB82 WEST 1234", "5698 7654 32"),
            ("Sort code", "20-00-00", "Account", "12345678"),
            ("Konto-Nr. 1234567890",),
        ],
    )
    def test_in_several_lines_of_a_page(self, flow: Flow, lines: tuple[str, ...]) -> None:
        waiting = flow.run(flow.drop("raw/R-2.pdf", page(*lines, invoice_number="R-2")))
        assert issues(waiting) == ["bank_details_changed"]

    @pytest.mark.parametrize("slip_first", [True, False])
    def test_on_a_payment_slip_that_is_a_page_of_its_own(
        self, flow: Flow, slip_first: bool
    ) -> None:
        read = page("Page 1 of 1", invoice_number="R-2")
        lines = ("Page 1 of 1", f"Please pay to {THEIRS}")
        slip = {
            "Blocks": [{"BlockType": "LINE", "Text": text, "Confidence": 99.0} for text in lines]
        }
        read["ExpenseDocuments"].insert(0 if slip_first else 1, slip)
        waiting = flow.run(flow.drop("raw/R-2.pdf", read))
        assert issues(waiting) == ["bank_details_changed"]

    def test_of_an_e_invoice_in_a_pdf_whose_page_alone_shows_another(self, flow: Flow) -> None:
        sale = Sale(seller="Acme GmbH", iban=OURS)
        both = sample_einvoices.hybrid(sale, page=replace(sale, seller=f"IBAN {THEIRS}"))
        waiting = flow.run(flow.drop("raw/a.pdf", body=both))
        assert issues(waiting) == ["page_differs_from_xml", "bank_details_changed"]

    def test_an_approval_does_not_settle_what_its_reviewer_has_not_seen(self, flow: Flow) -> None:
        """The vendor became known after the reviewer had looked."""
        known = flow.vendors.vendors.pop("acmegmbh")
        waiting = reviewed(flow, "R-2", f"IBAN {THEIRS}")
        assert "bank_details_changed" not in issues(waiting)
        flow.vendors.vendors["acmegmbh"] = known
        again = approve(flow, waiting)
        assert again.status is InvoiceStatus.NEEDS_REVIEW
        assert "bank_details_changed" in issues(again)
        assert acme(flow).ibans == {OURS}
        done = approve(flow, again)
        assert done.status is InvoiceStatus.PROCESSED
        assert flow.validator.validate(done.id).value == "VALID"
        assert flow.store.find(done.id).status is InvoiceStatus.PROCESSED

    def test_a_check_that_runs_again_after_the_approval_asks_nobody_again(self, flow: Flow) -> None:
        read = page(f"IBAN {THEIRS}", invoice_number="R-2")
        waiting = flow.run(flow.drop("raw/R-2.pdf", read))
        replace(flow.review_desk, proven=True).decide(waiting.id, "bea", approve=True)
        assert flow.validator.validate(waiting.id).value == "VALID"
        assert flow.validator.validate(waiting.id).value == "VALID"

    def test_json_names_no_account_and_is_left_as_it_is(self, flow: Flow) -> None:
        from tests.invoices.test_service import json_invoice

        done = flow.run(flow.drop("json/a.json", json_invoice()))
        assert (done.status, done.vendor_id) == (InvoiceStatus.PROCESSED, "")
