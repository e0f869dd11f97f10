"""Formats of exports that are known by their header, and exports that another one goes before.

A built-in format says which columns hold what. It never says how days are written where the program
that exports them follows its user's settings: that stays for the dataset's own format to declare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from finops.billing.dataset_format import DatasetFormat, RowFilter, SignColumn
from finops.billing.schemas import spelt_alike


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltinFormat:
    """A format that is chosen by the header.

    Attributes:
        signature: Headers that are all there in such an export, and in few other files.
        format: What its columns hold; those that a file lacks are left out, unless they are in the
            signature.
    """

    name: str
    signature: tuple[str, ...]
    format: DatasetFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherExport:
    """An export that is refused, since another export of the same program says what this can't.

    Attributes:
        signatures: Any of these sets of headers tells it.
    """

    name: str
    signatures: tuple[tuple[str, ...], ...]
    problem: str
    remedy: str


_OWN_MONEY: Final = "it holds, lends or moves money, which is neither earned nor spent"
_UNKNOWN_KIND: Final = (
    "it is not known as earned or spent money. If it is, say so in `rows` of the dataset's format "
    "(`finops billing format DATASET --from FILE`)"
)
#: Programs differ in how they write a Generalumkehr: DATEV's own copies the booking with its side
#: https://www.haufe.de/finance/finance-office-professional/stornobuchungen-1-so-kontieren-sie-richtig_idesk_PI11525_HI1903340.html
#: and others turn the side round
#: https://www.microdat.de/hilfe/fibu-hilfe/2025/09/stornieren-mittels-generalumkehr
_REVERSAL: Final = (
    "it marks a Generalumkehr, which some programs write with the Soll/Haben of the booking that "
    "it takes back, and others with the other one. Write the one that counts, without the mark and "
    "with a Buchungstext of its own, and load the row with `--corrects FILE`"
)
#: BU-Schlüssel whose Berichtigungsschlüssel, the first digit of two, is one of a Generalumkehr;
#: padded as the format has them today.
_REVERSALS: Final = tuple(f"{first}{second}" for first in "23678" for second in range(10))

BUILTIN_FORMATS: Final = (
    # Columns: https://docs.stripe.com/reports/report-types/balance (itemized balance change from
    # activity). Amounts are in units of the currency; refunds and disputes are negative.
    BuiltinFormat(
        name="stripe_balance",
        signature=("balance_transaction_id", "created", "currency", "gross", "reporting_category"),
        format=DatasetFormat(
            columns={
                "record_id": "balance_transaction_id",
                "bill_date": "created",
                "bill_amount": "gross",
                "company_name": "customer_name",
                "item": "description",
                "product_line": "reporting_category",
            },
            extra=("fee", "net", "invoice_id", "invoice_number", "customer_id", "charge_id"),
            # Payouts, top-ups, loans, transfers, reserves and holds are neither earned nor spent:
            # https://docs.stripe.com/reports/reporting-categories
            rows=(
                RowFilter(
                    column="reporting_category",
                    leave_out=(
                        *("payout*", "topup*", "*reserved_funds*", "advance*", "transfer*"),
                        *("financing_*", "anticipation_*", "issuing_authorization_*"),
                    ),
                    message=_OWN_MONEY,
                ),
                RowFilter(
                    column="reporting_category",
                    keep=(
                        *("charge*", "partial_capture_reversal", "refund*", "dispute*"),
                        *("fee", "network_cost", "tax", "platform_earning*", "contribution"),
                        *("climate_order_*", "issuing_transaction", "issuing_dispute*"),
                    ),
                    message=_UNKNOWN_KIND,
                ),
            ),
        ),
    ),
    # Columns: https://developer.paypal.com/docs/reports/ (activity download). Rows that move money
    # between a merchant's own balances are no bills.
    BuiltinFormat(
        name="paypal_activity",
        signature=("Date", "Time", "Type", "Status", "Currency", "Gross", "Net", "Transaction ID"),
        format=DatasetFormat(
            columns={
                "record_id": "Transaction ID",
                "bill_date": "Date",
                "bill_amount": "Gross",
                "company_name": "Name",
                "item": "Item Title",
                "country": "Country",
                "product_line": "Type",
            },
            extra=("Fee", "Net", "Invoice Number", "Reference Txn ID"),
            rows=(
                RowFilter(column="Status", keep=("Completed",)),
                # Of rows that move nothing it is Memo (PayPal, Merchant Setup and Administration
                # Guide, "Reconciling Transactions using the Balance Impact Column").
                RowFilter(column="Balance Impact", keep=("Credit", "Debit"), message=_OWN_MONEY),
                # The groups T02 to T04, T06, T07, T13, T15 and T21 of
                # https://developer.paypal.com/docs/reports/reference/tcodes/
                RowFilter(
                    column="Type",
                    leave_out=(
                        *("*conversion*", "*withdrawal*", "*deposit*", "*funding*", "funds *"),
                        *("*authori*ation*", "*hold*", "*reserve*", "*release*", "*transfer*"),
                        *("*sweep*", "*blocked*", "update to *", "*consolidation*"),
                    ),
                    message=_OWN_MONEY,
                ),
                RowFilter(
                    column="Type",
                    keep=(
                        *("*payment*", "*payout*", "*mass pay*", "*masspay*", "*purchase*"),
                        *("*donation*", "*subscription*", "*refund*", "*reversal*", "*fee"),
                        *("*fee *", "*fees*", "*chargeback*", "*dispute*", "*tax*", "*bonus*"),
                        *("*rebate*", "*incentive*", "*redemption*", "*adjustment*"),
                        *("*correction*", "*reimbursement*", "*recoupment*"),
                    ),
                    message=_UNKNOWN_KIND,
                ),
            ),
        ),
    ),
    # A line of an invoice a row. Drafts and voided invoices are no bills; how a credit note is
    # signed, Xero's help does not say, so those rows go to the quarantine.
    BuiltinFormat(
        name="xero_invoices",
        signature=("ContactName", "InvoiceNumber", "InvoiceDate", "LineAmount", "Currency", "Type"),
        format=DatasetFormat(
            columns={
                "bill_date": "InvoiceDate",
                "bill_amount": "LineAmount",
                "company_name": "ContactName",
                "country": "POCountry",
                "city": "POCity",
                "item": "Description",
                "product_line": "InventoryItemCode",
            },
            id_from=(
                *("InvoiceNumber", "InventoryItemCode", "Description"),
                *("Quantity", "UnitAmount", "AccountCode"),
            ),
            extra=("InvoiceNumber", "Reference", "DueDate", "TaxType", "TaxAmount", "Status"),
            rows=(
                RowFilter(column="Type", keep=("Sales invoice",)),
                RowFilter(column="Status", keep=("Awaiting Payment", "Paid", "Approved", "Sent")),
            ),
        ),
    ),
    # https://developer.datev.de/datev/platform/de/dtvf/formate/buchungsstapel: days without a year,
    # which the first line's fiscal year gives. S is a debit, H a credit.
    BuiltinFormat(
        name="datev_bookings",
        signature=(
            *("Umsatz (ohne Soll/Haben-Kz)", "Soll/Haben-Kennzeichen", "WKZ Umsatz"),
            *("Konto", "Belegdatum", "Belegfeld 1", "Buchungstext"),
        ),
        format=DatasetFormat(
            columns={
                "bill_date": "Belegdatum",
                "bill_amount": "Umsatz (ohne Soll/Haben-Kz)",
                "currency": "WKZ Umsatz",
                "item": "Buchungstext",
            },
            sign=SignColumn(column="Soll/Haben-Kennzeichen", positive=("S",), negative=("H",)),
            decimal_comma=True,
            id_from=(
                *("Belegfeld 1", "Belegdatum", "Konto", "Gegenkonto (ohne BU-Schlüssel)"),
                *("Buchungstext", "BU-Schlüssel"),
            ),
            extra=("Belegfeld 1", "Konto", "Gegenkonto (ohne BU-Schlüssel)", "BU-Schlüssel"),
            rows=(
                RowFilter(column="Generalumkehr (GU)", keep=("", "0"), message=_REVERSAL),
                RowFilter(column="BU-Schlüssel", leave_out=_REVERSALS, message=_REVERSAL),
                RowFilter(
                    column="BU-Schlüssel",
                    leave_out=tuple(f"00{one}" for one in _REVERSALS),
                    message=_REVERSAL,
                ),
            ),
        ),
    ),
)

_FOCUS: Final = "has no row identity and no common columns; FOCUS exports are loaded as they are"

OTHER_EXPORTS: Final = (
    OtherExport(
        name="aws_cur",
        signatures=(
            # Of both, people choose some columns.
            ("lineItem/UnblendedCost",),
            ("line_item_unblended_cost",),
            ("InvoiceID", "PayerAccountId", "RecordType", "TotalCost"),
        ),
        problem=f"this is an AWS Cost and Usage Report, which {_FOCUS}",
        # https://docs.aws.amazon.com/cur/latest/userguide/dataexports-create-standard.html
        remedy="Export FOCUS instead: in Billing and Cost Management, Data Exports, Create, "
        "Standard data export, table `FOCUS with AWS columns`, delivered as gzip CSV or Parquet",
    ),
    OtherExport(
        name="azure_costs",
        signatures=(
            ("MeterId", "CostInBillingCurrency"),
            ("MeterId", "PreTaxCost"),
            ("SubscriptionGuid", "MeterId", "Cost"),
            ("SubscriptionId", "MeterId", "Cost"),
        ),
        problem=f"this is an Azure export of actual or amortized costs, which {_FOCUS}",
        # https://learn.microsoft.com/azure/cost-management-billing/costs/tutorial-improved-exports
        remedy="Export FOCUS instead: in Cost Management, Exports, Create, type of data "
        "`Cost and usage details (FOCUS)`, format CSV (gzip or none) or Parquet",
    ),
    OtherExport(
        name="google_costs",
        signatures=(
            ("billing_account_id", "usage_start_time", "cost"),
            ("billing_account_id", "service.description", "cost"),
            ("Billing account ID", "Service description", "SKU description", "Cost"),
            ("Project ID", "Service description", "SKU ID", "Cost ($)"),
        ),
        problem=f"this is Google Cloud's usage cost export, which {_FOCUS}",
        # https://docs.cloud.google.com/billing/docs/how-to/export-data-bigquery-focus-setup
        remedy="Export FOCUS instead: in Billing, Billing export, BigQuery export, enable "
        "`FOCUS usage cost`, then export the table gcp_billing_export_focus_… as CSV",
    ),
    OtherExport(
        name="oci_costs",
        signatures=(
            ("lineItem/referenceNo", "cost/myCost"),
            ("lineItem/intervalUsageStart", "cost/productSku"),
        ),
        problem=f"this is an OCI cost report, which {_FOCUS}",
        # https://docs.oracle.com/en-us/iaas/Content/Billing/Concepts/costusagereportsoverview.htm
        remedy="Export FOCUS instead: Oracle writes both; in Billing & Cost Management, Cost and "
        "Usage Reports, take the files of the folder `FOCUS Reports`",
    ),
    OtherExport(
        name="stripe_payments",
        signatures=(
            ("id", "Created (UTC)", "Amount", "Amount Refunded", "Currency", "Status"),
            ("id", "Created date (UTC)", "Amount", "Amount Refunded", "Currency", "Status"),
        ),
        problem="this is Stripe's export of payments, which lists failed payments, too, and has "
        "a payment and its refund on one line",
        # https://docs.stripe.com/reports/balance
        remedy="Export Reports, Balance, `Balance change from activity`, itemized, instead: it is "
        "loaded as it is",
    ),
)


def is_builtin(source: str) -> bool:
    """Whether the source of a used format is a built-in one."""
    return any(one.name == source for one in BUILTIN_FORMATS)


def builtin_format(header: Sequence[str]) -> tuple[str, DatasetFormat] | None:
    """The name and the format of an export that is known by its header, if it is."""
    there = {spelt_alike(one) for one in header}
    for one in BUILTIN_FORMATS:
        if all(spelt_alike(title) in there for title in one.signature):
            form = one.format
            columns = {
                name: title for name, title in form.columns.items() if spelt_alike(title) in there
            }
            return one.name, replace(
                form,
                columns=columns,
                extra=tuple(title for title in form.extra if spelt_alike(title) in there),
                id_from=tuple(title for title in form.id_from if spelt_alike(title) in there),
                rows=tuple(rule for rule in form.rows if spelt_alike(rule.column) in there),
            )
    return None


def other_export(header: Sequence[str]) -> OtherExport | None:
    """The export that this header tells, where another export of the same program is wanted."""
    there = {spelt_alike(one) for one in header}
    for one in OTHER_EXPORTS:
        if any(all(spelt_alike(title) in there for title in some) for some in one.signatures):
            return one
    return None
