"""The rules of EN 16931 on sums: consistent invoices pass, and one changed cent is always found."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.invoices.einvoice.as_invoice import as_invoice
from finops.invoices.einvoice.business_rules import violations
from finops.invoices.einvoice.page import differences
from finops.invoices.einvoice.reader import read_einvoice
from finops.invoices.text_layer.words import PageWords
from sample_einvoices import Extra, Sale, SoldLine, cii, ubl

Write = Callable[[Sale], bytes]
RATES = [("S", Decimal(19)), ("S", Decimal(7)), ("S", Decimal("5.5")), ("E", Decimal(0))]
TERMS = ["BT-106", "BT-107", "BT-108", "BT-109", "BT-110", "BT-112", "BT-113", "BT-114", "BT-115"]


def amounts(most: int) -> st.SearchStrategy[Decimal]:
    return st.integers(1, most).map(lambda cents: Decimal(cents).scaleb(-2))


@st.composite
def sales(draw: st.DrawFn) -> Sale:
    lines = [
        SoldLine(
            quantity=Decimal(draw(st.integers(1, 5_000))).scaleb(-2),
            price=draw(amounts(100_000)),
            category=category,
            rate=rate,
        )
        for category, rate in draw(st.lists(st.sampled_from(RATES), min_size=1, max_size=4))
    ]
    extras = [
        Extra(
            amount=draw(amounts(1_000)) * draw(st.sampled_from([1, -1])),
            category=line.category,
            rate=line.rate,
        )
        for line in lines
        if draw(st.booleans())
    ]
    return Sale(
        lines=lines,
        extras=extras,
        prepaid=draw(st.sampled_from([Decimal(0), Decimal("12.34")])),
        rounding=draw(st.sampled_from([Decimal(0), Decimal("0.02"), Decimal("-0.01")])),
    )


def rules(content: bytes) -> list[str]:
    return [one.rule for one in violations(read_einvoice(io.BytesIO(content)))]


@given(sales(), st.sampled_from([ubl, cii]))
def test_consistent_amounts_break_no_rule(sale: Sale, write: Write) -> None:
    assert rules(write(sale)) == []


@given(sales(), st.sampled_from([ubl, cii]), st.sampled_from(TERMS), st.sampled_from([1, -1]))
def test_a_changed_cent_in_any_total_is_found(
    sale: Sale, write: Write, term: str, cents: int
) -> None:
    wrong = sale.totals()[term] + Decimal(cents).scaleb(-2)
    assert rules(write(replace(sale, changed={term: wrong})))


#: Amounts of lines, allowances, charges and taxes.
PARTS: dict[Write, bytes] = {
    ubl: rb'<cbc:(?:LineExtensionAmount|TaxableAmount|Amount|TaxAmount) currencyID="EUR">([\d.]+)<',
    cii: rb"<ram:(?:LineTotalAmount|BasisAmount|ActualAmount|CalculatedAmount)>([\d.]+)<",
}


@given(sales(), st.sampled_from([ubl, cii]), st.data())
def test_a_changed_cent_in_any_part_is_found(sale: Sale, write: Write, data: st.DataObject) -> None:
    content = write(sale)
    part = data.draw(st.sampled_from(list(re.finditer(PARTS[write], content))))
    wrong = f"{Decimal(part[1].decode()) + Decimal('0.01'):f}".encode()
    assert rules(content[: part.start(1)] + wrong + content[part.end(1) :])


@pytest.mark.parametrize("write", [ubl, cii])
@pytest.mark.parametrize(
    ("term", "rule", "amounts_said"),
    [
        ("BT-106", "BR-CO-10", ("101.00", "100.00")),
        ("BT-107", "BR-CO-11", ("101.00", "5.00")),
        ("BT-108", "BR-CO-12", ("101.00", "3.00")),
        ("BT-109", "BR-CO-13", ("101.00", "98.00")),
        ("BT-110", "BR-CO-14", ("101.00", "18.62")),
        ("BT-112", "BR-CO-15", ("101.00", "116.62")),
        ("BT-115", "BR-CO-16", ("101.00", "116.62")),
    ],
)
def test_a_violation_names_its_rule_and_both_amounts(
    write: Write, term: str, rule: str, amounts_said: tuple[str, str]
) -> None:
    sale = Sale(
        extras=(Extra(amount=Decimal("-5.00")), Extra(amount=Decimal("3.00"))),
        changed={term: Decimal("101.00")},
    )
    found = {one.rule: one for one in violations(read_einvoice(io.BytesIO(write(sale))))}
    assert all(amount in found[rule].message for amount in amounts_said)
    assert term in found[rule].message


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        (b"<cbc:TaxableAmount currencyID=\"EUR\">100.00", b"<cbc:TaxableAmount>90.00", "BR-S-08"),
        (b"<cbc:Percent>19</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>"
         b"</cac:TaxCategory>", b"<cbc:Percent>7</cbc:Percent></cac:TaxCategory>", "BR-S-09"),
        (b"<cac:TaxCategory><cbc:ID>S<", b"<cac:TaxCategory><cbc:ID>AE<", "BR-AE-09"),
        (b"<cac:TaxCategory><cbc:ID>S<", b"<cac:TaxCategory><cbc:ID>K<", "BR-IC-09"),
        (b"<cac:TaxCategory><cbc:ID>S<", b"<cac:TaxCategory><cbc:ID>O<", "BR-O-09"),
        (b"<cac:TaxCategory><cbc:ID>S<", b"<cac:TaxCategory><cbc:ID>Z<", "BR-S-01"),
        (b"LineExtensionAmount currencyID=\"EUR\">100.00", b"LineExtensionAmount>100.000",
         "BR-DEC-09"),
        (b"TaxInclusiveAmount currencyID=\"EUR\"", b"TaxInclusiveAmount currencyID=\"HUF\"",
         "BR-CL-03"),
        (b"PriceAmount currencyID=\"EUR\">100.00", b"PriceAmount>90.00", "PEPPOL-EN16931-R120"),
        (b"<cac:ClassifiedTaxCategory><cbc:ID>S<", b"<cac:ClassifiedTaxCategory><cbc:ID><",
         "BR-CO-04"),
    ],
)  # fmt: skip
def test_each_rule_is_found_by_its_id(before: bytes, after: bytes, rule: str) -> None:
    content = ubl(Sale())
    assert before in content
    assert rule in rules(content.replace(before, after))


def test_missing_groups_are_found() -> None:
    content = ubl(Sale())
    for start, end, rule in (
        (b"<cac:InvoiceLine>", b"</cac:InvoiceLine>", "BR-16"),
        (b"<cac:TaxTotal>", b"</cac:TaxTotal>", "BR-CO-18"),
        (b"<cbc:LineExtensionAmount", b"LineExtensionAmount>", "BR-12"),
        (b"<cbc:PayableAmount", b"PayableAmount>", "BR-15"),
    ):
        at = content.index(start)
        until = content.index(end, at + len(start)) + len(end)
        assert rule in rules(content[:at] + content[until:])


def test_taxes_that_were_rounded_line_by_line_are_right() -> None:
    lines = [SoldLine(price=Decimal("0.13")) for _ in range(3)]
    # 19% of 0.13 is 0.0247: three times 0.02 are 0.06, and 19% of 0.39 are 0.07.
    content = ubl(Sale(lines=lines)).replace(b">0.07<", b">0.06<").replace(b">0.46<", b">0.45<")
    assert rules(content) == []


@pytest.mark.parametrize("write", [ubl, cii])
def test_the_largest_and_the_smallest_numbers_are_judged(write: Write) -> None:
    content = write(Sale(lines=(SoldLine(rate=Decimal("9" * 10)),)))
    content = content.replace(b">100.00<", b">" + b"9" * 20 + b".123456789012<")
    end = b"</cbc:PriceAmount>" if write is ubl else b"</ram:ChargeAmount>"
    name = b"cbc:BaseQuantity" if write is ubl else b"ram:BasisQuantity"
    for base in (b"0.000000000001", b"0", b"-1"):
        with_base = end + b"<%s>%s</%s>" % (name, base, name)
        read = read_einvoice(io.BytesIO(content.replace(end, with_base)))
        assert violations(read)
        assert as_invoice(read).line_items
        assert differences(read, [PageWords(words=())])
