"""The kind of a document, by its title and its structure; words in its sentences say nothing."""

# ruff: noqa: E501 - a pattern that is broken up is harder to read than a long one
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from finops.invoices.domain import InvoiceKind

_TITLES: Final = (
    (
        InvoiceKind.CREDIT_NOTE,
        r"credit[ -]?(?:notes?|memo(?:randum)?|invoice|advice)|adjustment note|refund(?: note)?|"
        r"(?:rechnungs|waren|kauf)?gutschrift(?:sanzeige)?|rechnungskorrektur|storno(?:rechnung|beleg)?|"
        r"korrekturrechnung|(?:facture )?(?:d.)?avoir|note de cr[ée]dit|credit(?:nota|factuur)|"
        r"(?:nota|factura) de (?:cr[ée]dito|abono)|factura rectificativa|abono|nota di credito|"
        r"kredit(?:nota|faktura|ering)|kreditnota|faktura koryguj[ąa]ca|korekta(?: faktury)?|dobropis|"
        r"hyvityslasku|odobrenje|jóváíró számla",
    ),
    (
        InvoiceKind.PRO_FORMA,
        r"pro[ -]?forma(?:[ -]?(?:invoice|rechnung|factuur|faktura))?|"
        r"(?:facture|factura|fattura|fatura|faktura) pro[ -]?forma|vorausrechnung|predračun|zálohová faktura",
    ),
    (
        InvoiceKind.PAYMENT_REMINDER,
        r"(?:payment |friendly |invoice |overdue )*reminder|reminder (?:notice|letter|of payment)|"
        r"(?:over|past[ -]?)due(?: (?:notice|invoice|payment|account))?|(?:demand|request) for payment|"
        r"(?:payment )?demand|dunning (?:notice|letter)|mahnung|mahnschreiben|zahlungserinnerung|"
        r"zahlungsaufforderung|rappel(?: de (?:paiement|facture|r[èe]glement))?|(?:lettre de )?relance|"
        r"mise en demeure|(?:betalings)?herinnering|aanmaning|recordatorio(?: de pago)?|"
        r"sollecito(?: di pagamento)?|lembrete(?: de pagamento)?|aviso de cobran[çz]a|"
        r"(?:betalnings)?p[åa]minnelse|(?:betalings)?purring|inkassovarsel|rykker(?:skrivelse)?|"
        r"wezwanie do zapłaty|upom[ií]nka|maksumuistutus|opomena",
    ),
    (
        InvoiceKind.STATEMENT,
        r"(?:account |monthly |customer |supplier |vendor |client |invoice |billing )*statement(?: of accounts?)?|"
        r"(?:account|ledger) summary|(?:remittance|payment) advice|zahlungsavis|avis de paiement|konto(?:auszug|übersicht)|saldenbestätigung|offene-?posten-?liste|"
        r"relev[ée](?: de (?:compte|facture|factures))?|rekening-?overzicht|"
        r"(?:extracto|estado) de cuentas?|estratto conto|extrato(?: de conta)?|kontoutdrag|kontoudtog|"
        r"kontoutskrift|wyciąg|izvod",
    ),
    (
        InvoiceKind.QUOTE,
        r"(?:sales |price )?(?:quote|quotation|estimate|offer|proposal)|cost estimate|angebot|"
        r"kostenvoranschlag|offerte|devis(?: estimatif)?|prijsopgave|presupuesto|cotizaci[óo]n|preventivo|"
        r"or[çc]amento|offert|tilbud|oferta|ponuda|nabídka|tarjous",
    ),
    (
        InvoiceKind.DELIVERY_NOTE,
        r"(?:delivery|dispatch|despatch|consignment|goods received|shipping|advice) notes?|"
        r"packing (?:slip|list|note)|waybill|bill of lading|liefer(?:schein|nachweis)|packliste|"
        r"bon de livraison|bordereau de livraison|(?:pak|lever|vracht)bon|albar[áa]n(?: de entrega)?|"
        r"nota de entrega|documento di trasporto|d\.?d\.?t\.?|bolla di (?:consegna|accompagnamento)|"
        r"guia de (?:remessa|transporte)|f[öo]ljesedel|f[øo]lgeseddel|pakkseddel|otpremnica|dodac[ií] list",
    ),
    (
        InvoiceKind.ORDER_CONFIRMATION,
        r"(?:sales |order )?order (?:confirmation|acknowledge?ment)|(?:sales|work) order|"
        r"(?:auftrags|bestell)bestätigung|confirmation de (?:la )?commande|accus[ée] de r[ée]ception de commande|"
        r"order-?bevestiging|confirmaci[óo]n (?:de(?:l)? )?pedido|conferma (?:d.)?ordine|"
        r"confirma[çc][ãa]o de encomenda|order-?bekr[äa]ftelse|ordrebekr[æe]ftelse|potwierdzenie zamówienia",
    ),
    (
        InvoiceKind.PURCHASE_ORDER,
        r"purchase order|bestellung|bon de commande|inkooporder|bestelbon|orden de compra|pedido|"
        r"ordine (?:d.)?acquisto|ordem de compra|ink[öo]psorder|indkøbsordre|zamówienie",
    ),
    (
        InvoiceKind.INVOICE,
        r"(?:sales |commercial |service |e-?)*invoice|bill|(?:sales |payment )?receipt|"
        r"[^\W\d_]{0,20}rechnung|quittung|(?:kassen)?beleg|facture(?: de vente| d.acompte)?|(?:verkoop)?factuur|"
        r"factura(?: simplificada| electr[óo]nica)?|fattura(?: elettronica| accompagnatoria)?|"
        r"fatura(?:[ -]?recibo)?|recibo|ricevuta|(?:faktura|fv)(?: vat)?|nota fiscal|lasku|račun|számla|kvittering|kvitto",
    ),
)
_BEFORE: Final = (
    r"(?:(?:original|copy(?: of)?|copie|kopie(?: der)?|duplicate|duplikat|tax|vat|your|ihre?|votre|"
    r"\d{1,2}\.|1st|2nd|3rd|first|second|third|final|last|letzte|erste|zweite|dritte|premier|dernier|"
    r"deuxi[èe]me|ultimo|[úu]ltimo|eerste|tweede|laatste) )*"
)
_NUMBER: Final = (
    r"(?P<number> ?(?::| [-\u2013] |(?:no|nr|num|number|nummer|num[ée]ro|numero|n)\b[.°º]?|n[°º]|#|id\b)"
    r".{0,40}| [A-Z]{0,5}[-/ ]?\d[\w./-]*)?"
)
#: What a credit note or a reminder is about.
_ABOUT: Final = r"(?: (?:zur?|f[üo]r|for|to|on|pour|sur|bij|voor|till?|per|su|sobre) .{0,40})?"
_AFTER: Final = (
    r"(?: ?\(\d{3}\)| ?[-\u2013(]? ?(?:original|copy|kopie|copie|duplicate|duplikat)\)?)?"
)
_PATTERNS: Final = tuple(
    (kind, re.compile(rf"{_BEFORE}(?:{pattern}){_AFTER}{_ABOUT}{_NUMBER}", re.IGNORECASE))
    for kind, pattern in _TITLES
)
_JOINED: Final = re.compile(r" ?(?:/|&|\+|\||\band\b|\bund\b|\bet\b|\by\b|\be\b|\ben\b) ?")
#: Documents whose headings and numbers invoices print as well.
_BESIDE_INVOICES: Final = frozenset(
    {
        InvoiceKind.PURCHASE_ORDER,
        InvoiceKind.ORDER_CONFIRMATION,
        InvoiceKind.DELIVERY_NOTE,
        InvoiceKind.QUOTE,
    }
)
#: A title is so much larger than other words that could be one.
_LARGER: Final = 1.15


@dataclass(frozen=True, slots=True)
class Heading:
    """A line that can be the title; `height` is a ratio of the page's, 0 if it is not known."""

    text: str
    height: float = 0.0


@dataclass(frozen=True, slots=True)
class _Title:
    kind: InvoiceKind
    height: float
    bare: bool


def kind_of(
    headings: Sequence[Heading], number_labels: Iterable[str], usual: float = 0.0
) -> tuple[InvoiceKind, str]:
    """The kind of a document, and why it is uncertain (else empty).

    Args:
        headings: The lines above the line items, without rows of amounts, from top to bottom.
        number_labels: The printed labels of its number, such as `Credit note no.`.
        usual: The usual height of its lines.
    """
    # "Order: 5" is the label of a value.
    titles = [title for one in headings if ":" not in one.text for title in _titles(one)]
    labels = {title.kind for label in number_labels for title in _titles(Heading(label))}
    bare = [one for one in titles if one.bare]
    if bare:
        return _largest(bare, labels, usual)
    labelled = labels | {one.kind for one in titles}
    if InvoiceKind.INVOICE in labelled:
        # An invoice also prints the numbers of its order and delivery.
        labelled -= _BESIDE_INVOICES
    if not labelled:
        return InvoiceKind.INVOICE, ""
    first = min(labelled, key=list(InvoiceKind).index)
    return first, _several(labelled)


def _largest(
    bare: Sequence[_Title], labels: set[InvoiceKind], usual: float
) -> tuple[InvoiceKind, str]:
    kinds = {one.kind for one in bare} | (labels & {InvoiceKind.CREDIT_NOTE})
    heights = {
        kind: max(one.height for one in bare if one.kind is kind)
        for kind in {one.kind for one in bare}
    }
    first = max(heights, key=lambda kind: heights[kind])
    others = [height for kind, height in heights.items() if kind is not first]
    stands_out = all(heights[first] > _LARGER * height for height in others)
    if not stands_out or kinds != set(heights):
        return first, _several(kinds)
    if first in _BESIDE_INVOICES and InvoiceKind.INVOICE in labels:
        return InvoiceKind.INVOICE, f"its title says {first.words}"
    if first is not InvoiceKind.INVOICE and 0 < heights[first] <= _LARGER * usual:
        return first, f"it says {first.words}, but not as a title"
    return first, ""


def _several(kinds: set[InvoiceKind]) -> str:
    if len(kinds) < 2:
        return ""
    named = sorted(kind.value.lower().replace("_", " ") for kind in kinds)
    return f"its titles say {' and '.join(named)}"


def _titles(heading: Heading) -> Iterable[_Title]:
    text = " ".join(heading.text.split()).strip(" .*_-\u2013")
    if len(text) > 60:
        return
    if found := _match(text):
        yield _Title(found[0], heading.height, found[1])
        return
    parts = [_match(part) for part in _JOINED.split(text)]
    if len(parts) > 1 and all(parts):
        for part in parts:
            if part:
                yield _Title(part[0], heading.height, part[1])


def _match(text: str) -> tuple[InvoiceKind, bool] | None:
    for kind, pattern in _PATTERNS:
        if match := pattern.fullmatch(text):
            return kind, not match["number"]
    return None
