"""Sample invoices for the demo and the tests: several layouts, languages and currencies, made here.

    python scripts/sample_invoices.py FOLDER

The same bytes every time. Vendors and addresses are invented.
"""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pypdfium2
from fpdf import FPDF
from PIL import Image, ImageChops

from sample_einvoices import Sale, ubl

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What stands on an invoice.

    Attributes:
        words: Its labels in its language.
        mark: Its decimal mark.
        layout: Where dates and numbers stand: `beside` their labels, or `below` them in a row, with
            the vendor at the right.
    """

    vendor: str
    address: Sequence[str]
    receiver: Sequence[str]
    number: str
    date: str
    due: str
    sign: str
    lines: Sequence[tuple[str, str, str]]
    tax_percent: str
    words: Mapping[str, str]
    mark: str = "."
    digits: int = 2
    total: str = ""
    footer: str = ""
    colour: tuple[int, int, int] = (31, 58, 95)
    rows_a_page: int = 22
    layout: str = "beside"

    def amount(self, value: Decimal) -> str:
        """An amount as the document writes it."""
        text = f"{value:,.{self.digits}f}"
        return text if self.mark == "." else text.translate(str.maketrans(",.", ".,"))

    @property
    def sums(self) -> tuple[Decimal, Decimal, Decimal]:
        """Subtotal, tax and total; the total is wrong where one is given."""
        unit = Decimal(1).scaleb(-self.digits)
        subtotal = sum((Decimal(q) * Decimal(price) for _, q, price in self.lines), Decimal(0))
        tax = (subtotal * Decimal(self.tax_percent) / 100).quantize(unit)
        return subtotal.quantize(unit), tax, Decimal(self.total or subtotal + tax).quantize(unit)


ENGLISH = {
    "title": "Invoice",
    "number": "Invoice number",
    "date": "Invoice date",
    "due": "Due date",
    "to": "Bill to",
    "item": "Description",
    "quantity": "Qty",
    "price": "Unit price",
    "amount": "Amount",
    "subtotal": "Subtotal",
    "tax": "VAT",
    "total": "Total due",
    "page": "Page {} of {}",
}
GERMAN = {
    "title": "Rechnung",
    "number": "Rechnungsnummer",
    "date": "Rechnungsdatum",
    "due": "Fällig am",
    "to": "Rechnung an",
    "item": "Bezeichnung",
    "quantity": "Menge",
    "price": "Einzelpreis",
    "amount": "Betrag",
    "subtotal": "Nettobetrag",
    "tax": "MwSt.",
    "total": "Gesamtbetrag",
    "page": "Seite {} von {}",
}
FRENCH = {
    "title": "Facture",
    "number": "Facture n°",
    "date": "Date de facture",
    "due": "Échéance",
    "to": "Facturé à",
    "item": "Désignation",
    "quantity": "Quantité",
    "price": "Prix unitaire",
    "amount": "Montant",
    "subtotal": "Total HT",
    "tax": "TVA",
    "total": "Total TTC",
    "page": "Page {} sur {}",
}
DUTCH = {
    "title": "Factuur",
    "number": "Factuurnummer",
    "date": "Factuurdatum",
    "due": "Vervaldatum",
    "to": "Factuur aan",
    "item": "Omschrijving",
    "quantity": "Aantal",
    "price": "Prijs",
    "amount": "Bedrag",
    "subtotal": "Subtotaal",
    "tax": "BTW",
    "total": "Totaal",
    "page": "Pagina {} van {}",
}

HARBOUR = ("Harbour Foods Ltd", "Accounts payable", "4 Quay Street", "Bristol BS1 4AB")

MILLER = Paper(
    vendor="Miller & Sons Bakery Ltd",
    address=("12 Mill Lane", "London W1A 1AA", "accounts@miller-sons.example.com"),
    receiver=HARBOUR,
    number="MS-2026-0412",
    date="31 March 2026",
    due="30 April 2026",
    sign="£",
    lines=(
        ("Sourdough loaf, 800 g", "240", "2.15"),
        ("Croissant, butter", "600", "0.92"),
        ("Delivery before 6 a.m.", "22", "14.50"),
    ),
    tax_percent="20",
    words=ENGLISH,
    footer="Miller & Sons Bakery Ltd - VAT number GB 123 4567 82 - Payment within 30 days",
)
WERKE = Paper(
    vendor="Nordhafen Werke GmbH",
    address=("Kaistraße 7", "20457 Hamburg", "rechnung@nordhafen-werke.example.com"),
    receiver=("Harbour Foods GmbH", "Speicherweg 2", "28195 Bremen"),
    number="RE-88213",
    date="15.03.2026",
    due="14.04.2026",
    sign="EUR",
    lines=(
        ("Kühlaggregat KA-200, Wartung", "1", "1480.00"),
        ("Ersatzfilter", "12", "34.90"),
        ("Anfahrt", "2", "65.00"),
    ),
    tax_percent="19",
    words=GERMAN,
    mark=",",
    footer="Nordhafen Werke GmbH - USt-IdNr. DE123456789 - IBAN DE00 1234 5678 9012 3456 78",
    colour=(120, 30, 30),
)
RIVIERE = Paper(
    vendor="Papeterie Rivière SARL",
    address=("8 rue des Tanneurs", "69002 Lyon", "contact@papeterie-riviere.example.com"),
    receiver=("Harbour Foods SAS", "3 quai Victor", "13002 Marseille"),
    number="F2026-0077",
    date="02/03/2026",
    due="31/03/2026",
    sign="€",
    lines=(("Ramettes A4, 80 g", "50", "4.35"), ("Classeurs", "30", "2.90")),
    tax_percent="20",
    words=FRENCH,
    mark=",",
    footer="Papeterie Rivière SARL - TVA FR12345678901",
    colour=(20, 90, 70),
    layout="below",
)
GRACHT = Paper(
    vendor="Gracht Logistiek B.V.",
    address=("Herenkade 101", "1017 AB Amsterdam", "www.gracht-logistiek.example.com"),
    receiver=("Harbour Foods B.V.", "Havenweg 9", "3011 AA Rotterdam"),
    number="20260031",
    date="19 maart 2026",
    due="18 april 2026",
    sign="€",
    lines=tuple(
        (f"Rit {n}, koelwagen naar magazijn {n % 7 + 1}", "1", f"{180 + n}.50")
        for n in range(1, 31)
    ),
    tax_percent="21",
    words=DUTCH,
    mark=",",
    footer="Gracht Logistiek B.V. - BTW NL001234567B01",
    colour=(90, 60, 140),
)
SUNRISE = Paper(
    vendor="Sunrise Cloud Inc.",
    address=("500 Market Street", "San Francisco, CA 94105", "billing@sunrise-cloud.example.com"),
    receiver=("Harbour Foods Inc.", "90 State Street", "Boston, MA 02109"),
    number="SC-100245",
    date="03/31/2026",
    due="04/30/2026",
    sign="$",
    lines=(("Compute, on demand", "730", "1.2400"), ("Support plan", "1", "250.00")),
    tax_percent="0",
    words={**ENGLISH, "tax": "Sales tax", "total": "Total (USD)"},
    footer="Sunrise Cloud Inc. - Terms: net 30",
    colour=(200, 110, 20),
    layout="below",
)
SAKURA = Paper(
    vendor="Sakura Trading K.K.",
    address=("2-1 Marunouchi", "Tokyo 100-0005, Japan"),
    receiver=HARBOUR,
    number="ST-0055",
    date="2026-03-20",
    due="2026-04-20",
    sign="JPY",
    lines=(("Green tea, 1 kg", "40", "3200"), ("Freight", "1", "18500")),
    tax_percent="10",
    words=ENGLISH,
    digits=0,
    footer="Sakura Trading K.K.",
    colour=(180, 60, 100),
)
UNCLEAR = Paper(
    vendor="Contoured Signs Ltd",
    address=("1 Industry Park",),
    receiver=("Harbour Foods", "Unit 5"),
    number="CS-9",
    date="03/04/2026",
    due="05/04/2026",
    sign="USD",
    lines=(("Sign, painted", "1", "100.00"),),
    tax_percent="0",
    words={**ENGLISH, "tax": "Tax"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A file, what it shows, and what becomes of it.

    Attributes:
        statuses: Of the invoices in it, when all samples are dropped in order.
        fields: What must be read of the first.
    """

    name: str
    content: bytes
    what: str
    statuses: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict)


def samples() -> list[Sample]:
    """All samples, in the order in which they are dropped."""
    wrong = _with(MILLER, number="MS-2026-0413", date="28 March 2026", total="1558.20")
    return [
        _sample("miller.pdf", pdf(MILLER), "English, pounds", MILLER),
        _sample("nordhafen.pdf", pdf(WERKE), "German, decimal commas", WERKE),
        _sample("riviere.pdf", pdf(RIVIERE), "French, day before month", RIVIERE),
        _sample("gracht.pdf", pdf(GRACHT), "Dutch, two pages, sums on the second", GRACHT),
        _sample("sunrise.pdf", pdf(SUNRISE), "American, month before day", SUNRISE),
        _sample("sakura.pdf", pdf(SAKURA), "yen, which have no decimals", SAKURA),
        _sample(
            "scan.png",
            scan(
                _with(
                    MILLER,
                    number="MS-2026-0399",
                    date="12 March 2026",
                    due="11 April 2026",
                    vendor="Oakfield Dairy Ltd",
                    footer="Oakfield Dairy Ltd",
                ),
                "PNG",
            ),
            "a scan, a little askew",
            _with(
                MILLER,
                number="MS-2026-0399",
                date="12 March 2026",
                due="11 April 2026",
                vendor="Oakfield Dairy Ltd",
                footer="",
            ),
            statuses=("PROCESSED", "NEEDS_REVIEW"),
        ),
        Sample(
            name="miller again.pdf",
            content=pdf(MILLER),
            what="the first one again, under another name",
            statuses=("DUPLICATE",),
        ),
        Sample(
            name="wrong-sum.pdf",
            content=pdf(wrong),
            what="subtotal and tax are not the total",
            statuses=("NEEDS_REVIEW",),
        ),
        Sample(
            name="unclear-date.pdf",
            content=pdf(UNCLEAR),
            what="03/04/2026: March or April?",
            statuses=("NEEDS_REVIEW",),
        ),
        Sample(
            name="two-invoices.pdf",
            content=pdf(
                _with(WERKE, number="RE-88300", lines=(("Ersatzfilter", "3", "34.90"),)),
                _with(WERKE, number="RE-88301", lines=(("Anfahrt", "1", "65.00"),)),
            ),
            what="two invoices in one file",
            statuses=("PROCESSED", "PROCESSED"),
        ),
        Sample(
            name="locked.pdf",
            content=_locked(),
            what="a PDF with a password",
            statuses=("REJECTED",),
        ),
        Sample(
            name="letter.pdf",
            content=b"PK\x03\x04" + bytes(100),
            what="an Office document that is called .pdf",
            statuses=("REJECTED",),
        ),
        Sample(
            name="baeckerei.xml",
            content=ubl(Sale(due="2099-12-31")),
            what="an e-invoice (Peppol), read without Textract",
            statuses=("PROCESSED",),
        ),
        Sample(
            name="order-5501.json",
            content=as_json("5501", "2099-12-31"),
            what="an invoice as JSON",
            statuses=("PROCESSED",),
        ),
        Sample(
            name="order-5502.json",
            content=as_json("5502", "2099-12-31", amount="-3"),
            what="JSON with a negative amount",
            statuses=("VALIDATION_FAILED",),
        ),
    ]


def make(folder: Path) -> list[Sample]:
    """Write all samples into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = samples()
    for one in made:
        (folder / one.name).write_bytes(one.content)
    return made


def _with(paper: Paper, **changes: object) -> Paper:
    return replace(paper, **changes)  # type: ignore[arg-type]


def _sample(
    name: str,
    content: bytes,
    what: str,
    paper: Paper,
    statuses: tuple[str, ...] = ("PROCESSED",),
) -> Sample:
    subtotal, tax, total = paper.sums
    return Sample(
        name=name,
        content=content,
        what=what,
        statuses=statuses,
        fields={
            "vendor": paper.vendor,
            "invoice_number": paper.number,
            "subtotal": f"{subtotal:f}",
            "tax": f"{tax:f}",
            "total": f"{total:f}",
        },
    )


def pdf(*papers: Paper) -> bytes:
    """A PDF with these invoices, one after the other."""
    made = FPDF(format="A4")
    made.core_fonts_encoding = "windows-1252"
    made.set_creation_date(CREATED)
    made.set_producer("samples")
    made.set_auto_page_break(auto=False)
    for paper in papers:
        _draw(made, paper)
    return bytes(made.output())


def _draw(made: FPDF, paper: Paper) -> None:
    pages = [
        paper.lines[at : at + paper.rows_a_page]
        for at in range(0, len(paper.lines), paper.rows_a_page)
    ]
    for number, rows in enumerate(pages, 1):
        made.add_page()
        _letterhead(made, paper)
        _facts(made, paper)
        at = _table(made, paper, rows)
        if number == len(pages):
            _sums(made, paper, at)
        made.set_font("Helvetica", size=8)
        made.set_text_color(110, 110, 110)
        made.set_xy(15, 280)
        made.cell(150, 5, paper.footer)
        made.cell(30, 5, paper.words["page"].format(number, len(pages)), align="R")


def _letterhead(made: FPDF, paper: Paper) -> None:
    left = 15 if paper.layout == "beside" else 110
    made.set_fill_color(*paper.colour)
    made.rect(left, 14, 9, 9, style="F")
    made.ellipse(left + 3, 17, 9, 9, style="F")
    made.set_text_color(*paper.colour)
    made.set_font("Helvetica", "B", 17 if paper.layout == "beside" else 13)
    made.set_xy(left + 15, 14)
    made.cell(80, 9, paper.vendor)
    made.set_font("Helvetica", size=9)
    made.set_text_color(80, 80, 80)
    for row, text in enumerate(paper.address):
        made.set_xy(left + 15, 23 + 4.5 * row)
        made.cell(80, 4.5, text)


def _facts(made: FPDF, paper: Paper) -> None:
    words = paper.words
    beside = paper.layout == "beside"
    made.set_text_color(0, 0, 0)
    made.set_font("Helvetica", "B", 20)
    made.set_xy(*((120, 44) if beside else (15, 14)))
    made.cell(75, 10, words["title"], align="R" if beside else "L")
    at = 56 if beside else 38
    made.set_font("Helvetica", "B", 9)
    made.set_xy(15, at)
    made.cell(60, 5, f"{words['to']}:")
    made.set_font("Helvetica", size=10)
    for row, text in enumerate(paper.receiver):
        made.set_xy(15, at + 5 + 5 * row)
        made.cell(80, 5, text)
    for place, (label, value) in enumerate(
        (
            (words["number"], paper.number),
            (words["date"], paper.date),
            (words["due"], paper.due),
        )
    ):
        made.set_font("Helvetica", size=10)
        if beside:
            made.set_xy(115, 60 + 6 * place)
            made.cell(40, 6, f"{label}:")
            made.set_font("Helvetica", "B", 10)
            made.cell(40, 6, value, align="R")
            continue
        made.set_draw_color(*paper.colour)
        made.line(15 + 60 * place, 70, 70 + 60 * place, 70)
        made.set_xy(15 + 60 * place, 72)
        made.cell(55, 5, label)
        made.set_font("Helvetica", "B", 10)
        made.set_xy(15 + 60 * place, 78)
        made.cell(55, 5, value)


_COLUMNS = (
    (15, 95, "item", "L"),
    (110, 20, "quantity", "R"),
    (130, 30, "price", "R"),
    (160, 35, "amount", "R"),
)


def _table(made: FPDF, paper: Paper, rows: Sequence[tuple[str, str, str]]) -> float:
    made.set_fill_color(*paper.colour)
    made.set_text_color(255, 255, 255)
    made.set_font("Helvetica", "B", 9)
    for left, width, name, align in _COLUMNS:
        made.set_xy(left, 92)
        made.cell(width, 7, paper.words[name], align=align, fill=True)
    made.set_text_color(0, 0, 0)
    made.set_font("Helvetica", size=9)
    at = 101.0
    for what, quantity, price in rows:
        amount = Decimal(quantity) * Decimal(price)
        unit = Decimal(price)
        cells = (what, quantity, paper.amount(unit), paper.amount(amount))
        for (left, width, _, align), text in zip(_COLUMNS, cells, strict=True):
            made.set_xy(left, at)
            made.cell(width, 6, text, align=align)
        made.set_draw_color(220, 220, 220)
        made.line(15, at + 6.5, 195, at + 6.5)
        at += 7.2
    return at


def _sums(made: FPDF, paper: Paper, at: float) -> None:
    words = paper.words
    subtotal, tax, total = paper.sums
    before = paper.sign in {"$", "£"}

    def shown(value: Decimal) -> str:
        text = paper.amount(value)
        return f"{paper.sign}{text}" if before else f"{text} {paper.sign}"

    for row, (label, value, style) in enumerate(
        (
            (words["subtotal"], subtotal, ""),
            (f"{words['tax']} {paper.tax_percent}%", tax, ""),
            (words["total"], total, "B"),
        )
    ):
        made.set_font("Helvetica", style, 11 if style else 10)
        made.set_xy(115, at + 6 + 7 * row)
        made.cell(45, 7, label)
        made.cell(35, 7, shown(value), align="R")


def scan(paper: Paper, form: str) -> bytes:
    """The invoice as a scanner sees it: grey, noisy and a little askew."""
    document = pypdfium2.PdfDocument(pdf(paper))
    image = document[0].render(scale=200 / 72).to_pil().convert("L")
    document.close()
    chance = random.Random(7)
    noise = Image.frombytes("L", image.size, chance.randbytes(image.width * image.height))
    image = ImageChops.multiply(image, noise.point(lambda value: 232 + value // 11))
    image = image.rotate(0.4, fillcolor=240, resample=Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def _locked() -> bytes:
    made = FPDF()
    made.set_creation_date(CREATED)
    made.add_page()
    made.set_font("Helvetica", size=12)
    made.cell(0, 10, "Secret")
    made.set_encryption(owner_password="owner", user_password="user")
    return bytes(made.output())


def as_json(number: str, due: str, amount: str = "349.00") -> bytes:
    """An invoice in the JSON contract's shape."""
    invoice = {
        "invoiceId": number,
        "customerId": "harbour-foods",
        "customerEmail": "payable@example.com",
        "amount": amount,
        "dueDate": due,
        "description": "Monthly subscription",
        "items": [{"description": "Seats", "quantity": 10, "rate": "34.90"}],
    }
    return json.dumps({"invoice": invoice}, indent=2).encode()


def main() -> None:
    """Write the samples."""
    if len(sys.argv) != 2:
        sys.exit("usage: sample_invoices.py FOLDER")
    for one in make(Path(sys.argv[1])):
        print(f"{one.name:22} {one.what}")


if __name__ == "__main__":
    main()
