"""What our own code takes for a document without Textract, and two hundred documents at once.

make bench ARGS="-k invoices"
"""

from __future__ import annotations

import io
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date

import pytest

import sample_invoices
from finops.invoices.document_files import inspect
from finops.invoices.domain import InvoiceRecord, InvoiceStatus, Review
from finops.invoices.einvoice.as_invoice import as_invoice, findings
from finops.invoices.einvoice.embedded import read_embedded
from finops.invoices.einvoice.reader import read_einvoice
from finops.invoices.messages import message
from finops.invoices.text_layer.pdf import analyze_text_layer
from finops.invoices.textract_response.reading import read_expense
from finops.invoices.validation import Outcome, ValidationSettings, check, outcome
from finops.invoices.vendors.service import VendorLearner, VendorMaster
from finops.shared.audit import NoAudit
from localcloud.supervisor import LocalCloud
from localcloud.terraform import local_environment
from sample_einvoices import Sale, SoldLine, cii, hybrid, ubl
from tests.benchmarks.goals import Goals
from tests.benchmarks.measuring import median, show
from tests.conftest import fresh_settings
from tests.flows.deployment import Deployment
from tests.flows.invoices import InvoiceFlow, document, paper, unique
from tests.invoices.builders import record
from tests.invoices.corpus import TRUTH, agrees, corpus
from tests.invoices.fakes import FakeVendors

pytestmark = pytest.mark.benchmark

DOCUMENTS = int(os.environ.get("FINOPS_BENCH_DOCUMENTS", "200"))
#: What Textract allows in the smaller regions; calls beyond are refused.
TPS = os.environ.get("FINOPS_BENCH_TPS", "5")
REPEATS = 20


def milliseconds(act: Callable[[], object]) -> float:
    return 1000 * median(act, REPEATS)


def test_invoices_overhead(goals: Goals) -> None:
    """Each part of our own work on a document, AWS's calls aside."""
    rows = []
    slowest = 0.0
    checks, today = ValidationSettings(), date(2026, 4, 1)
    for sample in sample_invoices.samples():
        if not sample.fields or not sample.name.endswith(".pdf"):
            continue
        answer = analyze_text_layer(io.BytesIO(sample.content))
        assert answer
        (invoice,) = read_expense(answer)
        told = record(invoice=invoice, issues=check(invoice, checks, today))
        taken = [
            milliseconds(lambda s=sample: inspect(io.BytesIO(s.content), len(s.content))),  # type: ignore[misc]
            milliseconds(lambda a=answer: read_expense(a)),  # type: ignore[misc]
            milliseconds(lambda i=invoice: check(i, checks, today)),  # type: ignore[misc]
            milliseconds(lambda t=told: message(t, "PROCESSED")),  # type: ignore[misc]
        ]
        rows.append((sample.name, *(f"{one:.2f}" for one in (*taken, sum(taken)))))
        slowest = max(slowest, sum(taken))
    parts = ("look at the file", "read the answer", "check", "message", "together")
    show("Our own code a document, ms", ("document", *parts), rows)
    goals.at_most("invoices: our own code for a document", 50, slowest, "ms")


def test_einvoices_overhead(goals: Goals) -> None:
    """Reading an e-invoice and checking its rules; a PDF's page is compared as well."""

    def read_and_check(content: bytes) -> None:
        read = read_einvoice(io.BytesIO(content))
        as_invoice(read)
        findings(read)

    sale = Sale()
    files = {
        "UBL": ubl(sale),
        "CII": cii(sale),
        "UBL, 1,000 lines": ubl(Sale(lines=[SoldLine()] * 1000)),
    }
    taken = {
        name: milliseconds(lambda c=content: read_and_check(c))  # type: ignore[misc]
        for name, content in files.items()
    }
    paper_ = hybrid(sale)
    taken["PDF with CII"] = milliseconds(lambda: read_embedded(io.BytesIO(paper_)))
    show(
        "E-invoices, ms",
        ("e-invoice", "read and check"),
        [(name, f"{one:.2f}") for name, one in taken.items()],
    )
    goals.at_most("invoices: an e-invoice in a PDF", 50, taken["PDF with CII"], "ms")


def test_invoices_accuracy() -> None:
    """Real invoices with known values, as the local Textract reads those that have text."""
    counts = {name: Counter[str]() for name in TRUTH.values()}
    ends = Counter[str]()
    for path in sorted(corpus("invoices").glob("*.pdf")):
        (truth,) = json.loads(path.with_suffix(".json").read_text())
        answer = analyze_text_layer(io.BytesIO(path.read_bytes()))
        assert answer
        (invoice,) = read_expense(answer)
        issues = check(invoice, ValidationSettings(), date(2026, 4, 1))
        end = outcome(invoice, issues, approved=False).value
        ends[end] += 1
        for key, name in TRUTH.items():
            reading = invoice.readings.get(name)
            if key not in truth:
                continue
            if reading is None or not reading.value:
                counts[name]["not found"] += 1
            elif agrees(name, reading.value, truth[key]):
                counts[name]["right"] += 1
            else:
                counts[name]["wrong, in review" if end == "REVIEW" else "wrong, unseen"] += 1
    kinds = ("right", "not found", "wrong, in review", "wrong, unseen")
    rows = [(name, *(str(found[kind]) for kind in kinds)) for name, found in counts.items()]
    show(f"Real invoices, which ended so: {dict(ends)}", ("field", *kinds), rows)


def _real_invoices() -> Iterator[tuple[str, InvoiceRecord, dict[str, str]]]:
    """Each real invoice: its kind, the record before the check, and what is known to be true."""
    for path in sorted(corpus("invoices").glob("*.pdf")):
        (known,) = json.loads(path.with_suffix(".json").read_text())
        truth = {name: str(known[key]) for key, name in TRUTH.items() if key in known}
        answer = analyze_text_layer(io.BytesIO(path.read_bytes()))
        assert answer
        for read in read_expense(answer, source="text-layer"):
            yield "PDF with text", record(path.name, invoice=read), truth
    for path in sorted(corpus("textract").glob("*.json")):
        for read in read_expense(json.loads(path.read_text())):
            yield "Textract's answer", record(path.name, invoice=read), {}
    for path in sorted(corpus("einvoices").rglob("*")):
        if path.suffix == ".xml":
            read_xml = read_einvoice(io.BytesIO(path.read_bytes()))
            facts = {"invoice": as_invoice(read_xml), "findings": findings(read_xml)}
            yield "XML", record(path.name, **facts), {}
        elif path.suffix == ".pdf":
            found = read_embedded(io.BytesIO(path.read_bytes()))
            assert found.einvoice
            facts = {
                "invoice": as_invoice(found.einvoice),
                "findings": (*findings(found.einvoice), *found.findings),
                "page_ibans": found.page_ibans,
            }
            yield "PDF with XML", record(path.name, **facts), {}


def _approved(one: InvoiceRecord, truth: Mapping[str, str], number: int) -> InvoiceRecord:
    """An earlier invoice of the vendor that read alike; a person corrected and approved it."""
    assert one.invoice
    text = {name: value for name, value in truth.items() if name in {"vendor", "currency"}}
    approval = Review(reviewer="bea", at=one.received_at, decision="APPROVED", proven=True)
    return replace(
        one,
        id=f"{one.id}-{number}",
        status=InvoiceStatus.PROCESSED,
        invoice=one.invoice.corrected(
            {name: value for name, value in text.items() if one.invoice.text(name) != value}
        ),
        reviews=(approval,),
    )


def test_invoices_straight_through(goals: Goals) -> None:
    """Real invoices that no person has to look at, before and after their vendors are known."""
    counts: dict[str, Counter[str]] = {}
    wrong = []
    for kind, one, truth in _real_invoices():
        counted = counts.setdefault(kind, Counter())
        counted["documents"] += 1
        known = FakeVendors()
        learner = VendorLearner(store=known, new_salt=lambda: "salt", audit=NoAudit())
        for when in ("before", "after"):
            checked, of_vendor = VendorMaster(store=known).consult(one)
            assert checked.invoice
            issues = check(checked.invoice, ValidationSettings(), date(2026, 4, 1))
            end = outcome(checked.invoice, (*issues, *one.findings, *of_vendor), approved=False)
            if end is Outcome.VALID:
                counted[when] += 1
                wrong += [
                    f"{when}: {name} of {one.file}"
                    for name, value in truth.items()
                    if (ours := checked.invoice.text(name)) and not agrees(name, ours, value)
                ]
            for number in (1, 2):
                learner.learn(_approved(one, truth, number))
    kinds = ("documents", "before", "after")
    rows = [(kind, *(str(counted[one]) for one in kinds)) for kind, counted in counts.items()]
    show("Real invoices, straight through", ("kind", *kinds), rows)
    assert wrong == []
    exact = [counted for kind, counted in counts.items() if kind != "Textract's answer"]
    share = 100 * sum(one["after"] for one in exact) / sum(one["documents"] for one in exact)
    goals.at_least("invoices: straight through, of known vendors", 60, share, "%")


@contextmanager
def deployed() -> Iterator[InvoiceFlow]:
    """The flow on a cloud of its own whose Textract takes so many calls a second."""
    with fresh_settings() as fresh:
        throttled = {"FINOPS_TEXTRACT_TPS": TPS, "FINOPS_STATE_RETRY_SCALE": "1"}
        settings = replace(fresh, emulator_environment={**fresh.emulator_environment, **throttled})
        with LocalCloud(settings) as cloud:
            terraform = local_environment(settings, repair_schedule="rate(12 hours)")
            terraform.variables = {**terraform.variables, "endpoint_url": cloud.endpoint_url}
            terraform.init()
            terraform.apply()
            outputs = terraform.output()
            deployment = Deployment(url=cloud.endpoint_url, outputs=outputs["budgets"])
            yield InvoiceFlow(deployment, outputs["invoices"])


def test_invoices_at_once() -> None:
    """Documents dropped at once, with a Textract that refuses most calls at first."""
    numbers = [unique("B").upper() for _ in range(DOCUMENTS)]
    bodies = [document(paper(number)) for number in numbers]
    with deployed() as flow:
        alone = time.perf_counter()
        flow.drop("raw/first.pdf", document(paper(unique("B").upper())))
        alone = time.perf_counter() - alone
        start = time.perf_counter()
        with ThreadPoolExecutor(8) as pool:
            sources = list(
                pool.map(
                    lambda one: flow.put(f"raw/{one[0]}.pdf", one[1]),
                    zip(numbers, bodies, strict=True),
                )
            )
        found = [flow.ended(one.document_id, within=1200) for one in sources]
        took = time.perf_counter() - start
    statuses = Counter(one.status.value for one in found)
    bound = DOCUMENTS / float(TPS)
    show(
        f"{DOCUMENTS} documents at once, Textract at {TPS} calls a second: {dict(statuses)}",
        ("", "s", "beside the rate alone"),
        [("all", f"{took:.0f}", f"{took / bound:.2f}"), ("one alone", f"{alone:.1f}", "")],
    )
    assert statuses == {"PROCESSED": DOCUMENTS}
