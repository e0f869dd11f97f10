"""The invoices that AWS issued, by its Invoicing API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from finops.reconciliation.adapters.payers import PayerAccounts, payer_remedy
from finops.reconciliation.domain import IssuedInvoice
from finops.shared.aws import aws_errors
from finops.shared.periods import Month

_INVOICES_AT_ONCE: Final = 100


class AwsInvoices:
    """`IssuedInvoices` by AWS's Invoicing API.

    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_invoicing_ListInvoiceSummaries.html
    """

    def __init__(self, accounts: PayerAccounts, payers: Sequence[str], *, role_name: str) -> None:
        self._accounts = accounts
        self._payers = payers
        self._role_name = role_name

    def of_month(self, month: Month) -> list[IssuedInvoice]:
        return [one for payer in self._payers for one in self._of_payer(payer, month)]

    def _of_payer(self, payer: str, month: Month) -> Iterator[IssuedInvoice]:
        remedy = payer_remedy(payer, self._role_name)
        with aws_errors(f"list_invoices of {payer}", remedy=remedy):
            pages = (
                self._accounts.client("invoicing", payer)
                .get_paginator("list_invoice_summaries")
                .paginate(
                    Selector={"ResourceType": "ACCOUNT_ID", "Value": payer},
                    Filter={
                        "BillingPeriod": {"Month": month.first.month, "Year": month.first.year}
                    },
                    PaginationConfig={"PageSize": _INVOICES_AT_ONCE},
                )
            )
            for page in pages:
                for summary in page.get("InvoiceSummaries", ()):
                    # A receipt says that an invoice was paid: it asks for nothing.
                    if summary.get("InvoiceType") != "PAYMENT_RECEIPT":
                        yield _issued(payer, summary)


def _issued(payer: str, summary: Mapping[str, Any]) -> IssuedInvoice:
    """An invoice from a summary whose members are all optional.

    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_invoicing_InvoiceSummary.html
    """
    is_credit = summary.get("InvoiceType") == "CREDIT_MEMO"
    base = _Stated.of(summary.get("BaseCurrencyAmount"), is_credit=is_credit)
    paid = _Stated.of(summary.get("PaymentCurrencyAmount"), is_credit=is_credit)
    if paid.amount is None or not paid.currency:
        paid = base
    issued_on = summary.get("IssuedDate")
    return IssuedInvoice(
        payer=payer,
        number=summary.get("InvoiceId", ""),
        issuer=summary.get("Entity", {}).get("InvoicingEntity", ""),
        amount=paid.amount if paid.currency else None,
        currency=paid.currency,
        tax=paid.tax,
        base_amount=base.amount,
        base_currency=base.currency,
        base_tax=base.tax,
        exchange_rate=paid.rate,
        issued_on=issued_on.date() if issued_on else None,
    )


@dataclass(frozen=True, slots=True)
class _Stated:
    """What an `InvoiceCurrencyAmount` states; None and empty where it does not."""

    amount: Decimal | None
    currency: str
    tax: Decimal | None
    rate: Decimal | None

    @classmethod
    def of(cls, stated: Mapping[str, Any] | None, *, is_credit: bool) -> _Stated:
        stated = stated or {}

        def amount(text: str | None) -> Decimal | None:
            if not text:
                return None
            # A credit memo gives money back, whichever way its amount is signed.
            return -abs(Decimal(text)) if is_credit else Decimal(text)

        rate = stated.get("CurrencyExchangeDetails", {}).get("Rate")
        return cls(
            amount(stated.get("TotalAmount")),
            stated.get("CurrencyCode", ""),
            amount(stated.get("AmountBreakdown", {}).get("Taxes", {}).get("TotalAmount")),
            Decimal(rate) if rate else None,
        )
