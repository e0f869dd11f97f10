"""The invoices that AWS issued, by its Invoicing API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
                for summary in page["InvoiceSummaries"]:
                    # A receipt says that an invoice was paid: it asks for nothing.
                    if summary.get("InvoiceType") != "PAYMENT_RECEIPT":
                        yield _issued(payer, summary)


def _issued(payer: str, summary: Mapping[str, Any]) -> IssuedInvoice:
    paid, base = summary["PaymentCurrencyAmount"], summary["BaseCurrencyAmount"]
    taxes = paid.get("AmountBreakdown", {}).get("Taxes", {}).get("TotalAmount")
    rate = paid.get("CurrencyExchangeDetails", {}).get("Rate")
    base_taxes = base.get("AmountBreakdown", {}).get("Taxes", {}).get("TotalAmount")
    sign = -1 if summary.get("InvoiceType") == "CREDIT_MEMO" else 1

    def amount(text: str) -> Decimal:
        # A credit memo gives money back, whichever way its amount is signed.
        return -abs(Decimal(text)) if sign < 0 else Decimal(text)

    return IssuedInvoice(
        payer=payer,
        number=summary["InvoiceId"],
        issuer=summary.get("Entity", {}).get("InvoicingEntity", ""),
        amount=amount(paid["TotalAmount"]),
        currency=paid["CurrencyCode"],
        tax=amount(taxes) if taxes else None,
        base_amount=amount(base["TotalAmount"]),
        base_currency=base["CurrencyCode"],
        base_tax=amount(base_taxes) if base_taxes else None,
        exchange_rate=Decimal(rate) if rate else None,
        issued_on=summary["IssuedDate"].date() if "IssuedDate" in summary else None,
    )
