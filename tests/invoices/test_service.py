from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, BinaryIO

import pytest

import sample_einvoices
from finops.invoices.audit_events import personal_values
from finops.invoices.document_files import DocumentFile, inspect
from finops.invoices.domain import Failure, InvoiceRecord, InvoiceStatus, Severity
from finops.invoices.einvoice.embedded import read_embedded
from finops.invoices.einvoice.reader import read_einvoice
from finops.invoices.erasure import InvoiceEraser
from finops.invoices.extraction import (
    EngineSettings,
    ExtractionOutcome,
    InvoiceExtractor,
    einvoice_of,
)
from finops.invoices.review import Decision, ReviewDesk, ReviewRequests
from finops.invoices.rules import Rule
from finops.invoices.service import (
    FailureRecorder,
    InvoiceFailed,
    InvoiceIntake,
    InvoiceNotifier,
    InvoiceProcessor,
    InvoiceValidator,
)
from finops.invoices.spending import SpendingCapReached, SpendingLimits, TooManyPages
from finops.invoices.validation import Outcome, ValidationSettings
from finops.invoices.vendors.service import VendorLearner, VendorMaster
from finops.shared.audit import AuditEvent, digest, json_value, personal_digest
from finops.shared.errors import ConfigurationError, RejectedInput, TransientFailure
from sample_einvoices import Sale
from tests.audit.recorders import MemoryRecorder
from tests.invoices.builders import document
from tests.invoices.fakes import (
    Calls,
    FakeChannel,
    FakeClock,
    FakeEngine,
    FakeObjects,
    FakeStore,
    FakeVendors,
    FakeWorkflow,
    Killed,
)
from tests.invoices.responses import GOOD, answer
from tests.originals import FakeOriginals
from tests.trail import stated

PDF = DocumentFile(kind="PDF", media_type="application/pdf", pages=1, size=100)


@dataclass
class Flow:
    """The flow with its steps called in the workflow's order."""

    pages: int = 1
    settings: EngineSettings = field(default_factory=EngineSettings)
    text_layer: dict[str, Any] | RejectedInput | None = None
    checks: ValidationSettings = field(default_factory=ValidationSettings)
    separation_of_duties: bool = False

    def __post_init__(self) -> None:
        self.calls = Calls()
        self.clock = FakeClock()
        self.audit = MemoryRecorder()
        self.metrics: Counter[str] = Counter()
        self.store = FakeStore(self.calls)
        self.objects = FakeObjects(self.calls)
        self.originals = FakeOriginals()
        self.workflow = FakeWorkflow(self.calls)
        self.engine = FakeEngine()
        self.channel = FakeChannel(self.calls)
        self.vendors = FakeVendors(self.calls)
        self.intake = InvoiceIntake(
            store=self.store,
            originals=self.originals,
            new_salt=lambda: "salt",
            workflow=self.workflow,
            clock=self.clock,
            audit=self.audit,
        )
        self.validator = InvoiceValidator(
            store=self.store,
            objects=self.objects,
            workflow=self.workflow,
            settings=lambda: self.checks,
            json_currency="USD",
            clock=self.clock,
            audit=self.audit,
            vendors=VendorMaster(store=self.vendors),
            measure=self.measure,
            separation_of_duties=self.separation_of_duties,
        )
        self.processor = InvoiceProcessor(
            store=self.store,
            clock=self.clock,
            audit=self.audit,
            vendors=VendorLearner(store=self.vendors, new_salt=lambda: "salt", audit=self.audit),
        )
        self.notifier = InvoiceNotifier(
            store=self.store, channels=(self.channel,), clock=self.clock, audit=self.audit
        )
        self.failure_recorder = FailureRecorder(
            store=self.store, channels=(self.channel,), clock=self.clock, audit=self.audit
        )
        self.eraser = InvoiceEraser(
            store=self.store, objects=self.objects, audit=self.audit, clock=self.clock
        )
        self.review_requests = ReviewRequests(
            store=self.store,
            workflow=self.workflow,
            clock=self.clock,
            audit=self.audit,
            maximum_escalations=2,
        )
        self.review_desk = ReviewDesk(
            store=self.store,
            workflow=self.workflow,
            clock=self.clock,
            separation_of_duties=self.separation_of_duties,
        )

    def measure(self, name: str, value: float) -> None:
        self.metrics.update({name: value})

    @property
    def extractor(self) -> InvoiceExtractor:
        return InvoiceExtractor(
            store=self.store,
            objects=self.objects,
            engine=self.engine,
            workflow=self.workflow,
            inspect=self.inspect,
            text_layer=self.read_text_layer,
            einvoice=read_einvoice,
            embedded=read_embedded,
            measure=self.measure,
            clock=self.clock,
            audit=self.audit,
            settings=self.settings,
        )

    def read_text_layer(self, _file: BinaryIO) -> dict[str, Any] | None:
        if isinstance(self.text_layer, RejectedInput):
            raise self.text_layer
        return self.text_layer

    def inspect(self, file: BinaryIO, size: int) -> DocumentFile:
        if file.read(5).startswith((b"%PDF-", b"<")):
            return inspect(file, size)
        return replace(PDF, pages=self.pages, size=size)

    def drop(self, key: str, content: Any = None, version: str = "v1", body: bytes = b"") -> str:
        """A document whose pages read so, or a JSON invoice."""
        if key.startswith("json/") or isinstance(content, bytes):
            self.objects.objects[key] = content if isinstance(content, bytes) else b""
        else:
            self.objects.objects[key] = body or f"%PDF {key} {version}".encode()
            self.engine.answers[key] = answer(GOOD) if content is None else content
        return self.intake.receive(document(key, version=version)).id

    def run(self, invoice: str) -> InvoiceRecord:
        """What the workflow does until it waits or ends."""
        kind = self.workflow.started[invoice]["kind"]
        if kind == "DOCUMENT":
            extracted = self.extractor.extract(invoice)
            if extracted is ExtractionOutcome.ASYNCHRONOUS:
                self.workflow.waiting.add(f"extract-{invoice}")
                self.extractor.begin(invoice, f"extract-{invoice}")
                extracted = ExtractionOutcome(self.workflow.resumed[-1][1]["outcome"])
            if extracted is ExtractionOutcome.REJECTED:
                return self.end(invoice)
        return self.check(invoice)

    def check(self, invoice: str) -> InvoiceRecord:
        outcome = self.validator.validate(invoice)
        if outcome is Outcome.VALID:
            if self.processor.process(invoice) is not InvoiceStatus.NEEDS_REVIEW:
                return self.end(invoice)
            outcome = Outcome.REVIEW
        if outcome is Outcome.REVIEW:
            self.notifier.notify(invoice)
            self.workflow.waiting.add(f"review-{invoice}")
            self.review_requests.ask(invoice, f"review-{invoice}")
            return self.store.find(invoice)
        return self.end(invoice)

    def end(self, invoice: str) -> InvoiceRecord:
        self.notifier.notify(invoice)
        return self.store.find(invoice)


@pytest.fixture
def flow() -> Flow:
    return Flow()


def json_invoice(**changes: Any) -> bytes:
    invoice = {
        "invoiceId": "J-1",
        "customerId": "C-9",
        "customerEmail": "bill@example.com",
        "amount": 100,
        "dueDate": "2026-04-30",
        "description": "Bread",
        "items": [{"description": "Bread", "quantity": 10, "rate": 10}],
    }
    return json.dumps({"invoice": invoice | changes}).encode()


def issues(record: InvoiceRecord) -> list[str]:
    return [issue.code for issue in record.issues]


class TestEInvoices:
    def test_xml_is_processed_without_textract(self, flow: Flow) -> None:
        done = flow.run(flow.drop("raw/any name", sample_einvoices.ubl(Sale())))
        assert done.status is InvoiceStatus.PROCESSED, done.issues
        assert (done.engine, done.media_type, done.pages) == ("xml", "application/xml", 1)
        assert not done.cost_usd
        assert not done.saved_usd
        assert not flow.engine.analyzed
        assert done.invoice
        assert done.invoice.text("iban") == "DE89370400440532013000"
        assert dict(flow.metrics) == {"InvoicesReadFromXml": 1}
        (filed,) = [one for one in flow.audit.events if one.action == "invoice.processed"]
        assert filed.details["iban"] == personal_digest("salt", "iban", "DE89370400440532013000")

    def test_the_xml_of_a_pdf_saves_what_textract_costs(self, flow: Flow) -> None:
        done = flow.run(flow.drop("raw/a.pdf", sample_einvoices.hybrid(Sale())))
        assert done.status is InvoiceStatus.PROCESSED, done.issues
        assert (done.engine, flow.engine.analyzed) == ("pdf-xml", [])
        assert (done.cost_usd, done.saved_usd) == (Decimal(0), Decimal("0.01"))
        assert dict(flow.metrics) == {
            "InvoicesReadFromXml": 1,
            "TextractPagesSaved": 1,
            "TextractCostSaved": 0.01,
        }

    def test_a_page_that_differs_waits_for_a_person(self, flow: Flow) -> None:
        shown = Sale(iban="GB82WEST12345698765432")
        content = sample_einvoices.hybrid(Sale(), page=shown)
        waits = flow.run(flow.drop("raw/a.pdf", content))
        assert waits.status is InvoiceStatus.NEEDS_REVIEW
        assert issues(waits) == ["page_differs_from_xml"]
        assert flow.metrics["InvoicePagesDifferFromXml"] == 1
        (said,) = [one for one in flow.audit.events if one.action == "invoice.extracted"]
        (finding,) = waits.findings
        assert "possible fraud" in finding.message
        stated = personal_digest("salt", finding.code, finding.message)
        assert said.details["findings"] == [f"{finding.code}: {stated}"]
        flow.review_desk.decide(waits.id, "bea", approve=True)
        done = flow.check(waits.id)
        assert (done.status, issues(done)) == (InvoiceStatus.PROCESSED, [])
        assert "possible fraud" in done.reviews[-1].settled[0]

    def test_a_broken_rule_waits_for_a_person_under_its_id(self, flow: Flow) -> None:
        wrong = Sale(changed={"BT-112": Decimal("120.00")})
        waits = flow.run(flow.drop("raw/a.xml", sample_einvoices.cii(wrong)))
        assert waits.status is InvoiceStatus.NEEDS_REVIEW
        assert issues(waits) == ["BR-CO-15", "BR-CO-16"]
        # A corrected amount is judged like any other; what the file says stays for its approval.
        flow.review_desk.decide(waits.id, "bea", corrections={"total": "121.00"})
        assert issues(flow.check(waits.id)) == [
            *("total_is_not_the_sum", "amount_due_is_not_the_total", "BR-CO-15", "BR-CO-16")
        ]

    @pytest.mark.parametrize(
        ("content", "code", "said"),
        [
            (sample_einvoices.ubl(Sale()).replace(b"119.00", b"1x"), "invalid_amount", "line 2"),
            (b"<a/>", "not_an_einvoice", "<a>"),
            (b"<a>", "invalid_xml", "line 1"),
            (b"<!DOCTYPE a []><a/>", "unsafe_xml", "document type"),
        ],
    )
    def test_what_is_no_invoice_is_rejected(
        self, flow: Flow, content: bytes, code: str, said: str
    ) -> None:
        done = flow.run(flow.drop("raw/a.xml", content))
        assert (done.status, issues(done)) == (InvoiceStatus.REJECTED, [code])
        assert said in done.issues[0].message

    def test_xml_that_cannot_be_read_in_a_pdf_is_told(self, flow: Flow) -> None:
        content = sample_einvoices.hybrid(Sale(), files={"factur-x.xml": b"?"})
        identifier = flow.drop("raw/a.pdf", content)
        flow.engine.answers["raw/a.pdf"] = answer(GOOD)
        waits = flow.run(identifier)
        assert (waits.status, waits.engine) == (InvoiceStatus.NEEDS_REVIEW, "textract")
        assert issues(waits) == ["embedded_xml_unreadable"]

    def test_what_is_not_to_be_paid_is_never_processed(self, flow: Flow) -> None:
        for code in ("325", "751", "71"):
            content = sample_einvoices.ubl(Sale(type_code=code))
            waits = flow.run(flow.drop(f"raw/{code}.xml", content))
            assert waits.status is InvoiceStatus.NEEDS_REVIEW
            flow.review_desk.decide(waits.id, "bea", corrections={"payment_terms": "none"})
            assert flow.check(waits.id).status is InvoiceStatus.NEEDS_REVIEW

    def test_one_invoice_in_several_forms_is_processed_once(self, flow: Flow) -> None:
        first = flow.run(flow.drop("raw/a.xml", sample_einvoices.ubl(Sale())))
        assert first.status is InvoiceStatus.PROCESSED
        for name, content in (
            ("b.xml", sample_einvoices.cii(Sale())),
            ("c.pdf", sample_einvoices.hybrid(Sale())),
        ):
            again = flow.run(flow.drop(f"raw/{name}", content))
            assert (again.status, again.duplicate_of) == (InvoiceStatus.DUPLICATE, first.id)
        page = {
            **GOOD,
            "vendor": "Bäckerei Ähre GmbH",
            "invoice_number": "R-2026/17",
        }
        copy = flow.run(flow.drop("raw/d.pdf", answer(page)))
        assert (copy.status, copy.duplicate_of) == (InvoiceStatus.DUPLICATE, first.id)
        named = flow.run(flow.drop("raw/e.xml", sample_einvoices.ubl(Sale(seller="Ähre Brote"))))
        assert (named.status, named.duplicate_of) == (InvoiceStatus.NEEDS_REVIEW, first.id)
        assert "another name of the vendor" in named.issues[-1].message

    def test_xml_below_json_is_told_where_to_drop_it(self, flow: Flow) -> None:
        done = flow.run(flow.drop("json/a.json", sample_einvoices.ubl(Sale())))
        assert done.status is InvoiceStatus.VALIDATION_FAILED
        assert "Drop it below raw/" in done.issues[0].message


class TestOriginals:
    def test_an_original_is_locked_before_anything_is_done_with_it(self, flow: Flow) -> None:
        invoice = flow.drop("raw/a.pdf", version="v7")
        assert flow.originals.kept == {"v7": flow.store.find(invoice).received_at}

    def test_without_its_lock_an_invoice_goes_no_further(self, flow: Flow) -> None:
        flow.originals.may_lock = False
        with pytest.raises(ConfigurationError):
            flow.drop("raw/a.pdf")
        assert not flow.workflow.started
        assert not flow.audit.events
        flow.originals.may_lock = True
        assert flow.run(flow.drop("raw/a.pdf")).status is InvoiceStatus.PROCESSED

    def test_an_event_that_comes_again_locks_from_the_same_day(self, flow: Flow) -> None:
        flow.drop("raw/a.pdf", version="v7")
        first = dict(flow.originals.kept)
        flow.clock.now += timedelta(days=366)
        flow.drop("raw/a.pdf", version="v7")
        assert flow.originals.kept == first


#: What a document and its reviewer say about people.
PRIVATE = ("Acme GmbH", "jane.doe", "Jane Doe", "DE02120300000000202051", "her holidays")


#: Another invoice in the same document.
OTHER = GOOD | {
    "invoice_number": "R-78",
    "subtotal": "EUR 200.00",
    "tax": "EUR 38.00",
    "total": "EUR 238.00",
}


def private_invoice(flow: Flow) -> InvoiceRecord:
    """A processed invoice that names people wherever it can."""
    read = GOOD | {"total": "EUR 129.00"}
    waiting = flow.run(flow.drop("raw/jane.doe.pdf", answer(read)))
    flow.review_desk.decide(
        waiting.id,
        "bea",
        corrections={"total": "119.00", "iban": "DE02120300000000202051", "customer": "Jane Doe"},
        reason="she is on her holidays",
    )
    flow.check(waiting.id)
    if flow.store.find(waiting.id).status is InvoiceStatus.NEEDS_REVIEW:
        flow.review_desk.decide(waiting.id, "cem", approve=True)
        flow.check(waiting.id)
    done = flow.end(waiting.id)
    assert done.status is InvoiceStatus.PROCESSED, done.issues
    return done


class NoObjects:
    """A bucket that may not be asked."""


class TestErasure:
    def test_no_entry_of_the_trail_states_personal_data_of_an_invoice(self, flow: Flow) -> None:
        private_invoice(flow)
        stated = json.dumps([json_value(one.details) for one in flow.audit.events])
        assert not [text for text in PRIVATE if text in stated]
        assert "119.00" in stated

    def test_who_has_the_record_can_prove_what_an_entry_states(self, flow: Flow) -> None:
        done = private_invoice(flow)
        known = personal_values(done)
        assert {"Acme GmbH", "Jane Doe", "DE02120300000000202051"} <= set(known.values())
        processed = self.event(flow, "processed")
        assert known[processed.details["vendor"]] == "Acme GmbH"
        reviewed = self.event(flow, "reviewed")
        assert known[reviewed.details["reason"]] == "she is on her holidays"
        assert known[reviewed.details["after"]["iban"]] == "DE02120300000000202051"
        assert known[self.event(flow, "received").details["object"]].endswith("jane.doe.pdf")

    def test_nobody_can_try_values_once_the_salt_is_erased(self, flow: Flow) -> None:
        done = private_invoice(flow)
        vendor = self.event(flow, "processed").details["vendor"]
        (left,) = flow.eraser.erase(done.id, by="dpo", reason="ten years are over")
        assert personal_values(left) == {}
        assert left.audit_salt == ""
        assert vendor != personal_digest("another", "vendor", "Acme GmbH")
        text = repr(left) + repr(flow.objects.objects) + repr(flow.store)
        assert not [one for one in (*PRIVATE, "salt='s") if one in text]

    def test_sums_numbers_and_decisions_stay(self, flow: Flow) -> None:
        done = private_invoice(flow)
        (left,) = flow.eraser.erase(done.id, by="dpo", reason="ten years are over")
        assert (left.status, left.serial_number) == (done.status, done.serial_number)
        assert left.invoice
        assert left.invoice.signed_total == Decimal("119.00")
        assert left.invoice.text("invoice_date") == "2026-03-31"
        assert [one.reviewer for one in left.reviews] == [one.reviewer for one in done.reviews]
        erased = self.event(flow, "erased")
        assert (erased.actor, erased.details["reason"]) == ("dpo", "ten years are over")

    def test_all_invoices_of_the_document_are_erased(self, flow: Flow) -> None:
        flow.pages = 2
        first = flow.run(flow.drop("raw/a.pdf", answer(GOOD, OTHER)))
        second = flow.run(f"{first.id}-2")
        erased = flow.eraser.erase(second.id, by="dpo", reason="a request")
        assert [one.id for one in erased] == [first.id, second.id]
        assert flow.objects.objects == {}

    @pytest.mark.parametrize("kill", ["kill_after", "kill_before"])
    def test_it_can_be_interrupted_anywhere(self, flow: Flow, kill: str) -> None:
        flow.pages = 2
        first = flow.run(flow.drop("raw/a.pdf", answer(GOOD, OTHER)))
        flow.run(f"{first.id}-2")
        for number in range(1, 20):
            flow.calls.made.clear()
            setattr(flow.calls, kill, number)
            try:
                flow.eraser.erase(first.id, by="dpo", reason="a request")
            except Killed:
                continue
            break
        setattr(flow.calls, kill, 0)
        erased = flow.eraser.erase(first.id, by="another", reason="again")
        assert flow.objects.objects == {}
        assert {one.erasure.by for one in erased if one.erasure} == {"dpo"}
        told = [one for one in flow.audit.events if one.action == "invoice.erased"]
        assert len({one.entry_id for one in told}) == len(erased) == 2
        assert {one.actor for one in told} == {"dpo"}

    def test_a_locked_original_is_erased_only_by_who_may_bypass_the_lock(self, flow: Flow) -> None:
        done = private_invoice(flow)
        flow.objects.locked = True
        with pytest.raises(RejectedInput, match="locked"):
            flow.eraser.erase(done.id, by="dpo", reason="a request")
        assert flow.store.find(done.id) == done
        flow.eraser.erase(done.id, by="dpo", reason="a request", bypass_governance=True)

    def test_what_is_not_over_or_has_no_reason_stays(self, flow: Flow) -> None:
        waiting = flow.run(flow.drop("raw/a.pdf", answer(GOOD | {"total": "EUR 129.00"})))
        for reason, code in (("a request", "not_final"), (" ", "no_reason")):
            with pytest.raises(RejectedInput) as refused:
                flow.eraser.erase(waiting.id, by="dpo", reason=reason)
            assert refused.value.code == code
        assert flow.store.find(waiting.id) == waiting

    def test_nothing_is_shown_of_an_erased_e_invoice(self, flow: Flow) -> None:
        done = flow.run(flow.drop("raw/a.xml", sample_einvoices.ubl(Sale())))
        assert einvoice_of(done, flow.objects)
        (left,) = flow.eraser.erase(done.id, by="dpo", reason="a request")
        # Nothing is asked for: S3 has no object without a key.
        assert einvoice_of(left, NoObjects()) is None  # type: ignore[arg-type]

    def test_the_event_of_an_erased_original_changes_nothing(self, flow: Flow) -> None:
        done = flow.run(flow.drop("raw/a.pdf"))
        (left,) = flow.eraser.erase(done.id, by="dpo", reason="a request")
        flow.workflow.started.clear()
        assert flow.intake.receive(document("raw/a.pdf")) == left
        assert not flow.workflow.started

    def test_records_of_earlier_versions_state_no_personal_data(self, flow: Flow) -> None:
        invoice = flow.drop("raw/a.pdf")
        flow.store.records[invoice] = replace(flow.store.find(invoice), audit_salt="")
        flow.run(invoice)
        processed = self.event(flow, "processed")
        assert "Acme" not in str(processed.details)
        assert processed.output_sha256 == ""

    def event(self, flow: Flow, action: str) -> AuditEvent:
        return next(one for one in flow.audit.events if one.action == f"invoice.{action}")


class TestProcessing:
    def test_a_document_is_extracted_validated_numbered_and_notified(self, flow: Flow) -> None:
        done = flow.run(flow.drop("raw/a.pdf"))
        assert done.status is InvoiceStatus.PROCESSED
        assert done.serial_number == "INV-2026-000001"
        assert done.invoice
        assert done.invoice.text("vendor") == "Acme GmbH"
        assert done.submitted_by == "ann"
        assert (done.engine, str(done.cost_usd)) == ("textract", "0.01")
        assert flow.metrics == {"TextractPages": 1, "TextractCost": 0.01}
        assert flow.channel.sent == [(done.id, "PROCESSED")]

    def test_a_channel_that_fails_makes_no_other_channel_send_again(self, flow: Flow) -> None:
        mail = FakeChannel(name="mail", failing=True)
        notifier = replace(flow.notifier, channels=(flow.channel, mail))
        done = flow.run(flow.drop("raw/a.pdf"))
        flow.store.save(replace(flow.store.find(done.id), announced=()))
        flow.channel.sent.clear()
        for _ in range(2):
            with pytest.raises(TransientFailure):
                notifier.notify(done.id)
        mail.failing = False
        for _ in range(2):
            notifier.notify(done.id)
        assert flow.channel.sent == mail.sent == [(done.id, "PROCESSED")]

    def test_a_record_that_names_no_channel_was_told_to_all(self, flow: Flow) -> None:
        done = flow.run(flow.drop("raw/a.pdf"))
        flow.store.save(replace(flow.store.find(done.id), announced=("PROCESSED 0.0",)))
        flow.channel.sent.clear()
        flow.notifier.notify(done.id)
        assert flow.channel.sent == []

    def test_a_json_invoice_skips_extraction(self, flow: Flow) -> None:
        done = flow.run(flow.drop("json/a.json", json_invoice()))
        assert done.status is InvoiceStatus.PROCESSED, done.issues
        assert done.engine == "json"
        assert flow.engine.analyzed == []

    def test_a_repeated_event_starts_nothing(self, flow: Flow) -> None:
        first = flow.run(flow.drop("raw/a.pdf"))
        assert flow.drop("raw/a.pdf") == first.id
        assert len(flow.workflow.started) == 1
        assert flow.store.find(first.id).status is InvoiceStatus.PROCESSED

    def test_a_long_document_waits_for_its_job(self, flow: Flow) -> None:
        flow.pages = 3
        done = flow.run(flow.drop("raw/a.pdf"))
        assert done.status is InvoiceStatus.PROCESSED
        assert str(done.cost_usd) == "0.03"
        assert flow.engine.analyzed == []

    def test_two_invoices_in_one_document_have_workflows_of_their_own(self, flow: Flow) -> None:
        flow.pages = 2
        second = GOOD | {"invoice_number": "R-78", "total": "EUR 1.00"}
        first = flow.run(flow.drop("raw/a.pdf", answer(GOOD, second)))
        other = flow.store.find(f"{first.id}-2")
        assert first.status is InvoiceStatus.PROCESSED
        assert flow.run(other.id).status is InvoiceStatus.NEEDS_REVIEW  # 100 + 19 is not 1
        assert other.cost_usd == 0

    def test_a_repeated_invoice_is_a_duplicate(self, flow: Flow) -> None:
        first = flow.run(flow.drop("raw/a.pdf"))
        again = flow.run(flow.drop("raw/other name.pdf"))
        once_more = flow.run(flow.drop("raw/a.pdf", version="v2"))
        for one in (again, once_more):
            assert (one.status, one.duplicate_of) == (InvoiceStatus.DUPLICATE, first.id)
            assert one.serial_number == ""
        assert (
            flow.run(
                flow.drop(
                    "raw/next.pdf", answer(GOOD | {"invoice_number": "R-79", "total": "EUR 118.99"})
                )
            ).serial_number
            == "INV-2026-000002"
        )

    def test_a_person_can_say_that_a_duplicate_is_none(self, flow: Flow) -> None:
        first = flow.run(flow.drop("raw/a.pdf"))
        again = flow.run(flow.drop("raw/b.pdf"))
        for reason, code in (("", "no_reason"), (" ", "no_reason")):
            with pytest.raises(RejectedInput) as refused:
                flow.review_desk.not_a_duplicate(again.id, "bea", reason=reason)
            assert refused.value.code == code
        with pytest.raises(RejectedInput) as refused:
            flow.review_desk.not_a_duplicate(first.id, "bea", reason="why")
        assert refused.value.code == "not_a_duplicate"
        flow.calls.made.clear()
        flow.calls.kill_before = 2  # after the decision is saved, before the execution starts
        with pytest.raises(Killed):
            flow.review_desk.not_a_duplicate(again.id, "bea", reason="two deliveries")
        flow.calls.kill_before = 0
        decided = flow.review_desk.not_a_duplicate(again.id, "bea", reason="two deliveries")
        assert flow.workflow.started[decided.execution_name]["invoice_id"] == again.id
        done = flow.check(again.id)
        assert (done.status, done.duplicate_of, issues(done)) == (
            InvoiceStatus.PROCESSED,
            "",
            [],
        )
        assert done.distinct_from == (first.id,)
        (review,) = done.reviews
        assert (review.decision, review.reason) == ("NOT_DUPLICATE", "two deliveries")
        third = flow.run(flow.drop("raw/c.pdf"))
        assert third.status is InvoiceStatus.DUPLICATE

    def test_the_same_number_with_another_total_needs_review(self, flow: Flow) -> None:
        first = flow.run(flow.drop("raw/a.pdf"))
        other = flow.run(flow.drop("raw/b.pdf", answer(GOOD | TWENTY)))
        assert (other.status, other.duplicate_of) == (InvoiceStatus.NEEDS_REVIEW, first.id)
        assert "another total" in other.issues[0].message

    def test_what_a_person_settled_does_not_stand_on_the_processed_invoice(
        self, flow: Flow
    ) -> None:
        flow.run(flow.drop("raw/a.pdf"))
        faint = answer(GOOD | {"invoice_number": "R-99"}, confidence=50.0)
        waiting = flow.run(flow.drop("raw/b.pdf", faint))
        flow.review_desk.decide(waiting.id, "bea", approve=True)
        resembling = flow.check(waiting.id)
        assert issues(resembling) == ["near_match"]
        flow.review_desk.decide(waiting.id, "bea", approve=True)
        done = flow.check(waiting.id)
        assert (done.status, issues(done)) == (InvoiceStatus.PROCESSED, [])
        settled = [one.partition(":")[0] for review in done.reviews for one in review.settled]
        assert {"low_confidence", "near_match"} <= set(settled)

    def test_a_near_match_needs_review(self, flow: Flow) -> None:
        first = flow.run(flow.drop("raw/a.pdf"))
        other = flow.run(flow.drop("raw/b.pdf", answer(GOOD | {"invoice_number": "R-99"})))
        assert (other.status, other.duplicate_of) == (InvoiceStatus.NEEDS_REVIEW, first.id)
        assert issues(other) == ["near_match"]
        flow.review_desk.decide(other.id, "bea", approve=True)
        done = flow.check(other.id)
        assert (done.status, done.serial_number) == (
            InvoiceStatus.PROCESSED,
            "INV-2026-000002",
        )

    def test_an_approval_does_not_cover_what_was_found_later(self, flow: Flow) -> None:
        faint = answer(GOOD | {"invoice_number": "R-99"}, confidence=50.0)
        waiting = flow.run(flow.drop("raw/b.pdf", faint))
        assert set(issues(waiting)) == {"low_confidence"}
        first = flow.run(flow.drop("raw/a.pdf"))
        flow.review_desk.decide(waiting.id, "bea", approve=True)
        again = flow.check(waiting.id)
        assert (again.status, again.duplicate_of) == (InvoiceStatus.NEEDS_REVIEW, first.id)
        assert "near_match" in issues(again)

    def test_a_correction_can_end_a_near_match(self, flow: Flow) -> None:
        flow.run(flow.drop("raw/a.pdf"))
        other = flow.run(flow.drop("raw/b.pdf", answer(GOOD | {"invoice_number": "R-99"})))
        flow.review_desk.decide(other.id, "bea", corrections={"invoice_date": "2026-03-30"})
        done = flow.check(other.id)
        assert (done.status, done.duplicate_of, issues(done)) == (
            InvoiceStatus.PROCESSED,
            "",
            [],
        )

    def test_a_correction_that_leaves_a_near_match_needs_another_review(self, flow: Flow) -> None:
        flow.run(flow.drop("raw/a.pdf"))
        other = flow.run(flow.drop("raw/b.pdf", answer(GOOD | {"invoice_number": "R-99"})))
        flow.review_desk.decide(other.id, "bea", corrections={"purchase_order": "7"})
        again = flow.check(other.id)
        assert (again.status, issues(again)) == (InvoiceStatus.NEEDS_REVIEW, ["near_match"])
        assert flow.channel.sent.count((other.id, "NEEDS_REVIEW")) == 2


class TestRefusals:
    def test_a_document_that_cannot_be_read_is_rejected(self, flow: Flow) -> None:
        refusal = RejectedInput("it is encrypted", code="encrypted_pdf", remedy="Remove it")
        done = flow.run(flow.drop("raw/a.pdf", refusal))
        assert done.status is InvoiceStatus.REJECTED
        assert issues(done) == ["encrypted_pdf"]
        assert flow.channel.sent == [(done.id, "REJECTED")]

    def test_a_failed_job_rejects_the_document(self, flow: Flow) -> None:
        flow.pages = 2
        done = flow.run(flow.drop("raw/a.pdf", RejectedInput("no", code="unreadable")))
        assert done.status is InvoiceStatus.REJECTED

    def test_a_document_without_an_invoice_is_rejected(self, flow: Flow) -> None:
        empty = {"DocumentMetadata": {"Pages": 1}, "ExpenseDocuments": []}
        assert flow.run(flow.drop("raw/a.pdf", empty)).status in {
            InvoiceStatus.REJECTED,
            InvoiceStatus.NEEDS_REVIEW,
        }

    @pytest.mark.parametrize(
        "content",
        [b"", b"[]", b"{", json_invoice(amount="many"), json_invoice(amount=-5)],
    )
    def test_an_invalid_json_invoice_fails_validation(self, flow: Flow, content: bytes) -> None:
        done = flow.run(flow.drop("json/a.json", content))
        assert done.status is InvoiceStatus.VALIDATION_FAILED
        assert done.issues[0].message

    def test_a_past_due_json_invoice_is_refused_only_if_configured(self) -> None:
        late = json_invoice(dueDate="2026-03-01")
        lenient, strict = Flow(), Flow(checks=ValidationSettings(refuse_past_due=True))
        assert lenient.run(lenient.drop("json/a.json", late)).status is InvoiceStatus.PROCESSED
        refused = strict.run(strict.drop("json/a.json", late))
        assert refused.status is InvoiceStatus.VALIDATION_FAILED


class TestSeparationOfDuties:
    """An attacker has one identity, and wants an invoice processed that should need two people."""

    @pytest.fixture
    def flow(self) -> Flow:
        return Flow(separation_of_duties=True)

    @pytest.fixture
    def waiting(self, flow: Flow) -> InvoiceRecord:
        """Submitted by ann; its total is not the sum."""
        return flow.run(flow.drop("raw/a.pdf", answer(GOOD | {"total": "EUR 129.00"})))

    @pytest.mark.parametrize("person", ["ann", "Ann", "ANN <6f9d>", "arn:aws:iam::1:user/ann"])
    def test_a_submitter_cannot_approve_in_any_spelling(
        self, flow: Flow, waiting: InvoiceRecord, person: str
    ) -> None:
        with pytest.raises(RejectedInput) as refused:
            flow.review_desk.decide(waiting.id, person, approve=True)
        assert refused.value.code == "own_invoice"
        flow.review_desk.decide(waiting.id, "bea", approve=True)
        assert flow.check(waiting.id).status is InvoiceStatus.PROCESSED

    def test_whoever_uploaded_cannot_approve_whatever_the_upload_says(
        self, flow: Flow, waiting: InvoiceRecord
    ) -> None:
        """Metadata names ann; S3 names eve."""
        document = replace(waiting.document, principal="AWS:AROA1:eve@example.com")
        flow.store.records[waiting.id] = replace(waiting, document=document)
        for eve in ("Eve@example.com <77>", "arn:aws:sts::1:assumed-role/Finance/eve@example.com"):
            with pytest.raises(RejectedInput, match="submitted"):
                flow.review_desk.decide(waiting.id, eve, approve=True)

    @pytest.mark.parametrize("person", ["ann", "bea"])
    def test_a_corrected_invoice_is_not_processed_until_somebody_else_approves(
        self, flow: Flow, waiting: InvoiceRecord, person: str
    ) -> None:
        """Correct what the rules complain of, and no rule complains."""
        flow.review_desk.decide(waiting.id, person, corrections={"total": "119.00"})
        found = flow.check(waiting.id)
        assert (found.status, issues(found)) == (InvoiceStatus.NEEDS_REVIEW, ["corrected"])
        for one in ("ann", person):
            with pytest.raises(RejectedInput) as refused:
                flow.review_desk.decide(waiting.id, one, approve=True)
            assert refused.value.code == "own_invoice"
        flow.review_desk.decide(waiting.id, "cem", approve=True)
        assert flow.check(waiting.id).status is InvoiceStatus.PROCESSED

    def test_nobody_corrects_and_approves_at_once(self, flow: Flow, waiting: InvoiceRecord) -> None:
        with pytest.raises(RejectedInput) as refused:
            flow.review_desk.decide(
                waiting.id, "bea", corrections={"total": "119.00"}, approve=True
            )
        assert refused.value.code == "own_correction"
        # Nothing is corrected by a value that stands there already.
        flow.review_desk.decide(waiting.id, "bea", corrections={"total": "129.00"}, approve=True)
        assert flow.check(waiting.id).status is InvoiceStatus.PROCESSED

    def test_the_workflow_enforces_it_whoever_wrote_the_decision(
        self, flow: Flow, waiting: InvoiceRecord
    ) -> None:
        """A client of the attacker's own, without these checks."""
        lax = replace(flow.review_desk, separation_of_duties=False)
        lax.decide(waiting.id, "ann", corrections={"total": "119.00"}, approve=True)
        found = flow.check(waiting.id)
        assert (found.status, found.approved) == (InvoiceStatus.NEEDS_REVIEW, False)

    def test_an_approval_is_of_the_values_that_were_there(
        self, flow: Flow, waiting: InvoiceRecord
    ) -> None:
        flow.review_desk.decide(waiting.id, "bea", corrections={"total": "120.00"})
        assert flow.check(waiting.id).status is InvoiceStatus.NEEDS_REVIEW
        flow.review_desk.decide(waiting.id, "cem", corrections={"total": "119.00"})
        assert flow.check(waiting.id).status is InvoiceStatus.NEEDS_REVIEW
        for one in ("bea", "cem"):
            with pytest.raises(RejectedInput, match="corrected"):
                flow.review_desk.decide(waiting.id, one, approve=True)
        flow.review_desk.decide(waiting.id, "dan", approve=True)
        assert flow.check(waiting.id).status is InvoiceStatus.PROCESSED


class TestReviews:
    @pytest.fixture
    def waiting(self, flow: Flow) -> InvoiceRecord:
        wrong = answer(GOOD | {"total": "EUR 129.00"})
        found = flow.run(flow.drop("raw/a.pdf", wrong))
        assert issues(found) == ["total_is_not_the_sum"]
        assert found.status is InvoiceStatus.NEEDS_REVIEW
        return found

    def test_a_correction_is_validated_again(self, flow: Flow, waiting: InvoiceRecord) -> None:
        flow.review_desk.decide(waiting.id, "bea", corrections={"total": "119.00"})
        assert flow.workflow.resumed[-1] == (f"review-{waiting.id}", {"outcome": "CORRECTED"})
        done = flow.check(waiting.id)
        assert done.status is InvoiceStatus.PROCESSED
        (review,) = done.reviews
        assert (review.reviewer, review.decision) == ("bea", "CORRECTED")
        assert (review.before, review.after) == ({"total": "129.00"}, {"total": "119.00"})

    def test_a_wrong_correction_needs_another_review(
        self, flow: Flow, waiting: InvoiceRecord
    ) -> None:
        flow.review_desk.decide(waiting.id, "bea", corrections={"total": "120.00"})
        assert flow.check(waiting.id).status is InvoiceStatus.NEEDS_REVIEW
        flow.review_desk.decide(waiting.id, "bea", corrections={"total": "119.00"})
        assert flow.check(waiting.id).status is InvoiceStatus.PROCESSED

    @pytest.mark.parametrize(("total", "doubt"), [("12000.00", "12000.00"), ("-120", "negative")])
    def test_a_doubt_that_a_correction_makes_is_shown_before_it_is_approved(
        self, flow: Flow, waiting: InvoiceRecord, total: str, doubt: str
    ) -> None:
        flow.review_desk.decide(waiting.id, "bea", corrections={"total": total}, approve=True)
        back = flow.check(waiting.id)
        assert (back.status, back.approved) == (InvoiceStatus.NEEDS_REVIEW, False)
        assert any(doubt in one.message for one in back.issues)
        assert back.reviews[-1].settled == ()
        flow.review_desk.decide(waiting.id, "bea", approve=True)
        done = flow.check(waiting.id)
        assert done.status is InvoiceStatus.PROCESSED
        assert any(doubt in one for one in done.reviews[-1].settled)

    def test_an_approved_invoice_is_processed_as_it_is(
        self, flow: Flow, waiting: InvoiceRecord
    ) -> None:
        flow.review_desk.decide(waiting.id, "bea", approve=True, reason="the vendor rounds so")
        done = flow.check(waiting.id)
        assert done.status is InvoiceStatus.PROCESSED
        assert issues(done) == []
        assert done.reviews[0].settled[0].startswith("total_is_not_the_sum: ")

    def test_a_rejected_invoice_fails_validation(self, flow: Flow, waiting: InvoiceRecord) -> None:
        flow.review_desk.decide(waiting.id, "bea", reject=True, reason="not ours")
        assert flow.workflow.resumed[-1][1] == {"outcome": "REJECTED"}
        done = flow.end(waiting.id)
        assert done.status is InvoiceStatus.VALIDATION_FAILED
        assert "bea rejected the invoice: not ours" in done.issues[-1].message
        assert flow.channel.sent[-1] == (waiting.id, "VALIDATION_FAILED")

    @pytest.mark.parametrize(
        ("decision", "code"),
        [
            ({"approve": True, "reject": True}, "contradiction"),
            ({"reject": True}, "no_reason"),
            ({}, "no_decision"),
            ({"corrections": {"vendor": ""}, "approve": True}, "still_missing"),
            ({"corrections": {"total": "much"}}, "invalid_amount"),
        ],
    )
    def test_an_invalid_decision_is_refused(
        self, flow: Flow, waiting: InvoiceRecord, decision: dict[str, Any], code: str
    ) -> None:
        with pytest.raises(RejectedInput) as refused:
            flow.review_desk.decide(waiting.id, "bea", **decision)
        assert refused.value.code == code
        assert flow.store.find(waiting.id) == flow.store.records[waiting.id]
        assert flow.store.find(waiting.id).reviews == ()

    def test_two_reviewers_do_not_overwrite_each_other(
        self, flow: Flow, waiting: InvoiceRecord
    ) -> None:
        flow.review_desk.decide(waiting.id, "bea", approve=True)
        with pytest.raises(RejectedInput) as refused:
            flow.review_desk.decide(waiting.id, "cem", reject=True, reason="no")
        assert refused.value.code == "decided_already"
        assert "bea" in str(refused.value)

    def test_a_processed_invoice_cannot_be_reviewed(self, flow: Flow) -> None:
        done = flow.run(flow.drop("raw/a.pdf"))
        with pytest.raises(RejectedInput) as refused:
            flow.review_desk.decide(done.id, "bea", approve=True)
        assert refused.value.code == "not_in_review"

    def test_a_decision_made_early_is_passed_on_when_the_workflow_waits(
        self, flow: Flow, waiting: InvoiceRecord
    ) -> None:
        flow.workflow.waiting.clear()  # it timed out a moment ago
        flow.review_desk.decide(waiting.id, "bea", approve=True)
        assert flow.workflow.resumed == []
        assert flow.review_requests.escalate(waiting.id)
        flow.workflow.waiting.add("second")
        flow.review_requests.ask(waiting.id, "second")
        assert flow.workflow.resumed == [("second", {"outcome": "APPROVED"})]
        assert flow.check(waiting.id).status is InvoiceStatus.PROCESSED

    def test_a_decision_that_did_not_reach_the_workflow_can_be_sent_again(
        self, flow: Flow, waiting: InvoiceRecord
    ) -> None:
        flow.calls.kill_before = len(flow.calls.made) + 2
        with pytest.raises(Killed):
            flow.review_desk.decide(waiting.id, "bea", approve=True)
        assert flow.workflow.resumed == []
        flow.review_desk.decide(waiting.id, "bea")
        assert flow.workflow.resumed[-1][1] == {"outcome": Decision.APPROVED.value}

    def test_reminders_end_after_the_last_one(self, flow: Flow, waiting: InvoiceRecord) -> None:
        assert [flow.review_requests.escalate(waiting.id) for _ in range(3)] == [True, True, False]
        done = flow.end(waiting.id)
        assert done.status is InvoiceStatus.VALIDATION_FAILED
        assert issues(done)[-1] == "not_reviewed"

    def test_a_json_invoice_can_be_approved_without_a_date(self) -> None:
        rule = Rule(name="own", expression="total > 1", severity=Severity.REVIEW, message="large")
        flow = Flow(checks=ValidationSettings(rules=(rule,)))
        waiting = flow.run(flow.drop("json/a.json", json_invoice()))
        assert waiting.status is InvoiceStatus.NEEDS_REVIEW
        flow.review_desk.decide(waiting.id, "bea", approve=True)
        assert flow.check(waiting.id).status is InvoiceStatus.PROCESSED


class TestEngines:
    def trusted(self, **changes: Any) -> Flow:
        settings = EngineSettings(engine="text-layer", trusted_vendors=("ACME",))
        return Flow(settings=settings, text_layer=answer(GOOD | changes))

    def test_a_text_layer_is_used_if_every_check_passes(self) -> None:
        flow = self.trusted()
        done = flow.run(flow.drop("raw/a.pdf"))
        assert (done.status, done.engine, done.cost_usd) == (
            InvoiceStatus.PROCESSED,
            "text-layer",
            Decimal(0),
        )
        assert flow.engine.analyzed == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"vendor": "Somebody"},
            {"total": "EUR 119.01"},
            {"invoice_date": ""},
            {"tax": ""},
        ],
    )
    def test_textract_reads_a_document_if_any_check_fails(self, changes: dict[str, str]) -> None:
        flow = self.trusted(**changes)
        assert flow.run(flow.drop("raw/a.pdf")).engine == "textract"

    def test_textract_reads_a_document_without_text(self) -> None:
        flow = self.trusted()
        flow.text_layer = None
        assert flow.run(flow.drop("raw/a.pdf")).engine == "textract"

    @pytest.mark.parametrize("pages", [1, 3], ids=["synchronous", "asynchronous"])
    def test_shadow_mode_rejects_nothing_that_textract_has_read(self, pages: int) -> None:
        """The document may be gone by then, or be one that the text layer refuses."""
        gone = RejectedInput("it no longer exists", code="object_is_gone")
        flow = Flow(settings=EngineSettings(shadow=True), pages=pages, text_layer=gone)
        done = flow.run(flow.drop("raw/a.pdf"))
        assert (done.status, done.agreement) == (InvoiceStatus.PROCESSED, {})

    def test_shadow_mode_records_whether_both_engines_agree(self) -> None:
        flow = Flow(
            settings=EngineSettings(shadow=True), text_layer=answer(GOOD | {"vendor": "Bank"})
        )
        done = flow.run(flow.drop("raw/a.pdf"))
        assert done.engine == "textract"
        assert done.agreement == {
            "vendor": False,
            "invoice_number": True,
            "invoice_date": True,
            "currency": True,
            "total": True,
        }


class TestFailures:
    def failure(self, entered: str, redrive: int = 0, step: str = "ProcessInvoice") -> Failure:
        return Failure(step=step, error="E", cause="it broke", entered=entered, redrive=redrive)

    def test_a_failure_is_recorded_and_notified_and_fails_the_execution(self, flow: Flow) -> None:
        invoice = flow.drop("raw/a.pdf")
        for _ in range(2):  # the second is a replay
            with pytest.raises(InvoiceFailed, match="ProcessInvoice failed: it broke"):
                flow.failure_recorder.record(invoice, self.failure("10:00"))
        found = flow.store.find(invoice)
        assert found.status is InvoiceStatus.PROCESSING_FAILED
        assert flow.channel.sent == [(invoice, "PROCESSING_FAILED")]

    @pytest.mark.parametrize("again", ["10:00", "11:00"], ids=["scheduled", "entered"])
    def test_a_redrive_continues_with_the_failed_step(self, flow: Flow, again: str) -> None:
        """AWS schedules the recording state again; another endpoint may enter it again."""
        invoice = flow.drop("raw/a.pdf")
        with pytest.raises(InvoiceFailed):
            flow.failure_recorder.record(invoice, self.failure("10:00"))
        for _ in range(2):  # the second is a replay
            resumed = flow.failure_recorder.record(invoice, self.failure(again, redrive=1))
            assert resumed == "ProcessInvoice"
        assert flow.store.find(invoice).status is InvoiceStatus.EXTRACTING
        # It fails again, and once more is redriven.
        with pytest.raises(InvoiceFailed):
            flow.failure_recorder.record(invoice, self.failure("11:01", redrive=1))
        assert (
            flow.failure_recorder.record(invoice, self.failure("11:01", redrive=2))
            == "ProcessInvoice"
        )
        # Another step fails in the same redrive.
        with pytest.raises(InvoiceFailed):
            flow.failure_recorder.record(
                invoice, self.failure("12:01", redrive=2, step="NotifyInvoice")
            )
        assert flow.channel.sent == [(invoice, "PROCESSING_FAILED")] * 3

    def test_a_redrive_that_was_interrupted_is_redriven_again(self, flow: Flow) -> None:
        invoice = flow.drop("raw/a.pdf")
        with pytest.raises(InvoiceFailed):
            flow.failure_recorder.record(invoice, self.failure("10:00"))
        for redrive in (1, 2):
            assert (
                flow.failure_recorder.record(invoice, self.failure("10:00", redrive=redrive))
                == "ProcessInvoice"
            )

    @pytest.mark.parametrize("later", [("11:00", 0), ("12:00", 2)], ids=["run anew", "redriven"])
    def test_a_later_failure_of_the_same_step_is_no_redrive_of_the_first(
        self, flow: Flow, later: tuple[str, int]
    ) -> None:
        """Somebody starts it anew, or stops it in another state, which a redrive goes on with."""
        invoice = flow.drop("raw/a.pdf")
        with pytest.raises(InvoiceFailed):
            flow.failure_recorder.record(invoice, self.failure("10:00"))
        entered, redrive = later
        if redrive:
            flow.failure_recorder.record(invoice, self.failure("10:00", redrive=1))
        with pytest.raises(InvoiceFailed):
            flow.failure_recorder.record(invoice, self.failure(entered, redrive=redrive))
        assert flow.store.find(invoice).status is InvoiceStatus.PROCESSING_FAILED

    def test_a_processed_invoice_stays_processed_when_its_notification_fails(
        self, flow: Flow
    ) -> None:
        done = flow.run(flow.drop("raw/a.pdf"))
        with pytest.raises(InvoiceFailed):
            flow.failure_recorder.record(done.id, self.failure("10:00", step="NotifyInvoice"))
        assert flow.store.find(done.id).status is InvoiceStatus.PROCESSED


class TestSpending:
    """Whoever may upload makes the account pay for pages."""

    def limited(self, **limits: Any) -> Flow:
        return Flow(settings=EngineSettings(limits=SpendingLimits(**limits)))

    def retry(self, flow: Flow, invoice: str, error: str, redrive: int = 1) -> InvoiceRecord:
        """What the workflow does with a failed extraction that a person retries."""
        failure = Failure(
            step="ExtractInvoice", error=error, cause="c", entered=f"{redrive}", redrive=redrive - 1
        )
        with pytest.raises(InvoiceFailed):
            flow.failure_recorder.record(invoice, failure)
        again = replace(failure, redrive=redrive)
        assert flow.failure_recorder.record(invoice, again) == "ExtractInvoice"
        return flow.run(invoice)

    def test_identical_content_is_never_paid_for_twice(self, flow: Flow) -> None:
        dropped = [flow.drop(f"raw/{name}.pdf", body=b"%PDF the same") for name in "abc"]
        done = [flow.run(one) for one in dropped]
        assert flow.engine.analyzed == ["raw/a.pdf"]
        assert [str(one.cost_usd) for one in done] == ["0.01", "0", "0"]
        assert [one.status for one in done] == [
            InvoiceStatus.PROCESSED,
            InvoiceStatus.DUPLICATE,
            InvoiceStatus.DUPLICATE,
        ]
        assert sum(flow.store.pages.values()) == 1
        assert len({one.response_key for one in done}) == 3

    def test_the_same_long_document_again_starts_no_second_job(self, flow: Flow) -> None:
        flow.pages = 3
        for name in "ab":
            flow.run(flow.drop(f"raw/{name}.pdf", body=b"%PDF the same"))
        assert len(flow.engine.jobs) == 1

    def test_content_that_is_being_read_is_waited_for(self, flow: Flow) -> None:
        flow.pages = 3
        first, second = (flow.drop(f"raw/{one}.pdf", body=b"%PDF the same") for one in "ab")
        assert flow.extractor.extract(first) is ExtractionOutcome.ASYNCHRONOUS
        with pytest.raises(TransientFailure) as waits:
            flow.extractor.extract(second)
        assert waits.value.code == "content_is_being_read"
        flow.run(first)
        assert flow.run(second).invoice is not None
        assert len(flow.engine.jobs) == 1

    @pytest.mark.parametrize("gone", ["response", "record", "failed"])
    def test_content_whose_response_is_gone_is_read_again(self, flow: Flow, gone: str) -> None:
        first = flow.drop("raw/a.pdf", body=b"%PDF the same")
        done = flow.run(first)
        if gone == "response":
            del flow.objects.objects[done.response_key]
        elif gone == "record":
            del flow.store.records[first]
            flow.store.numbers.clear()
            flow.store.matches.clear()
        else:
            failed = replace(done, response_key="", status=InvoiceStatus.PROCESSING_FAILED)
            flow.store.records[first] = failed
        assert flow.run(flow.drop("raw/b.pdf", body=b"%PDF the same")).invoice is not None
        assert flow.engine.analyzed == ["raw/a.pdf", "raw/b.pdf"]

    @pytest.mark.parametrize("limits", [{"daily_pages": 2}, {"daily_usd": Decimal("0.02")}])
    def test_a_day_has_a_cap_and_what_meets_it_waits(self, limits: dict[str, Any]) -> None:
        flow = self.limited(**limits)
        for name in "ab":
            flow.run(flow.drop(f"raw/{name}.pdf"))
        waiting = flow.drop("raw/c.pdf")
        for _ in range(2):
            with pytest.raises(SpendingCapReached, match="finops invoices retry"):
                flow.run(waiting)
        assert flow.engine.analyzed == ["raw/a.pdf", "raw/b.pdf"]
        flow.clock.now += timedelta(days=1)
        assert self.retry(flow, waiting, "SpendingCapReached").invoice is not None

    def test_a_long_document_costs_nothing_until_a_person_has_it_read(self) -> None:
        flow = self.limited(daily_usd=Decimal(100))
        flow.pages = 3_000
        invoice = flow.drop("raw/a.pdf")
        with pytest.raises(TooManyPages, match=r"30\.00 USD.*finops invoices retry"):
            flow.run(invoice)
        assert not flow.engine.jobs
        assert not flow.store.pages
        assert self.retry(flow, invoice, "TooManyPages").invoice is not None
        assert sum(flow.store.pages.values()) == 3_000

    def test_consent_outlasts_a_cap(self) -> None:
        flow = self.limited(daily_pages=200)
        flow.pages = 150
        first, second = flow.drop("raw/a.pdf"), flow.drop("raw/b.pdf")
        with pytest.raises(TooManyPages):
            flow.run(first)
        self.retry(flow, first, "TooManyPages")
        with pytest.raises(TooManyPages):
            flow.run(second)
        with pytest.raises(SpendingCapReached):
            self.retry(flow, second, "TooManyPages")
        flow.clock.now += timedelta(days=1)
        assert self.retry(flow, second, "SpendingCapReached", redrive=2).invoice is not None

    def test_an_attempt_is_counted_once_whatever_is_run_again(self, flow: Flow) -> None:
        invoice = flow.drop("raw/a.pdf")
        for kill in range(1, 6):
            flow.calls.kill_after = len(flow.calls.made) + kill
            with suppress(Killed):
                flow.extractor.extract(invoice)
        flow.calls.kill_after = 0
        flow.run(invoice)
        assert sum(flow.store.pages.values()) == 1


class TestAudit:
    def told(self, flow: Flow) -> list[tuple[str, str]]:
        """(action, actor) of each thing, once."""
        found: dict[tuple[str, str], tuple[str, str]] = {}
        for one in flow.audit.events:
            found.setdefault(stated(one), (one.action, one.actor))
        return [(action.removeprefix("invoice."), actor) for action, actor in found.values()]

    def event(self, flow: Flow, action: str) -> AuditEvent:
        return next(one for one in flow.audit.events if one.action == f"invoice.{action}")

    def test_each_step_of_a_document_is_audited_with_its_digests(self, flow: Flow) -> None:
        done = flow.run(flow.drop("raw/a.pdf"))
        assert self.told(flow) == [
            ("received", "receive-invoices"),
            ("extracted", "receive-invoices"),
            ("validated", "receive-invoices"),
            ("processed", "receive-invoices"),
            ("notified", "notify-invoice"),
        ]
        assert {one.subject for one in flow.audit.events} == {done.id}
        extracted, processed = self.event(flow, "extracted"), self.event(flow, "processed")
        assert extracted.input_sha256 == processed.input_sha256
        assert extracted.input_sha256 == digest(flow.objects.objects["raw/a.pdf"])
        assert extracted.output_sha256 == digest(flow.objects.objects[done.response_key])
        # The metadata name ann, who may not be the one that wrote them.
        assert processed.details["said_to_be"] == "ann"
        assert processed.version == "INV-2026-000001"
        assert processed.details["vendor"] == personal_digest("salt", "vendor", "Acme GmbH")
        assert processed.details["total"] == "119.00"
        assert processed.output_sha256 == self.event(flow, "validated").output_sha256

    def test_the_actor_is_the_principal_of_s3_whoever_the_metadata_name(self, flow: Flow) -> None:
        flow.objects.submitter = "cfo"
        flow.objects.objects["raw/a.pdf"] = b"%PDF"
        flow.engine.answers["raw/a.pdf"] = answer(GOOD)
        dropped = replace(document("raw/a.pdf"), principal="AWS:AIDAEXAMPLE")
        flow.run(flow.intake.receive(dropped).id)
        assert self.event(flow, "received").actor == "AWS:AIDAEXAMPLE"
        assert self.event(flow, "processed").actor == "AWS:AIDAEXAMPLE"

    def test_a_repeated_step_gives_the_same_audit_entries(self, flow: Flow) -> None:
        invoice = flow.drop("raw/a.pdf")
        flow.run(invoice)
        before = self.told(flow)
        flow.drop("raw/a.pdf")
        flow.run(invoice)
        flow.extractor.finish(invoice, "job")
        assert self.told(flow) == before
        assert len(flow.audit.events) > len(before)

    def test_a_json_invoice_is_audited_with_the_digest_of_its_text(self, flow: Flow) -> None:
        flow.run(flow.drop("json/a.json", json_invoice()))
        assert self.event(flow, "processed").input_sha256 == digest(json_invoice())

    def test_further_invoices_of_a_document_are_audited(self, flow: Flow) -> None:
        flow.pages = 2
        second = GOOD | {"invoice_number": "R-78"}
        first = flow.run(flow.drop("raw/a.pdf", answer(GOOD, second)))
        part = flow.audit.events[2]
        assert (part.action, part.subject) == ("invoice.received", f"{first.id}-2")
        assert part.details["part_of"] == first.id

    @pytest.mark.parametrize("pages", [1, 2])
    def test_an_unreadable_document_is_audited_with_the_reason(
        self, flow: Flow, pages: int
    ) -> None:
        flow.pages = pages
        invoice = flow.drop("raw/a.pdf", RejectedInput("it is locked", code="encrypted_pdf"))
        for _ in range(2):
            flow.run(invoice)
        assert [action for action, _ in self.told(flow)] == ["received", "rejected", "notified"]
        assert "encrypted_pdf" in str(self.event(flow, "rejected").details["issues"])

    def test_a_refused_json_invoice_is_audited_at_each_attempt(self, flow: Flow) -> None:
        invoice = flow.drop("json/a.json", b"{")
        for _ in range(2):
            flow.run(invoice)
        assert [action for action, _ in self.told(flow)] == ["received", "validated", "notified"]
        assert self.event(flow, "validated").details["outcome"] == "INVALID"

    def test_a_review_is_audited_with_the_reviewer_as_actor(self, flow: Flow) -> None:
        waiting = flow.run(flow.drop("raw/a.pdf", answer(GOOD | {"total": "EUR 129.00"})))
        flow.review_desk.decide(waiting.id, "bea", corrections={"total": "120.00"})
        flow.check(waiting.id)
        flow.review_desk.decide(waiting.id, "cem", corrections={"total": "119.00"})
        flow.check(waiting.id)
        told = [one for one in self.told(flow) if one[0] in {"reviewed", "validated", "processed"}]
        assert told == [
            ("validated", "receive-invoices"),
            ("reviewed", "bea"),
            ("validated", "bea"),
            ("reviewed", "cem"),
            ("validated", "cem"),
            ("processed", "cem"),
        ]
        reviewed = self.event(flow, "reviewed")
        assert reviewed.details == {
            "decision": "CORRECTED",
            "actor_proven": "no",
            "before": {"total": "129.00"},
            "after": {"total": "120.00"},
        }
        assert reviewed.occurred_at == flow.store.find(waiting.id).reviews[0].at

    def test_who_approved_stands_in_the_entry_of_processing(self, flow: Flow) -> None:
        flow.objects.submitter = "edda"
        waiting = flow.run(flow.drop("raw/a.pdf", answer(GOOD | {"total": "EUR 129.00"})))
        proving = replace(flow.review_desk, proven=True)
        proving.decide(waiting.id, "arn:aws:iam::1:user/bea", approve=True)
        flow.check(waiting.id)
        processed = self.event(flow, "processed")
        assert processed.actor == "arn:aws:iam::1:user/bea"
        assert processed.details["actor_proven"] == "yes"
        assert "said_to_be" not in processed.details

    def test_a_rejection_by_a_reviewer_is_audited(self, flow: Flow) -> None:
        waiting = flow.run(flow.drop("raw/a.pdf", answer(GOOD | {"total": "EUR 129.00"})))
        flow.review_desk.decide(waiting.id, "bea", reject=True, reason="not ours")
        flow.end(waiting.id)
        assert ("reviewed", "bea") in self.told(flow)
        stated = personal_digest("salt", "reason", "not ours")
        assert self.event(flow, "reviewed").details["reason"] == stated

    def test_duplicates_and_near_matches_are_audited_with_the_other_invoice(
        self, flow: Flow
    ) -> None:
        first = flow.run(flow.drop("raw/a.pdf"))
        flow.run(flow.drop("raw/again.pdf"))
        flow.run(flow.drop("raw/b.pdf", answer(GOOD | {"invoice_number": "R-99"})))
        assert self.event(flow, "duplicate").details["duplicate_of"] == first.id
        assert self.event(flow, "resembles_another").details["duplicate_of"] == first.id

    def test_a_failure_and_its_retry_are_audited_once_each(self, flow: Flow) -> None:
        invoice = flow.drop("raw/a.pdf")
        failure = Failure(step="ProcessInvoice", error="E", cause="it broke", entered="10:00")
        for _ in range(2):
            with pytest.raises(InvoiceFailed):
                flow.failure_recorder.record(invoice, failure)
        for _ in range(2):
            flow.failure_recorder.record(invoice, replace(failure, redrive=1))
        assert self.told(flow)[1:] == [("failed", "fail-invoice"), ("resumed", "fail-invoice")]
        stated = personal_digest("salt", "cause", "it broke")
        assert self.event(flow, "failed").details["cause"] == stated

    def test_giving_up_is_audited(self, flow: Flow) -> None:
        waiting = flow.run(flow.drop("raw/a.pdf", answer(GOOD | {"total": "EUR 129.00"})))
        while flow.review_requests.escalate(waiting.id):
            pass
        assert self.told(flow)[-1] == ("given_up", "review-invoice")
        assert flow.audit.events[-1].counts == {"reminders": 2}


def outcomes(flow: Flow) -> list[tuple[str, str, str]]:
    return sorted(
        (one.file, one.status.value, one.serial_number) for one in flow.store.records.values()
    )


TWENTY = {"subtotal": "EUR 16.81", "tax": "EUR 3.19", "total": "EUR 20.00"}


def scenario(flow: Flow, again: Callable[[Callable[[], Any]], Any]) -> None:
    """Three documents, one of two invoices, one a duplicate; each step by `again`."""
    flow.pages = 2
    second = GOOD | {"invoice_number": "R-78"} | TWENTY
    for key, pages in (
        ("raw/a.pdf", answer(GOOD, second)),
        ("raw/b.pdf", answer(GOOD)),
        ("raw/c.pdf", answer(GOOD | TWENTY)),
    ):
        invoice = again(lambda key=key, pages=pages: flow.drop(key, pages))  # type: ignore[misc]
        again(lambda invoice=invoice: flow.run(invoice))  # type: ignore[misc]
        if f"{invoice}-2" in flow.workflow.started:
            again(lambda invoice=invoice: flow.run(f"{invoice}-2"))  # type: ignore[misc]


def test_an_interruption_at_any_point_does_not_change_the_result() -> None:
    whole = Flow()
    scenario(whole, lambda act: act())
    expected = outcomes(whole)
    audited = {stated(one) for one in whole.audit.events}
    assert [status for _, status, _ in expected] == [
        "PROCESSED",
        "PROCESSED",
        "DUPLICATE",
        "NEEDS_REVIEW",
    ]
    effects = len(whole.calls.made)
    assert effects > 20
    for moment in range(1, effects + 1):
        for when in ("kill_before", "kill_after"):
            flow = Flow()
            setattr(flow.calls, when, moment)

            def again(act: Callable[[], Any]) -> Any:
                for _ in range(3):
                    try:
                        return act()
                    except (Killed, TransientFailure):
                        continue
                return act()

            scenario(flow, again)
            assert outcomes(flow) == expected, f"{when} {moment}: {flow.calls.made[moment - 1]}"
            found = {stated(one) for one in flow.audit.events}
            assert found == audited, f"{when} {moment}: {flow.calls.made[moment - 1]}"
