"""Proposes the format of a file whose columns are not known, for a person to confirm.

Headers are compared with names in several languages, and values with what a column may hold. What
could be read in two ways is asked, not chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from finops.billing.schemas import spelt_alike
from finops.shared.money import major_of, was_currency


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnGuess:
    """What a column of a file probably holds.

    Attributes:
        column: Of a bill, or `debit` and `credit`.
        header: In the file.
        confidence: From 0 to 1.
        reason: What it rests on.
    """

    column: str
    header: str
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A format for a file.

    Attributes:
        columns: What its columns hold; in the order of the file.
        document: The format, as far as it is certain.
        questions: What a person must say before the file can be loaded rightly.
    """

    columns: tuple[ColumnGuess, ...]
    document: dict[str, Any]
    questions: tuple[str, ...]


#: Names of columns in English, German, French, Spanish, Italian, Dutch, Portuguese, Polish,
#: Swedish, Danish and Czech. The first ones are the most certain.
_NAMES: Final = {
    "record_id": "id, record id, transaction id, invoice number, invoice no, invoice id, invoice, "
    "document number, document no, bill number, number, num, voucher, voucher no, reference, "
    "rechnungsnummer, rechnungsnr, rechnung nr, belegnummer, belegnr, beleg, nummer, numéro, "
    "numéro de facture, n° facture, no facture, numero factura, número de factura, nº factura, "
    "factura, numero fattura, fattura, factuurnummer, número da fatura, nº da fatura, fatura, "
    "numer faktury, nr faktury, fakturanummer, fakturanr, číslo faktury, transaktionsnummer, "
    "nr, no, lfd nr, rechnung, rechnungs nr",
    "bill_date": "bill date, invoice date, date, document date, issue date, created, created utc, "
    "transaction date, posting date, rechnungsdatum, belegdatum, datum, buchungsdatum, "
    "ausstellungsdatum, date de facture, date facture, date d'émission, fecha, fecha factura, "
    "fecha de factura, data, data fattura, data documento, factuurdatum, data da fatura, "
    "data de emissão, data wystawienia, data faktury, fakturadatum, fakturadato, dato, "
    "datum vystavení",
    "currency": "currency, currency code, ccy, währung, waehrung, währungscode, devise, monnaie, "
    "moneda, divisa, valuta, moeda, waluta, valutakod, měna",
    "bill_amount": "bill amount, amount, total, invoice total, total amount, grand total, gross, "
    "amount due, net amount, net, betrag, rechnungsbetrag, gesamtbetrag, bruttobetrag, summe, "
    "umsatz, montant, montant total, montant ttc, total ttc, importe, importe total, monto, "
    "importo, totale, importo totale, bedrag, totaalbedrag, totaal, valor, valor total, montante, "
    "kwota, kwota brutto, wartość, belopp, summa, beløb, částka, celkem, netto, brutto, "
    "nettobetrag, montant ht, total ht, importe neto, importe bruto, importo netto, "
    "importo lordo, imponibile, kwota netto, valor líquido, valor bruto",
    "company_name": "company name, company, customer, customer name, client, client name, vendor, "
    "supplier, name, contact name, kunde, kundenname, firma, lieferant, name des kunden, société, "
    "nom du client, fournisseur, cliente, nombre del cliente, empresa, proveedor, ragione sociale, "
    "fornitore, klant, klantnaam, leverancier, fornecedor, klient, kontrahent, nabywca, kund, "
    "kundnamn, zákazník",
    "country": "country, country code, land, pays, país, pais, paese, kraj, land code, země",
    "city": "city, town, ort, stadt, ville, ciudad, città, plaats, cidade, miasto, stad, by, město",
    "product_line": "product line, product, category, service, produkt, produktlinie, kategorie, "
    "warengruppe, produit, catégorie, producto, categoría, prodotto, categoria, product categorie, "
    "produto, kategoria",
    "item": "item, description, memo, memo/description, line item, details, text, position, "
    "bezeichnung, beschreibung, buchungstext, verwendungszweck, libellé, désignation, descripción, "
    "concepto, descrizione, omschrijving, descrição, opis, beskrivning, beskrivelse, popis",
    "debit": "debit, debits, charge, charges, soll, belastung, débit, cargo, debe, dare, addebito, "
    "af, débito, debet, obciążenie",
    "credit": "credit, credits, refund, haben, gutschrift, crédit, abono, haber, avere, accredito, "
    "bij, crédito, kredit, uznanie",
}
_NEEDED: Final = ("record_id", "bill_date", "currency", "bill_amount")
_BY_NAME: Final = {
    spelt_alike(name).strip("*.:#"): (column, 0.9 if place < 12 else 0.85)
    for column, names in _NAMES.items()
    for place, name in enumerate(names.split(", "))
}
#: Forms in which a date is read one way only, once a day above 12 shows which part it is.
_DATES: Final = (
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%Y%m%d", "%d%m%Y"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%y-%m-%d", "%d-%m-%y", "%m-%d-%y", "%y/%m/%d"),
    *("%y.%m.%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y"),
    *("%B %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"),
)
#: The confidence of a header that is one of the names, as a whole.
_WHOLE_NAME: Final = 0.85
#: Values of a column that says which amounts are charges and which are credits.
_SIGNS: Final = [
    {"s", "h"}, {"d", "c"}, {"d", "k"}, {"dr", "cr"}, {"dt", "ct"}, {"dbit", "crdt"},
    {"debit", "credit"}, {"soll", "haben"}, {"af", "bij"}, {"debe", "haber"}, {"débit", "crédit"},
    {"dare", "avere"}, {"+", "-"},
]  # fmt: skip
#: Values that say that a row is a credit, or no bill.
_NO_CHARGES: Final = frozenset(
    {"credit note", "credit memo", "credit", "creditnota", "gutschrift", "rechnungskorrektur"}
    | {"avoir", "nota de crédito", "nota di credito", "abono", "refund", "refunded", "void"}
    | {"voided", "draft", "cancelled", "canceled", "failed", "declined", "pending", "entwurf"}
    | {"storno", "storniert", "annulé", "annulée", "brouillon", "anulada", "borrador", "bozza"}
    | {"annullata", "concept", "rejected", "reversed", "reversal", "chargeback", "korekta"}
    | {"reverted"}
)
#: In the title of a column whose amounts are not in units of a currency.
_OTHER_UNIT: Final = re.compile(
    r"\b(?:cents?|pence|pennies|centimes|centimos|øre|öre|rappen|groszy|minor|teur|tusd|tchf|keur"
    r"|kusd|kgbp|tsd|tausend|thousands?|mio|mln|millions?|milliers|miles|000s?)\b|\b[kt][€$]",
    re.IGNORECASE,
)
_ISO_DAY = re.compile(r"\d{4}([-/])\d\d\1\d\d(?:[T ].{4,30})?", re.ASCII)
_GROUPED = re.compile(r"[+-]?\d{1,3}([.,' \u00a0\u202f])\d{3}", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d[\d.,' \u00a0\u202f]*", re.ASCII)


def propose(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Proposal:
    """A format for a file with this header.

    Args:
        header: Its cells.
        rows: The cells of its first records, as many as there are at hand.
    """
    found: dict[str, ColumnGuess] = {}
    named: dict[str, list[ColumnGuess]] = {}
    for position, title in enumerate(header):
        values = [text for row in rows if (text := row[position].strip())]
        for guess in _guesses(title, values):
            named.setdefault(guess.column, []).append(guess)
            held = found.get(guess.column)
            if held is None or guess.confidence > held.confidence:
                found[guess.column] = guess
    return _Writer(header, rows, found, named).proposal()


def is_header(cells: Sequence[str]) -> bool:
    """Whether the cells of a record are titles of bills: three of id, day, currency and amount."""
    if any(map(str.isdigit, "".join(cells))):
        return False
    found = {one.column for title in cells for one in _guesses(title, [])}
    amounts = {"bill_amount", "debit", "credit"}
    return (
        len({"bill_amount" if one in amounts else one for one in found}.intersection(_NEEDED)) > 2
    )


def _guesses(title: str, values: Sequence[str]) -> Iterator[ColumnGuess]:
    spelt = spelt_alike(re.sub(r"\(.*?\)", "", title)).strip("*.:#")
    named = _BY_NAME.get(spelt)
    words = "header"
    if named is None:
        parts = {spelt_alike(one).strip("*.:#") for one in re.split(r"[^\w°']+", title) if one}
        inside = [_BY_NAME[one] for one in sorted(parts) if one in _BY_NAME]
        # "Debit Amount" is a debit.
        inside = [one for one in inside if one[0] in {"debit", "credit"}] or inside
        # "Invoice Amount" is an amount.
        inside = [one for one in inside if one[0] != "record_id"] or inside
        named = (inside[0][0], 0.6) if len({column for column, _ in inside}) == 1 else None
        words = "a word of the header"
    if named:
        column, confidence = named
        test = _TESTS.get(column)
        if not values or test is None:
            yield ColumnGuess(column=column, header=title, confidence=confidence, reason=words)
        elif all(map(test, values)):
            yield ColumnGuess(
                column=column,
                header=title,
                confidence=round(confidence + 0.08, 2),
                reason=f"{words}, and all values fit",
            )
    elif values and all(map(_is_currency, values)):
        yield ColumnGuess(
            column="currency", header=title, confidence=0.7, reason="all values are currencies"
        )


def _is_currency(text: str) -> bool:
    return len(text) == 3 and not major_of(text) and was_currency(text.upper())


def is_day(text: str) -> bool:
    """Whether a text is a day in one of the forms that programs write."""
    return bool(_ISO_DAY.fullmatch(text)) or any(_reads(text, form) for form in _DATES)


def is_day_in(text: str, form: str) -> bool:
    """Whether a text is a day in a form of strptime, as the loader reads it."""
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - a day has no time zone
    except ValueError:
        return False
    return True


def _is_number(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text))


_TESTS: Final[dict[str, Callable[[str], bool]]] = {
    "bill_date": is_day,
    "currency": _is_currency,
    "bill_amount": _is_number,
    "debit": _is_number,
    "credit": _is_number,
}


class _Writer:
    """Writes the format of what was found, and asks for the rest."""

    def __init__(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        found: dict[str, ColumnGuess],
        named: dict[str, list[ColumnGuess]],
    ) -> None:
        self._header = header
        self._rows = rows
        self._found = found
        self._named = named
        self._questions: list[str] = []
        self._document: dict[str, Any] = {}

    def proposal(self) -> Proposal:
        both = {"debit", "credit"} <= self._found.keys() and "bill_amount" not in self._found
        for name in ("debit", "credit"):
            if both:
                self._document[name] = self._found[name].header
            else:
                self._found.pop(name, None)
        columns = {
            name: guess.header
            for name, guess in self._found.items()
            if name not in {"debit", "credit"}
        }
        self._identify(columns)
        self._document |= {"columns": columns} if columns else {}
        self._ask_for_needed(both)
        if not both:
            self._ask_for_kinds()
        self._say_days()
        self._say_numbers(("debit", "credit") if both else ("bill_amount",))
        order = {title: at for at, title in enumerate(self._header)}
        return Proposal(
            columns=tuple(sorted(self._found.values(), key=lambda one: order[one.header])),
            document={name: self._document[name] for name in sorted(self._document)},
            questions=tuple(self._questions),
        )

    def _values(self, name: str) -> list[str]:
        if name not in self._found:
            return []
        at = self._header.index(self._found[name].header)
        return [text for row in self._rows if (text := row[at].strip())]

    def _identify(self, columns: dict[str, str]) -> None:
        ids = self._values("record_id")
        if "record_id" in columns and len(set(ids)) == len(ids) == len(self._rows):
            return
        repeated = columns.pop("record_id", "")
        self._found.pop("record_id", None)
        parts = [repeated, *(columns.get(one, "") for one in ("bill_date", "company_name", "item"))]
        self._document["id_from"] = [one for one in parts if one]
        because = (
            f"{repeated!r} repeats, or is empty, in the first rows"
            if repeated
            else "no id is there"
        )
        self._questions.append(
            f"id_from: {because}. Name the columns that together tell one bill from all others, "
            "and that a correction leaves as they are (or columns.record_id, if one does)"
        )

    def _ask_for_needed(self, both: bool) -> None:
        asked = {
            "bill_date": "columns.bill_date: which column is the day of a bill?",
            "currency": "defaults.currency: no column holds a currency; in which one are amounts?",
            "bill_amount": "columns.bill_amount: which column is the amount of a bill?",
        }
        for name, question in asked.items():
            if name not in self._found and not (name == "bill_amount" and both):
                self._questions.append(question)
        if amounts := self._rivals("bill_amount"):
            self._questions.append(
                f"columns.bill_amount: {amounts} hold amounts; which one is the bill's, with or "
                "without taxes and fees?"
            )
        if currencies := self._rivals("currency"):
            self._questions.append(
                f"columns.currency: {currencies} hold currencies; in which one are the amounts?"
            )
        self._ask_for_units_and_lines()
        if days := self._rivals("bill_date"):
            self._questions.append(
                f"columns.bill_date: {days} hold days; which one is the day of a bill?"
            )

    def _ask_for_units_and_lines(self) -> None:
        """Ask where an amount is not one of a currency, or is not that of its line."""
        for name in ("bill_amount", "debit", "credit"):
            header = self._found[name].header if name in self._found else ""
            if _OTHER_UNIT.search(header):
                self._questions.append(
                    f"columns.bill_amount: {header!r} names another unit than that of a currency, "
                    "and amounts are loaded as they stand; is there a column of whole units?"
                )
        if "bill_amount" not in self._found:
            return
        amount = self._header.index(self._found["bill_amount"].header)
        for guess in self._named.get("record_id", ()):
            at = self._header.index(guess.header)
            lines: dict[str, list[str]] = {}
            for row in self._rows:
                lines.setdefault(row[at].strip(), []).append(row[amount].strip())
            several = [texts for key, texts in lines.items() if key and len(texts) > 1]
            # Only the first line of an invoice may have it.
            if several and all(len({*filter(None, one)}) < 2 for one in several):
                self._questions.append(
                    f"columns.bill_amount: {self._header[amount]!r} is the same on all lines of a "
                    f"{guess.header!r}, and would count once for each; which column is the amount "
                    "of a line?"
                )
                return

    def _rivals(self, name: str) -> str:
        """The headers that may as well mean a column, as a question names them; empty for one."""
        guesses = [one for one in self._named.get(name, ()) if self._filled(one.header)]
        whole = [one for one in guesses if one.confidence >= _WHOLE_NAME]
        headers = [one.header for one in whole or guesses]
        return " and ".join(map(repr, headers)) if len(headers) > 1 else ""

    def _filled(self, header: str) -> bool:
        at = self._header.index(header)
        return any(row[at].strip() for row in self._rows)

    def _ask_for_kinds(self) -> None:
        """Ask where a column tells charges from credits, or rows that are no bills."""
        used = {guess.header for guess in self._found.values()}
        for at, title in enumerate(self._header):
            if title in used:
                continue
            told = {text for row in self._rows if (text := row[at].strip())}
            folded = {text.casefold() for text in told}
            if len(folded) == 2 and folded in _SIGNS:
                self._questions.append(
                    f"sign: {title!r} holds {' and '.join(sorted(map(repr, told)))}; which are "
                    "charges, and which are credits?"
                )
            elif others := sorted(text for text in told if text.casefold() in _NO_CHARGES):
                self._questions.append(
                    f"rows: {title!r} holds {' and '.join(map(repr, others))}; say which rows are "
                    "bills, or by sign which amounts are credits"
                )

    def _say_days(self) -> None:
        days = self._values("bill_date")
        if not days or all(map(_ISO_DAY.fullmatch, days)):
            return
        forms = [form for form in _DATES if all(_reads(text, form) for text in days)]
        if len(forms) == 1:
            self._document["date_formats"] = forms
        else:
            could = " or ".join(forms) or "more than one form"
            self._questions.append(f"date_formats: {days[0]!r} could be {could}; say which")

    def _say_numbers(self, names: Sequence[str]) -> None:
        texts = [text for name in names for text in self._values(name)]
        marks = {mark for text in texts for mark in [_decimal_mark(text)] if mark}
        groups = {found[1] for text in texts if (found := _GROUPED.match(text))}
        unsure = [one for one in texts if not _decimal_mark(one) and re.search(r"[.,]", one)]
        if len(marks) > 1:
            self._questions.append("decimal_comma: amounts have both a decimal comma and a point")
            return
        if not marks and unsure:
            self._questions.append(
                f"decimal_comma: {unsure[0]!r} could be a thousand or a fraction; say "
                "decimal_comma, and thousands"
            )
            return
        if marks == {","}:
            self._document["decimal_comma"] = True
        thousands = groups - marks
        if len(thousands) == 1:
            self._document["thousands"] = thousands.pop()


def _reads(text: str, form: str) -> bool:
    try:
        return datetime.strptime(text, form).strftime(form).lower() == text.lower()  # noqa: DTZ007
    except ValueError:
        return False


def _decimal_mark(text: str) -> str:
    """The decimal mark of a number, where it shows: another mark before it, or not three digits."""
    marks: list[str] = re.findall(r"[.,]", text)
    if not marks:
        return ""
    last = marks[-1]
    digits = len(text) - text.rindex(last) - 1
    if len(set(marks)) == 2:
        return last if marks.count(last) == 1 else ""
    if marks.count(last) > 1 or digits == 3:
        return ""
    return last
