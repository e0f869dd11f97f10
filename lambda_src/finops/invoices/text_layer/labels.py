"""The labels of fields and the headings of columns on invoices.

English, German, French, Dutch, Spanish, Italian, Portuguese and Swedish. Types are Textract's:
https://docs.aws.amazon.com/textract/latest/dg/invoices-receipts.html
"""

# ruff: noqa: E501 - a pattern that is broken up is harder to read than a long one
from __future__ import annotations

import re
from typing import Final

_NO = r"(?:number|no\.?|nr\.?|n[°ºo]\.?|num\.?|#|id|nummer|ref(?:erence)?\.?)"
_INVOICE = (
    r"(?:tax |vat |sales |commercial |proforma |pro-forma )?(?:invoice|bill|receipt|document)"
)

#: (type, pattern of the label, confidence in percent); specific labels come before general ones.
_LABELS: Final = (
    (
        "DUE_DATE",
        r"(?:payment |invoice )?due (?:date|on|by)|payment due(?: by| date)?|date due|pay(?:able)? by|"
        r"f[äa]llig(?:keit(?:sdatum)?)?(?: am| bis)?|zahlbar bis(?: zum)?|zahlungsziel|"
        r"date d.?[ée]ch[ée]ance|[ée]ch[ée]ance(?: le)?|à payer avant le|vervaldatum|uiterste betaaldatum|"
        r"te betalen (?:voor|uiterlijk)|(?:fecha de )?vencimiento|fecha l[íi]mite de pago|"
        r"(?:data )?scadenza|data de vencimento|vencimento|f[öo]rfallo(?:datum|dag)|oss tillhanda",
        97.0,
    ),
    (
        "INVOICE_RECEIPT_DATE",
        rf"{_INVOICE} date|date of (?:issue|invoice)|issue date|date issued|issued(?: on)?|"
        r"rechnungs-?\s?datum|belegdatum|ausstellungsdatum|datum der rechnung|"
        r"date (?:de (?:la )?)?facture|date de facturation|date d.?[ée]mission|factuur-?\s?datum|"
        r"fecha (?:de )?(?:la )?(?:factura|emisi[óo]n|expedici[óo]n)|data (?:della )?(?:fattura|emissione)|"
        r"data (?:da |de )?(?:fatura|emiss[ãa]o)|fakturadatum",
        97.0,
    ),
    (
        "INVOICE_RECEIPT_ID",
        rf"{_INVOICE} {_NO}|{_INVOICE} ?#|inv\.? ?{_NO}|rechnungs-?\s?{_NO}|rechnung(?:s-)? ?{_NO}|"
        rf"beleg-?{_NO}|fact(?:ure|\.)? ?(?:{_NO}|num[ée]ro)|(?:num[ée]ro|n[°ºo]\.?) (?:de )?(?:la )?facture|"
        rf"factuur-?\s?{_NO}|(?:n[úu]mero|n[°ºo.]+) (?:de )?(?:la )?factura|factura ?(?:{_NO}|n[úu]m(?:ero|\.)?)|"
        rf"(?:numero|n[°ºo.]+) (?:della )?fattura|fattura ?{_NO}|(?:n[úu]mero|n[°ºo.]+) (?:da )?fatura|"
        rf"fatura ?{_NO}|faktura-?\s?{_NO}|(?:credit note|credit memo|gutschrift(?:s)?|avoir|creditnota|"
        rf"credit ?factuur|kreditnota|kreditfaktura|nota de cr[ée]dito|nota di credito)-? ?{_NO}",
        97.0,
    ),
    (
        "PO_NUMBER",
        rf"p\.?\s?o\.? ?{_NO}?|purchase order ?{_NO}?|order ?{_NO}|your order|bestell-?{_NO}|"
        rf"auftrags-?{_NO}|(?:num[ée]ro|n[°ºo]\.?) de commande|commande ?{_NO}|order-?{_NO}|"
        rf"(?:n[úu]mero|n[°ºo.]+) de pedido|pedido ?{_NO}|ordine ?{_NO}",
        92.0,
    ),
    (
        "CUSTOMER_NUMBER",
        rf"customer ?{_NO}|client ?{_NO}|account ?{_NO}|kunden-?\s?{_NO}|klant-?{_NO}|"
        rf"(?:num[ée]ro|n[°ºo]\.?) (?:de )?client|kund-?{_NO}|(?:n[úu]mero|n[°ºo.]+) de cliente",
        92.0,
    ),
    (
        "PAYMENT_TERMS",
        r"payment terms?|terms(?: of payment)?|zahlungsbedingung(?:en)?|conditions? de r[èe]glement|"
        r"conditions? de paiement|betalings(?:conditie|termijn)(?:en|s)?|condiciones de pago|"
        r"condizioni di pagamento|condi[çc][õo]es de pagamento|betalningsvillkor",
        92.0,
    ),
    (
        "VENDOR_VAT_NUMBER",
        rf"(?:vat|gst|tax)(?: reg(?:istration)?\.?)? ?(?:{_NO})|ust\.?-?\s?id(?:ent)?\.?-?\s?(?:{_NO})?|"
        rf"mwst-?{_NO}|(?:n[°ºo]\.? )?tva(?: intra\w*)?(?: {_NO})?|btw(?:-| )?(?:{_NO})?|"
        r"(?:nif|cif|p\.? ?iva|partita iva|nipc)|moms(?:reg)?\.?-?nr|vat",
        90.0,
    ),
    (
        "SUBTOTAL",
        r"sub-?\s?totale?n?|net(?:to)?(?: (?:amount|total|sum|value))?|total (?:ht|hors taxes?|net|excl\.?.*|"
        r"before tax|excluding .*|netto|neto|imponibile)|montant (?:total )?ht|amount (?:excl\.?.*|before tax)|"
        r"netto-?(?:betrag|summe)|zwischensumme|summe netto|gesamt netto|gesamtbetrag netto|"
        r"subtotaal|totaal excl\.?.*|exclusief btw|bedrag excl\.?.*|base imponible|imponibile|"
        r"totale imponibile|total il[íi]quido|delsumma|summa exkl\.?.*|taxable amount|sous-?\s?total",
        96.0,
    ),
    (
        "TAX",
        r"(?:total |plus |zzgl\.? |incl\.? )?(?:sales )?(?:tax|vat|gst|hst|mwst\.?|ust\.?|tva|btw|iva|moms)\b"
        r"(?! (?:id|no|nr|number|reg|registration|invoice)\b)"
        r"(?: ?(?:amount|betrag|bedrag|total))?(?: ?\(?@? ?\d{1,2}(?:[.,]\d{1,2})? ?%\)?)?(?: (?:on|auf|over|sur) .*)?|"
        r"\d{1,2}(?:[.,]\d{1,2})? ?% (?:tax|vat|gst|mwst\.?|ust\.?|tva|btw|iva|moms)|"
        r"mehrwertsteuer(?: .*%)?|umsatzsteuer(?: .*%)?|montant (?:de la )?tva|total (?:tax|tva|btw|iva|vat)",
        96.0,
    ),
    (
        "SHIPPING_HANDLING_CHARGE",
        r"shipping(?: (?:&|and) handling)?|freight|delivery|postage|carriage|versand(?:kosten)?|porto|fracht|"
        r"frais de (?:port|livraison)|livraison|verzend(?:kosten)?|gastos de env[íi]o|"
        r"spese di spedizione|portes|frakt",
        92.0,
    ),
    (
        "DISCOUNT",
        r"discount(?: .*%)?|rabatt(?: .*%)?|nachlass|remise(?: .*%)?|korting(?: .*%)?|descuento(?: .*%)?|"
        r"sconto(?: .*%)?|desconto(?: .*%)?",
        92.0,
    ),
    (
        "AMOUNT_PAID",
        r"(?:amount |already |less )?paid(?: to date)?|bereits (?:ge|be)zahlt|acompte|d[ée]j[àa] (?:pay[ée]|r[ée]gl[ée])|"
        r"(?:reeds )?betaald|pagado|anticipo",
        92.0,
    ),
    (
        "AMOUNT_DUE",
        r"(?:total )?(?:amount|balance) (?:now )?(?:due|payable|outstanding)|balance|to pay|"
        r"(?:noch )?zu zahlen(?:der betrag)?|zahlbar|zu [üu]berweisen|offener betrag|zahlbetrag|à r[ée]gler|"
        r"(?:total|montant|somme) (?:à (?:payer|r[ée]gler)|d[ûu])|te voldoen|betaalbaar|reste à payer|net à payer|solde|te betalen|openstaand(?: bedrag)?|"
        r"importe pendiente|saldo|netto a pagare|att betala",
        92.0,
    ),
    (
        "TOTAL",
        r"(?:grand|invoice|order|overall) total|total(?: (?:due|amount|ttc|incl\.?.*|including .*|inc\.? .*|gross|"
        r"brutto|invoice|factura|fattura|fatura|a pagar|payable|[àa] payer|da pagare|general|documento))?|"
        r"gesamt(?:betrag|summe|preis)?(?: brutto| inkl\.?.*)?|rechnungs(?:betrag|summe)|endbetrag|bruttobetrag|"
        r"summe(?: brutto)?|montant (?:total )?ttc|montant total|total g[ée]n[ée]ral|"
        r"(?:factuur )?totaal(?: incl\.?.*| te betalen)?|totaalbedrag(?: .*)?|factuurbedrag|eindtotaal|"
        r"importe total|totale(?: (?:fattura|documento|da pagare|dovuto))?|valor total|"
        r"(?:total)?summa(?: inkl\.?.*)?|totalbelopp|totalt",
        96.0,
    ),
    # Alone, these say less.
    ("INVOICE_RECEIPT_DATE", r"date|datum|fecha|data|dated", 88.0),
    (
        "INVOICE_RECEIPT_ID",
        r"invoice|rechnung|facture|factuur|factura|fattura|fatura|faktura|credit note|gutschrift|avoir|"
        r"creditnota",
        88.0,
    ),
)
AMOUNT_TYPES: Final = frozenset(
    {
        *("SUBTOTAL", "TAX", "TOTAL", "AMOUNT_DUE", "AMOUNT_PAID", "DISCOUNT"),
        "SHIPPING_HANDLING_CHARGE",
    }
)
#: A currency can be part of the label of an amount: "Total EUR", "Total (USD)".
_CURRENCY = r"\s{0,3}(?:\(?(?-i:[A-Z]{3}|US\$|[$€£¥])\)?)?"
LABELS: Final = tuple(
    (
        kind,
        re.compile(
            rf"(?:{pattern}){_CURRENCY if kind in AMOUNT_TYPES else ''}\s{{0,3}}[:.#]*\s{{0,3}}(?=$|[^\w])",
            re.IGNORECASE,
        ),
        sure,
    )
    for kind, pattern, sure in _LABELS
)

DATE_TYPES: Final = frozenset({"INVOICE_RECEIPT_DATE", "DUE_DATE"})
ID_TYPES: Final = frozenset(
    {"INVOICE_RECEIPT_ID", "PO_NUMBER", "CUSTOMER_NUMBER", "VENDOR_VAT_NUMBER"}
)

_SIGN = r"(?:\(?(?:[A-Z]{2,3}|[A-Z]{1,3}\$)\)?|[$€£¥₹₩₺₪₴₫₽₱₦฿]|kr\.?|zł|Kč|S?Fr\.?|Rs\.?|R\$|Euro)"
_DIGITS = r"\d{1,3}(?:[.,'\u2019 ]\d{2,3})*(?:[.,]\d{1,3})?|\d+(?:[.,]\d{1,3})?|[.,]\d{1,2}"
#: No cents: `100.-`, `1'250.--`, `100:-`, `1,250/-`.
_NO_CENTS = r"(?:[.,:]\s?[-\u2010-\u2015\u2212]{1,3}|/[-\u2010-\u2015\u2212=])?"
AMOUNT: Final = re.compile(
    rf"\(?[-\u2212]?\s?{_SIGN}?\s?\(?[-\u2212]?\s?(?:{_DIGITS}){_NO_CENTS}\s?[-\u2212]?\)?\s?{_SIGN}?(?:\s?[-\u2212]|\s?[CD]R\.?)?",
    re.IGNORECASE,
)
_MONTH = r"[^\W\d_]{3,12}\.?"
DATE: Final = re.compile(
    rf"\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}\s?[-/.]\s?\d{{1,2}}\s?[-/.]\s?(?:\d{{4}}|\d{{2}})|"
    rf"(?:[^\W\d_]{{3,12}},?\s)?\d{{1,2}}(?:st|nd|rd|th|er|\.)?[\s\-/.]+(?:de\s|of\s)?{_MONTH}[\s\-/.,]+(?:de\s)?(?:\d{{4}}|\d{{2}})|"
    rf"{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}}",
    re.IGNORECASE,
)

RECEIVER: Final = re.compile(
    r"(?:bill(?:ed)?|invoice[d]?|sold|ship(?:ped)?|charge) to|customer|client|buyer|attn\.?|to|"
    r"firma|fa\.?|an(?: die)?(?: firma)?|herrn?|frau|mess(?:rs|ieurs)\.?|à l.attention de|"
    r"rechnungs(?:adresse|empf[äa]nger)|rechnung an|kunde|empf[äa]nger|lieferadresse|"
    r"factur[ée] [àa]|adresse de facturation|destinataire|client|adress[ée] [àa]|"
    r"factuuradres|afleveradres|factuur aan|klant|facturar a|cliente|datos del cliente|"
    r"intestatario|destinatario|spett\.?(?:le)?|faktureringsadress|kund",
    re.IGNORECASE,
)
LEGAL_FORM: Final = re.compile(
    r"(?:^|[\s,])(?:gmbh(?: & co\.? kg)?|ag|kg|ug|ohg|e\.?k\.?|mbh|inc\.?|llc|l\.l\.c\.|ltd\.?|limited|plc|"
    r"corp(?:oration|\.)?|co\.|company|b\.?v\.?|n\.?v\.?|v\.?o\.?f\.?|s\.?a\.?r\.?l\.?|s\.?a\.?s\.?|s\.?a\.?|eurl|"
    r"s\.?l\.?u?\.?|s\.?r\.?l\.?|s\.?p\.?a\.?|lda\.?|ab|as|aps|oy|pty(?: ltd)?\.?|pte\.?(?: ltd\.?)?|k\.k\.)"
    r"(?=$|[\s,;|\-])",
    re.IGNORECASE,
)
ACCOUNT_HOLDER: Final = re.compile(
    r"(?:account (?:holder|name)|beneficiary|payee|titulaire(?: du compte)?|kontoinhaber(?:in)?|"
    r"t\.?n\.?v\.?|ten name van|titular|intestato a|payable to|remit to)\s*[:.]?\s*(?P<name>.+)",
    re.IGNORECASE,
)

#: (type, pattern of the heading) of the columns of line items.
COLUMNS: Final = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (
            "UNIT_PRICE",
            r"(?:unit|net|gross|list)[\s-]?(?:price|cost|rate)|price (?:each|per unit)|einzel-?preis|e-preis|"
            r"vk-preis|stück-?preis|prix (?:unitaire|unit\.?)(?: ht)?|p\.? ?u\.?(?: ?ht)?|prijs per stuk|stuk-?prijs|"
            r"eenheidsprijs|precio(?: unit(?:ario|\.)?)?|prezzo(?: unit(?:ario|\.)?)?|pre[çc]o(?: unit[áa]rio)?|"
            r"[àa]-pris|pris|rate|price|preis|prijs|prix|cost",
        ),
        (
            "PRICE",
            r"(?:line |net |total )?amount|line total|total(?: price| ht| net)?|zeilenbetrag|gesamt(?:preis)?|"
            r"betrag|summe|montant(?: ht| ttc)?|bedrag|prijs incl\.? btw|totaal|regeltotaal|importe|importo|totale|"
            r"valor|belopp|summa|extended|ext\.? price",
        ),
        (
            "QUANTITY",
            r"qty\.?|quantity|menge|anzahl|qt[ée]\.?|quantit[ée]|nombre|aantal|hoeveelheid|cantidad|"
            r"cant\.?|quantit[àa]|quantidade|qtd\.?|antal|hours|hrs|stunden|units?|uren",
        ),
        (
            "PRODUCT_CODE",
            r"(?:item|product|art(?:icle|ikel)?)\.?[\s-]?(?:code|no\.?|nr\.?|nummer|number|#)|sku|code|"
            r"r[ée]f(?:[ée]rence)?\.?|c[óo]digo|codice|artikelnr\.?",
        ),
        (
            "ITEM",
            r"(?:item |product |service )?description|items?|products?|services?|details|particulars|article|"
            r"artikel|omschrijving|beschreibung|bezeichnung|leistung|d[ée]signation|libell[ée]|descripci[óo]n|concepto|"
            r"descrizione|descri[çc][ãa]o|produto|ben[äa]mning|beskrivning|produkt",
        ),
        (
            "TAX",
            r"(?:sales )?(?:vat|tax(?:es)?|mwst\.?|ust\.?|tva|btw|iva|moms)(?: ?(?:rate|%))?",
        ),
        ("DISCOUNT", r"disc(?:ount)?\.?(?: ?%)?|rabatt(?: ?%)?|remise|korting|dto\.?|sconto"),
        ("POSITION", r"pos\.?|#|line|no\.?|nr\.?"),
        ("DATE", r"date|datum|fecha|data"),
    )
)
