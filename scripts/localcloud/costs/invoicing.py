"""AWS Invoicing: the invoices of months that are over, from the same lines as Cost Explorer's.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_invoicing_ListInvoiceSummaries.html

Each month has an invoice of each seller, a purchase has one of its own, and a refund a credit
memo. They hold what was known on the day when they were issued, in whole cents: a late credit is
in Cost Explorer, but on no invoice.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from localcloud.costs import usage
from localcloud.costs.contract import Document, Operation, page
from localcloud.costs.errors import CostsError, invalid
from localcloud.costs.usage import CREDIT, DISCOUNT, TAX, USD, Line, Organisation, round_to_cents

_HISTORY_MONTHS = 13
_PAGE = 100
_DUE_DAYS = 30
_DISCOUNTS = (DISCOUNT, CREDIT)
_MONTHLY = "ANNIVERSARY"
#: Units of the currency for one USD, as 10^-5, around which the months' rates lie.
_RATES = {"EUR": 91_500, "GBP": 78_200}
_RATE_SPREAD = 2_500


class Invoicing:
    """The operations."""

    def __init__(self, today: Callable[[], date], accounts: int) -> None:
        self._today = today
        self._accounts = accounts
        self.operations: Mapping[str, Operation] = {
            "ListInvoiceSummaries": self._list_invoice_summaries
        }

    def _list_invoice_summaries(self, request: Document, caller: str) -> Document:
        payer = usage.organisation(caller, self._accounts)
        kind, value = request["Selector"]["ResourceType"], request["Selector"]["Value"]
        found = [invoice for invoice in self._issued(payer) if caller == payer.payer]
        if kind == "INVOICE_ID":
            found = [invoice for invoice in found if invoice["InvoiceId"] == value]
            if not found:
                raise CostsError(
                    "ResourceNotFoundException",
                    f"Invoice {value} was not found",
                    resourceId=value,
                    resourceType="INVOICE",
                )
        elif not (len(value) == 12 and value.isascii() and value.isdigit()):
            raise invalid(f"{value} is not an account id")
        elif value not in payer.accounts or caller not in {payer.payer, value}:
            raise CostsError("AccessDeniedException", f"Not authorized to see invoices of {value}")
        else:
            found = [invoice for invoice in found if invoice["AccountId"] == value]
        wanted = _filter(request.get("Filter", {}))
        shown, following = page(
            [invoice for invoice in found if wanted(invoice)],
            request,
            request.get("NextToken"),
            request.get("MaxResults", _PAGE),
            changed="ValidationException",
            bad="ValidationException",
        )
        return {"InvoiceSummaries": shown} | ({"NextToken": following} if following else {})

    def _issued(self, payer: Organisation) -> list[Document]:
        """The newest first."""
        today = self._today()
        return [
            invoice
            for back in range(1, _HISTORY_MONTHS + 1)
            if today >= usage.invoiced_on(month := usage.months_before(today, back))
            for invoice in invoices(payer.payer, self._accounts, month)
        ]


@functools.lru_cache(maxsize=500)
def invoices(payer_account: str, accounts: int, month: date) -> tuple[Document, ...]:
    """The invoices of a payer's month, as ListInvoiceSummaries describes them."""
    payer = usage.organisation(payer_account, accounts)
    issued = usage.invoiced_on(month)
    documents: dict[tuple[str, str, str], list[Line]] = {}
    for line in usage.lines(payer, month, usage.next_month(month), issued):
        key = (line.billing_entity, line.seller, line.bill_type)
        documents.setdefault(key, []).append(line)
    return tuple(_invoice(payer, month, *key, lines) for key, lines in sorted(documents.items()))


def _invoice(
    payer: Organisation, month: date, entity: str, seller: str, bill: str, lines: list[Line]
) -> Document:
    issued = usage.invoiced_on(month)
    sources = sorted({line.linked_account for line in lines})
    currency = payer.terms.payment_currency
    rate = Decimal(1) if currency == "USD" else _rate(currency, month)
    parts = _parts(lines)
    paid = _amount(parts, currency, payer.terms, rate)
    invoice: Document = {
        "AccountId": payer.payer,
        "InvoiceId": _invoice_id(payer.payer, month, seller, bill),
        "IssuedDate": _timestamp(issued),
        "DueDate": _timestamp(issued + timedelta(days=_DUE_DAYS)),
        "BillSourceAccounts": sources,
        "BillSourceAccountsTotalCount": len(sources),
        "ReceiverRole": "BUYER",
        "Entity": {
            "InvoicingEntity": seller,
            "BillingEntity": "AWS" if entity == "AWS" else "AWS_MARKETPLACE",
        },
        "BillingPeriod": {"Month": month.month, "Year": month.year},
        "InvoiceFrequency": "RECURRING" if bill == _MONTHLY else "ONE_TIME",
        "BillType": bill,
        "InvoiceType": "CREDIT_MEMO" if bill == "REFUND" else "INVOICE",
        "BaseCurrencyAmount": _amount(parts, "USD", payer.terms, Decimal(1)),
    }
    # Every member of a summary is optional: who pays in the base currency set no other one.
    if currency != "USD":
        invoice |= {"TaxCurrencyAmount": paid, "PaymentCurrencyAmount": paid}
    if bill == "REFUND":
        refunded = usage.months_before(month, 1)
        invoice["OriginalInvoiceId"] = _invoice_id(payer.payer, refunded, seller, _MONTHLY)
    return invoice


def _parts(lines: list[Line]) -> dict[str, Decimal]:
    """Charges, each discount, and tax, in USD, so that they sum up to the rounded whole."""
    sums = dict.fromkeys(("Charges", *_DISCOUNTS, TAX), 0)
    for line in lines:
        sums[line.record_type if line.record_type in sums else "Charges"] += line.unblended
    before_tax = round_to_cents(sum(sums.values()) - sums[TAX])
    rounded = {name: round_to_cents(amount) for name, amount in sums.items()}
    rounded["Charges"] = before_tax - sum(rounded[name] for name in _DISCOUNTS)
    return {name: Decimal(amount) / USD for name, amount in rounded.items()}


def _amount(
    parts: Mapping[str, Decimal], currency: str, terms: usage.Terms, rate: Decimal
) -> Document:
    """Amounts in a currency; discounts are negative."""
    each = {name: round(amount * rate, 2) for name, amount in parts.items()}
    discounts = {name: each[name] for name in _DISCOUNTS if each[name]}
    before_tax = each["Charges"] + sum(discounts.values())
    rates = {DISCOUNT: {"Rate": str(terms.discount_percent)}}
    breakdown: Document = {"SubTotalAmount": f"{each['Charges']:.2f}"}
    if discounts:
        breakdown["Discounts"] = {
            "Breakdown": [
                {"Description": name, "Amount": f"{amount:.2f}"} | rates.get(name, {})
                for name, amount in discounts.items()
            ],
            "TotalAmount": f"{sum(discounts.values()):.2f}",
        }
    if each[TAX]:
        tax = {"Description": "VAT", "Amount": f"{each[TAX]:.2f}", "Rate": str(terms.tax_percent)}
        breakdown["Taxes"] = {"Breakdown": [tax], "TotalAmount": f"{each[TAX]:.2f}"}
    amount = {
        "TotalAmount": f"{before_tax + each[TAX]:.2f}",
        "TotalAmountBeforeTax": f"{before_tax:.2f}",
        "CurrencyCode": currency,
        "AmountBreakdown": breakdown,
    }
    if currency != "USD":
        amount["CurrencyExchangeDetails"] = {
            "SourceCurrencyCode": "USD",
            "TargetCurrencyCode": currency,
            "Rate": str(rate),
        }
    return amount


def _rate(currency: str, month: date) -> Decimal:
    """Units of the currency for one USD, the same for everybody in a month."""
    off = usage.steady_number(currency, month.isoformat()) % (2 * _RATE_SPREAD) - _RATE_SPREAD
    return Decimal(_RATES[currency] + off).scaleb(-5)


def _invoice_id(payer: str, month: date, seller: str, bill: str) -> str:
    number = usage.steady_number("invoice", payer, month.isoformat(), seller, bill)
    return str(10**9 + number % (9 * 10**9))


def _timestamp(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()


def _filter(wanted: Document) -> Callable[[Document], bool]:
    tests: list[Callable[[Document], Any]] = []
    if period := wanted.get("BillingPeriod"):
        tests.append(lambda invoice: invoice["BillingPeriod"] == period)
    if interval := wanted.get("TimeInterval"):
        start, end = float(interval["StartDate"]), float(interval["EndDate"])
        if start > end:
            raise invalid("StartDate must not be after EndDate")
        tests.append(lambda invoice: start <= invoice["IssuedDate"] <= end)
    if entity := wanted.get("InvoicingEntity"):
        tests.append(lambda invoice: invoice["Entity"]["InvoicingEntity"] == entity)
    if role := wanted.get("ReceiverRole"):
        tests.append(lambda invoice: invoice["ReceiverRole"] == role)
    return lambda invoice: all(test(invoice) for test in tests)
