"""The e-invoice inside a PDF: Factur-X, ZUGFeRD, and other XML that somebody attached."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from finops.invoices.domain import Issue, Severity
from finops.invoices.einvoice.page import differences, further_ibans
from finops.invoices.einvoice.reader import read_einvoice
from finops.invoices.einvoice.terms import EInvoice
from finops.invoices.einvoice.xml_reader import LARGEST_XML
from finops.invoices.text_layer.pdf import pages_of
from finops.shared.errors import RejectedInput

#: Names of the embedded file, in lower case, by version of the standard.
NAMES: Final = frozenset(
    {"factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml", "facturx.xml", "zugferd.xml"}
)
MOST_ATTACHMENTS: Final = 100
#: Pages that are compared at either end of a document; totals are on one of them.
_COMPARED: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """What was found in a PDF.

    Attributes:
        einvoice: Its invoice; None if it has none that can be read.
        findings: What a person must look at.
        page_ibans: The accounts that the pages show besides those of the XML.
    """

    einvoice: EInvoice | None = None
    findings: tuple[Issue, ...] = ()
    page_ibans: tuple[str, ...] = ()


def read_embedded(file: BinaryIO) -> Embedded:
    """The e-invoice of a PDF, compared with what its pages show.

    A hostile file can take any memory and time: call it where both are bounded.
    """
    import pypdfium2

    found: list[tuple[str, EInvoice]] = []
    findings: list[Issue] = []
    with pypdfium2.PdfDocument(file) as document:
        count = document.count_attachments()
        for name, content in _attached(document, min(count, MOST_ATTACHMENTS)):
            try:
                found.append((name, read_einvoice(io.BytesIO(content))))
            except RejectedInput as error:
                if name.lower() in NAMES or error.code != "not_an_einvoice":
                    findings.append(unreadable(f"{name[:80]!r}: {error.message}"))
    if count > MOST_ATTACHMENTS:
        findings.append(unreadable(f"only {MOST_ATTACHMENTS} of {count:,} files were looked at"))
    if not found:
        return Embedded(findings=tuple(findings))
    found.sort(key=lambda one: one[0].lower() not in NAMES)
    first = found[0][1]
    if any(_paid(other) != _paid(first) for _, other in found[1:]):
        findings.append(
            Issue(
                code="several_embedded_invoices",
                severity=Severity.REVIEW,
                field="document",
                message=f"the PDF contains {len(found)} e-invoices that differ: "
                + ", ".join(f"{name[:40]!r}" for name, _ in found),
            )
        )
    file.seek(0)
    pages = list(pages_of(file, both_ends=_COMPARED))
    return Embedded(
        einvoice=first,
        findings=(*findings, *differences(first, pages)),
        page_ibans=further_ibans(first, pages),
    )


def unreadable(why: str) -> Issue:
    """Why an embedded e-invoice was not read; its page may say something else than it."""
    return Issue(
        code="embedded_xml_unreadable",
        severity=Severity.REVIEW,
        field="document",
        message=f"the PDF contains an e-invoice that cannot be read: {why}",
    )


def _attached(document: Any, count: int) -> Iterator[tuple[str, bytes]]:
    """The embedded files that can be XML, by name or content."""
    for index in range(count):
        attachment = document.get_attachment(index)
        name = attachment.get_name()
        content = bytes(attachment.get_data())[: LARGEST_XML + 1]
        start = content[:64].lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")
        if name.lower() in NAMES or start.startswith(b"<"):
            yield name, content


def _paid(read: EInvoice) -> tuple[Any, ...]:
    """What is paid, to whom and for what."""
    totals = read.totals
    return (
        read.number,
        read.type_code,
        read.currency,
        totals.gross,
        totals.due,
        read.accounts,
        read.seller.name,
        read.seller.vat_id,
    )
