"""Words that name a line of totals, in the languages of spreadsheets."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from finops.shared.money import was_currency

#: The reason of such a line in the quarantine.
TOTALS_ROW: Final = "totals_row"
#: Words of which nothing but totals has its name; with what is summed they still name totals.
_SURE: Final = frozenset(
    # English, German, Dutch
    {"subtotal", "subtotals", "gesamt", "insgesamt", "gesamtsumme", "gesamtbetrag", "summe"}
    | {"summen", "zwischensumme", "teilsumme", "endsumme", "endbetrag", "gesamtergebnis"}
    | {"teilergebnis", "subtotaal", "eindtotaal", "totaalbedrag"}
    # Romance languages
    | {"subtotale", "subtotales", "subtotais"}
    # Nordic and Baltic languages
    | {"delsumma", "delsum", "totalsumma", "slutsumma", "totalbeløb", "yhteensä", "välisumma"}
    | {"kokku", "kopā", "starpsumma"}
    # Slavic languages, Greek
    | {"ogółem", "łącznie", "celkem", "součet", "mezisoučet", "súčet", "medzisúčet", "ukupno"}
    | {"sveukupno", "međuzbroj", "skupaj", "итого", "итог", "всего", "подытог", "промежуточный"}
    | {"усього", "всього", "підсумок", "общо", "всичко", "укупно", "σύνολο", "υποσύνολο"}
    # Hungarian, Turkish
    | {"összesen", "mindösszesen", "végösszeg", "részösszeg", "toplam", "aratoplam"}
)
#: Words for totals that are names of companies and products, too, or say something else.
_ALSO_NAMES: Final = frozenset(
    {
        "total",
        "totals",
        "totale",
        "totali",
        "totales",
        "totais",
        "totaux",
        "totaal",
        "totalt",
        "sum",
    }
    | {"suma", "summa", "somma", "somme", "soma", "som", "sumă", "razem", "spolu", "ergebnis"}
    | {"balance", "saldo", "overall", "сумма", "сума", "разом", "összeg", "jumlah", "genel"}
)
_WORDS: Final = _SURE | _ALSO_NAMES
#: Words of languages that write them together with others.
_PARTS: Final = (
    *("合計", "総計", "小計", "総合計", "总计", "合计", "小计", "总额", "總計", "共计", "共計"),
    *(
        "합계",
        "총계",
        "소계",
        "총합",
        "총액",
        "รวม",
        "المجموع",
        "الإجمالي",
        "إجمالي",
        "סה״כ",
        'סה"כ',
    ),
    *("कुल", "योग"),
)
#: Several words that name totals.
_PHRASES: Final = re.compile(
    r"(?:grand|sub|net|gross|overall|final|running|invoice)[ -]totals?\b"
    r"|totale?[ -](?:g[ée]n[ée]ral|geral|generale|complessivo|global|amount|due|sum|ttc|ht)\b"
    r"|sous[ -]tota(?:l|ux)\b|montant total\b|importe total\b|importo totale\b|valor total\b"
    r"|sum total\b|suma total\b|soma total\b|ara toplam\b|genel toplam\b|i alt\b|tổng"
    r"|סך הכל|общая сумма"
)
#: What is summed, as invoices name it: "Total invoice", "Total amount due EUR".
_OF_INVOICES: Final = frozenset(
    {"invoice", "invoices", "invoiced", "bill", "bills", "billed", "billing", "charge", "charges"}
    | {"cost", "costs", "amount", "amounts", "due", "payable", "payments", "price", "usage"}
    | {"spend", "net", "gross", "excl", "incl", "vat", "tax", "taxes", "fees", "credits", "value"}
    | {"facture", "factures", "rechnung", "rechnungen", "factura", "facturas", "fattura"}
)
#: What is summed: "Total for March", "Totals by customer".
_OF: Final = re.compile(r"(?:for|of|in|per|by|für|pour|de|di|por|voor|za|за)\s.*")
#: A year, a month or a day: 2026, 2026-03, 03/2026, Q1 2026.
_PERIOD: Final = re.compile(
    r"(?:q[1-4][ /-]?)?(?:19|20)\d\d(?:[-/.]\d{1,2}){0,2}|(?:\d{1,2}[-/.]){1,2}(?:19|20)\d\d"
    r"|[^\W\d]{3,12}\.? (?:19|20)\d\d"
)
_TOKEN = re.compile(r"[^\W\d_]+")
#: Marks that people set around them.
_MARKS: Final = " \t\xa0:.*=-_#<>[]()"
_HEADS: Final = frozenset({one[:3] for one in (*_WORDS, *_PARTS)} | {"gra", "tổn", "סך ", "i a"})
_TAILS: Final = frozenset(one[-3:] for one in (*_WORDS, *_PARTS))


def is_total(text: str) -> bool:
    """Whether a text where an id should be surely names a line of totals."""
    name = _plain(text)
    words = _TOKEN.findall(name)
    if not words:
        return False
    if words[0] in _SURE or name in _ALSO_NAMES or name.startswith(_PARTS):
        return True
    if _PHRASES.match(name):
        return True
    first, _, rest = name.partition(" ")
    return first.rstrip(":") in _ALSO_NAMES and _is_what_is_summed(rest.strip(_MARKS))


def is_name(text: str) -> bool:
    """Whether a word for totals may as well be a name, such as that of a company."""
    return _plain(text) in _ALSO_NAMES


def begin_with_total(texts: Collection[str]) -> set[str]:
    """Those of some texts that begin with a word for totals, or hold one after a mark."""
    heads = {one[:3] for one in texts}
    likely = {one for one in heads if one.lower() in _HEADS or not one[:1].isalnum()} - {""}
    found = (one for one in texts if one[:3] in likely) if likely else ()
    return {one for one in found if _mentions(_plain(one))}


def end_with_total(texts: Collection[str]) -> set[str]:
    """Those of some texts that end with such a word, such as `Acme Total`."""
    tails = {one[-3:] for one in texts}
    likely = {one for one in tails if one.lower() in _TAILS or not one[-1:].isalnum()} - {""}
    found = (one for one in texts if one[-3:] in likely) if likely else ()
    return {one for one in found if _mentions(_plain(one))}


def _mentions(name: str) -> bool:
    return (
        not _WORDS.isdisjoint(_TOKEN.findall(name))
        or any(part in name for part in _PARTS)
        or _PHRASES.search(name) is not None
    )


def _is_what_is_summed(text: str) -> bool:
    words = text.split()
    while words and words[0].strip(_MARKS) in _OF_INVOICES:
        words.pop(0)
    text = " ".join(words).strip(_MARKS)
    return (
        not text
        or (len(text) == 3 and was_currency(text.upper()))
        or _OF.fullmatch(text) is not None
        or _PERIOD.fullmatch(text) is not None
    )


def _plain(text: str) -> str:
    return text.strip(_MARKS).lower()
