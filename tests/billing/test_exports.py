"""Exports as people drop them: loaded as they are, by a proposed format, or refused with a remedy.

Headers are those that vendors document, or that public projects which read the exports have; the
rows are made up. docs/billing.md has the same table for people.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from finops.billing.checking import Check, check_file, checked_proposal
from finops.billing.dataset_format import DatasetFormat, used_format
from finops.shared.rates import ExchangeRates, RatePolicy

STATIC = {one: Decimal(1) for one in ("EUR", "GBP", "AUD", "PLN")}
FOCUS_12 = (
    "BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,"
    "BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargeFrequency,"
    "ChargePeriodEnd,ChargePeriodStart,ContractedCost,EffectiveCost,ListCost,ProviderName,"
    "ServiceCategory,ServiceName,Tags"
)


@dataclass(frozen=True, kw_only=True)
class Export:
    """An export, and what becomes of it.

    Attributes:
        declared: What its dataset must declare, where the export alone does not say it.
        loaded: Amounts by currency that are loaded.
        rejects: Reasons of rows that are quarantined.
        code: Why the file is refused.
        remedy: A part of what the refusal says.
        questions: Keys of the proposed format that a person must fill.
        answers: What a person then says.
    """

    name: str
    text: str
    source: str = ""
    declared: dict[str, Any] = field(default_factory=dict)
    loaded: dict[str, str] = field(default_factory=dict)
    rejects: tuple[str, ...] = ()
    code: str = ""
    remedy: str = ""
    questions: tuple[str, ...] = ()
    answers: dict[str, Any] = field(default_factory=dict)


BUILT_IN = (
    Export(
        name="Stripe, balance change from activity, itemized",
        source="stripe_balance",
        text="balance_transaction_id,created,available_on,currency,gross,fee,net,"
        "reporting_category,description\n"
        "txn_1,2026-03-05 10:15:00,2026-03-12 00:00:00,eur,10.00,0.55,9.45,charge,Sale\n"
        "txn_2,2026-03-06 10:15:00,2026-03-12 00:00:00,eur,-4.00,0.00,-4.00,refund,Sale\n",
        loaded={"EUR": "6.00"},
    ),
    Export(
        name="PayPal, activity download",
        source="paypal_activity",
        declared={"date_formats": ["%d/%m/%Y"], "thousands": ","},
        text='"Date","Time","TimeZone","Name","Type","Status","Currency","Gross","Fee","Net",'
        '"From Email Address","To Email Address","Transaction ID","Reference Txn ID"\n'
        '"10/09/2026","14:30:00","CEST","Ana","Payment","Completed","USD","1,500.00","-58.80",'
        '"1,441.20","a@example.com","b@example.com","1AB",""\n'
        '"12/09/2026","10:00:00","CEST","Ana","Payment Refund","Completed","USD","-500.00","0.00",'
        '"-500.00","a@example.com","b@example.com","3CD","1AB"\n'
        '"12/09/2026","10:00:00","CEST","Bo","Payment","Pending","USD","7.00","0.00","7.00",'
        '"c@example.com","b@example.com","4DE",""\n'
        '"13/09/2026","10:00:00","CEST","","General Withdrawal","Completed","USD","-900.00",'
        '"0.00","-900.00","","","5EF",""\n',
        loaded={"USD": "1000.00"},
        rejects=("left_out_by_format", "left_out_by_format"),
    ),
    Export(
        name="Xero, sales invoices",
        source="xero_invoices",
        declared={"date_formats": ["%d/%m/%Y"]},
        text="ContactName,EmailAddress,POCity,POCountry,InvoiceNumber,Reference,InvoiceDate,"
        "DueDate,Total,TaxTotal,InvoiceAmountPaid,InvoiceAmountDue,InventoryItemCode,Description,"
        "Quantity,UnitAmount,Discount,LineAmount,AccountCode,TaxType,TaxAmount,Currency,Type,Sent,"
        "Status\n"
        "Acme,,Leeds,UK,INV-1,,05/03/2026,05/04/2026,36.00,6.00,0,36.00,A,Bread,1,10.00,,10.00,200,"
        "20%,2.00,GBP,Sales invoice,Sent,Awaiting Payment\n"
        "Acme,,Leeds,UK,INV-1,,05/03/2026,05/04/2026,36.00,6.00,0,36.00,B,Cake,2,10.00,,20.00,200,"
        "20%,4.00,GBP,Sales invoice,Sent,Awaiting Payment\n"
        "Acme,,Leeds,UK,INV-2,,05/03/2026,05/04/2026,99.00,0,0,99.00,B,Cake,9,11.00,,99.00,200,"
        "20%,0,GBP,Sales invoice,,Voided\n"
        "Acme,,Leeds,UK,CN-1,,05/03/2026,05/04/2026,5.00,0,0,5.00,B,Cake,1,5.00,,5.00,200,"
        "20%,0,GBP,Sales credit note,,Paid\n",
        loaded={"GBP": "30.00"},
        rejects=("left_out_by_format", "left_out_by_format"),
    ),
    Export(
        name="DATEV, Buchungsstapel (EXTF 700)",
        source="datev_bookings",
        text='"EXTF";700;21;"Buchungsstapel";13;20260401120000000;;"RE";"";"";1001;1;20260101;4;'
        '20260301;20260331;"März";"";1;0;0;"EUR"\n'
        "Umsatz (ohne Soll/Haben-Kz);Soll/Haben-Kennzeichen;WKZ Umsatz;Kurs;Basis-Umsatz;"
        "WKZ Basis-Umsatz;Konto;Gegenkonto (ohne BU-Schlüssel);BU-Schlüssel;Belegdatum;"
        "Belegfeld 1;Belegfeld 2;Skonto;Buchungstext\n"
        '119,00;"S";"EUR";;;;10000;8400;;503;"RE-1";;;"Brot"\n'
        '19,00;"H";"EUR";;;;10000;8400;;0603;"RE-2";;;"Gutschrift"\n',
        loaded={"EUR": "100.00"},
    ),
    Export(
        name="FOCUS of AWS",
        text=f"{FOCUS_12},x_Operation\n"
        "1.25,111111111111,,USD,2026-04-01T00:00:00Z,2026-03-01T00:00:00Z,Usage,,,,"
        '2026-03-02T00:00:00Z,2026-03-01T00:00:00Z,1.25,1.25,1.25,AWS,Compute,EC2,"{""a"":""b""}",x\n',
        loaded={"USD": "1.25"},
    ),
    Export(
        name="FOCUS of Azure",
        text=f"{FOCUS_12},x_BillingProfileId\n"
        "1.25,/providers/x,,EUR,2026-04-01T00:00:00Z,2026-03-01T00:00:00Z,Usage,,,,"
        "2026-03-02T00:00:00Z,2026-03-01T00:00:00Z,1.25,1.25,1.25,"
        'Microsoft,Compute,VM,"""a"": ""b""",\n',
        loaded={"EUR": "1.25"},
    ),
    Export(
        name="FOCUS of Google Cloud, from BigQuery",
        text=f"{FOCUS_12}\n"
        "1.2345678901234567e-05,0101-F0,,USD,2026-04-01 00:00:00 UTC,2026-03-01 00:00:00 UTC,Usage,"
        ",,,2026-03-01 01:00:00 UTC,2026-03-01 00:00:00 UTC,1.25,1.25,1.25,Google Cloud,Compute,"
        "Compute Engine,\n",
        loaded={"USD": "0.000012345678901235"},
    ),
    Export(
        # FOCUS 1.0-preview: no ContractedCost, and Provider, Publisher, InvoiceIssuer.
        name="FOCUS of OCI",
        text="AvailabilityZone,BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,"
        "BillingPeriodEnd,BillingPeriodStart,ChargeCategory,ChargeDescription,ChargeFrequency,"
        "ChargePeriodEnd,ChargePeriodStart,ChargeSubcategory,CommitmentDiscountId,EffectiveCost,"
        "InvoiceIssuer,ListCost,ListUnitPrice,PricingCategory,Provider,Publisher,Region,ResourceId,"
        "ServiceCategory,ServiceName,SkuId,SubAccountId,Tags,UsageQuantity,oci_ReferenceNumber\n"
        ",.5,123456,Acme,USD,2026-04-01T00:00Z,2026-03-01T00:00Z,Usage,Block Volume,,"
        "2026-03-05T02:00Z,2026-03-05T01:00Z,,,.5,Oracle,.75,,,Oracle,Oracle,eu-frankfurt-1,"
        'ocid1.volume.x,Storage,Block Storage,B91961,ocid1.tenancy.x,"{""a"":""b""}",1,R1\n',
        loaded={"USD": "0.5"},
    ),
    Export(
        name="PayPal, activity download with holds, deposits and authorizations",
        source="paypal_activity",
        declared={"date_formats": ["%m/%d/%Y"]},
        text='"Date","Time","Type","Status","Currency","Gross","Net","Transaction ID",'
        '"Balance Impact"\n'
        + "".join(
            f'"09/05/2026","10:00:00","{kind}","Completed","USD","{gross}","{gross}","T{number}",'
            f'"{impact}"\n'
            for number, (kind, gross, impact) in enumerate(
                [
                    ("Express Checkout Payment", "100.00", "Credit"),
                    ("Payment Refund", "-20.00", "Debit"),
                    ("Chargeback Fee", "-15.00", "Debit"),
                    ("General Card Deposit", "60.00", "Credit"),
                    ("Hold on Available Balance", "-40.00", "Debit"),
                    ("General hold release", "40.00", "credit"),
                    ("Payment Review", "-7.00", "Memo"),
                    ("Void of Authorization", "9.00", "Credit"),
                    ("Transfer to Bank Initiated", "-9.00", "Debit"),
                    ("User Initiated Currency Conversion", "50.00", "Credit"),
                    ("General Withdrawal - Bank Account", "-50.00", "Debit"),
                    ("Reserve Release", "3.00", "Credit"),
                ]
            )
        ),
        loaded={"USD": "65.00"},
        rejects=("left_out_by_format",) * 9,
    ),
    Export(
        # A Generalumkehr takes a booking back on the same side.
        name="DATEV, Buchungsstapel with Generalumkehr",
        source="datev_bookings",
        text='"EXTF";700;21;"Buchungsstapel";13;20260401120000000;;"RE";"";"";1001;1;20260101;4;'
        '20260301;20260331;"März";"";1;0;0;"EUR"\n'
        "Umsatz (ohne Soll/Haben-Kz);Soll/Haben-Kennzeichen;WKZ Umsatz;Konto;"
        "Gegenkonto (ohne BU-Schlüssel);BU-Schlüssel;Belegdatum;Belegfeld 1;Buchungstext;"
        "Generalumkehr (GU)\n"
        '100,00;"S";"EUR";4930;70000;"9";0503;"RE-1";"Miete";0\n'
        '100,00;"S";"EUR";4930;70000;"9";0503;"RE-2";"Storno";1\n'
        '100,00;"S";"EUR";4930;70000;"9";0503;"RE-3";"Storno";"G"\n'
        '100,00;"S";"EUR";4930;70000;"29";0503;"RE-4";"Storno";\n',
        loaded={"EUR": "100.00"},
        rejects=("left_out_by_format",) * 3,
    ),
)

REFUSED = (
    Export(
        name="Stripe, payments",
        code="other_export",
        remedy="`Balance change from activity`, itemized",
        text="id,Description,Seller Message,Created (UTC),Amount,Amount Refunded,Currency,Status\n"
        "ch_1,Sale,Declined,2026-03-05 10:15,10.00,10.00,eur,Failed\n",
    ),
    Export(
        name="AWS, Cost and Usage Report (legacy)",
        code="other_export",
        remedy="`FOCUS with AWS columns`",
        text="identity/LineItemId,identity/TimeInterval,bill/BillingEntity,lineItem/UnblendedCost,"
        "lineItem/CurrencyCode\na,b,AWS,1.25,USD\n",
    ),
    Export(
        name="AWS, CUR 2.0",
        code="other_export",
        remedy="Data Exports",
        text="bill_billing_entity,identity_line_item_id,line_item_currency_code,"
        "line_item_unblended_cost\nAWS,a,USD,1.25\n",
    ),
    Export(
        name="AWS, CUR 2.0 with chosen columns",
        code="other_export",
        remedy="Data Exports",
        text="line_item_usage_account_id,line_item_unblended_cost,line_item_currency_code\n"
        "111111111111,1.25,USD\n",
    ),
    Export(
        name="Azure, actual costs",
        code="other_export",
        remedy="`Cost and usage details (FOCUS)`",
        text="InvoiceSectionName,AccountName,SubscriptionId,SubscriptionName,Date,MeterId,"
        "CostInBillingCurrency,BillingCurrencyCode\na,b,c,d,03/05/2026,e,1.25,EUR\n",
    ),
    Export(
        name="Google Cloud, cost table",
        code="other_export",
        remedy="`FOCUS usage cost`",
        text="Billing account name,Billing account ID,Project name,Project ID,Service description,"
        "Service ID,SKU description,SKU ID,Usage start date,Usage end date,Cost ($)\n"
        "a,b,c,d,e,f,g,h,2026-03-01,2026-03-31,1.25\n",
    ),
    Export(
        name="OCI, cost report",
        code="other_export",
        remedy="`FOCUS Reports`",
        text="lineItem/referenceNo,lineItem/tenantId,lineItem/intervalUsageStart,"
        "cost/productSku,cost/currencyCode,cost/myCost\na,b,2026-03-01T00:00Z,c,USD,1.25\n",
    ),
)

PROPOSED = (
    Export(
        name="FreshBooks, invoice details",
        text="Client Name,Invoice #,Date Issued,Invoice Status,Date Paid,Item Name,"
        "Item Description,Rate,Quantity,Line Total,Currency\n"
        "Alpha,INV-1,2026-03-25,paid,,Web,Home,75.00,10,750.00,USD\n"
        "Alpha,INV-1,2026-03-25,paid,,Web,Shop,75.00,1,75.00,USD\n",
        questions=("id_from",),
        answers={
            "id_from": ["Invoice #", "Item Name", "Item Description"],
            "columns": {
                "bill_date": "Date Issued",
                "bill_amount": "Line Total",
                "company_name": "Client Name",
            },
        },
        loaded={"USD": "825.00"},
    ),
    Export(
        name="Zoho, invoices",
        text="Invoice Date,Invoice ID,Invoice Number,Invoice Status,Customer Name,Due Date,"
        "Currency Code,Total\n2026-03-05,1,INV-1,Sent,Acme,2026-04-05,USD,12.50\n",
        loaded={"USD": "12.50"},
    ),
    Export(
        name="QuickBooks, transaction list",
        text="Acme Ltd\nTransaction List by Date\n\n"
        "Date,Transaction type,Num,Name,Memo,Due date,Amount,Open balance\n"
        '03/25/2026,Invoice,1042,Acme,Bread,04/05/2026,"1,200.50",0.00\n',
        questions=("defaults.currency",),
        answers={"defaults": {"currency": "USD"}},
        loaded={"USD": "1200.50"},
    ),
    Export(
        name="Lloyds, statement with debit and credit",
        text="Transaction Date,Transaction Type,Sort Code,Account Number,"
        "Transaction Description,Debit Amount,Credit Amount,Balance\n"
        "28/02/2026,DEB,'11-22-33,12345678,TESCO,23.50,,1200.00\n"
        "27/02/2026,FPI,'11-22-33,12345678,REFUND,,2.25,1223.50\n",
        questions=("id_from", "defaults.currency"),
        answers={
            "id_from": ["Transaction Date", "Transaction Description", "Balance"],
            "defaults": {"currency": "GBP"},
        },
        loaded={"GBP": "21.25"},
    ),
    Export(
        name="Wise, statement",
        text="TransferWise ID,Date,Amount,Currency,Description,Payment Reference,Running Balance\n"
        "12345,15-01-2026,2500.00,EUR,Salary,,3200.00\n67890,18-01-2026,-85.30,EUR,Amazon,,3114.70\n",
        loaded={"EUR": "2414.70"},
    ),
    Export(
        name="German invoicing program",
        text="Rechnungsnummer;Rechnungsdatum;Kunde;Betrag;Währung\n"
        "RE-1;25.03.2026;Müller;1.222,56;EUR\nRE-2;03.04.2026;Müller;-10,00;EUR\n",
        loaded={"EUR": "1212.56"},
    ),
    Export(
        name="French invoicing program",
        text="N° facture;Date de facture;Client;Montant TTC;Devise\n"
        "F-1;25/03/2026;Société Générale;1 222,56;EUR\n",
        loaded={"EUR": "1222.56"},
    ),
    Export(
        name="Spanish invoicing program",
        text="Número de factura;Fecha;Cliente;Importe total;Moneda\n"
        "A-1;25/03/2026;Núñez;99,50;EUR\n",
        loaded={"EUR": "99.50"},
    ),
    Export(
        name="Polish invoicing program",
        text="Numer faktury;Data wystawienia;Nabywca;Kwota brutto;Waluta\n"
        "FV/1;2026-03-05;Łódź;99,50;PLN\n",
        loaded={"PLN": "99.50"},
    ),
    Export(
        name="Zoho, invoices with two lines",
        text="Invoice Date,Invoice Number,Customer Name,Currency Code,Total,Item Name,Item Total\n"
        "2026-03-05,INV-1,Acme,USD,33.00,Widget,11.00\n"
        "2026-03-05,INV-1,Acme,USD,33.00,Gadget,22.00\n",
        questions=("id_from", "columns.bill_amount"),
        answers={
            "id_from": ["Invoice Number", "Item Name"],
            "columns": {
                "bill_date": "Invoice Date",
                "currency": "Currency Code",
                "bill_amount": "Item Total",
            },
        },
        loaded={"USD": "33.00"},
    ),
    Export(
        name="French invoicing program, with and without taxes",
        text="Numéro de facture;Date de facture;Montant HT;Montant TTC;Devise\n"
        "F-1;25/03/2026;100,00;120,00;EUR\n",
        questions=("columns.bill_amount",),
        answers={
            "columns": {
                "record_id": "Numéro de facture",
                "bill_date": "Date de facture",
                "bill_amount": "Montant TTC",
                "currency": "Devise",
            },
        },
        loaded={"EUR": "120.00"},
    ),
    Export(
        name="Revolut, statement with two currencies",
        text="Date,ID,State,Orig currency,Orig amount,Payment currency,Amount,Fee currency\n"
        "2026-03-05,1,COMPLETED,USD,-10.00,EUR,-9.00,EUR\n"
        "2026-03-06,2,REVERTED,USD,-5.00,EUR,-4.00,EUR\n",
        questions=("columns.currency", "rows"),
        answers={
            "columns": {
                "record_id": "ID",
                "bill_date": "Date",
                "bill_amount": "Amount",
                "currency": "Payment currency",
            },
            "negate": True,
        },
        loaded={"EUR": "13.00"},
    ),
    Export(
        name="American dates that could be European",
        text="Invoice Number,Invoice Date,Amount,Currency\n1,03/04/2026,1.50,USD\n",
        questions=("date_formats",),
        answers={"date_formats": ["%m/%d/%Y"]},
        loaded={"USD": "1.50"},
    ),
)


def check(export: Export, document: dict[str, Any] | None = None) -> Check:
    rates = ExchangeRates(RatePolicy(static=STATIC))
    form = DatasetFormat.from_document("d", document or {})
    used = used_format("d", form) if document else None
    return check_file(lambda: io.BytesIO(export.text.encode()), used, rates, "d")


def amounts(found: Check) -> dict[str, Decimal]:
    return {currency: Decimal(one) for currency, one in found.amounts.items()}


def wanted(export: Export) -> dict[str, Decimal]:
    return {currency: Decimal(text) for currency, text in export.loaded.items()}


def name(export: Export) -> str:
    return export.name


@pytest.mark.parametrize("export", BUILT_IN, ids=name)
def test_is_loaded_as_it_is(export: Export) -> None:
    found = check(export, export.declared)
    assert (amounts(found), found.error) == (wanted(export), "")
    assert tuple(one.reason for one in found.problems) == export.rejects
    assert (found.used.source if found.used else "") == export.source


@pytest.mark.parametrize("export", REFUSED, ids=name)
def test_is_refused_for_an_export_that_says_more(export: Export) -> None:
    found = check(export)
    assert (found.status, found.error_code, found.proposal) == ("REJECTED", export.code, None)
    assert export.remedy in found.error


@pytest.mark.parametrize("export", PROPOSED, ids=name)
def test_is_loaded_by_the_format_that_is_proposed(export: Export) -> None:
    found = check(export)
    assert found.status == "REJECTED"
    assert found.proposal is not None
    asked = tuple(one.partition(":")[0] for one in found.proposal.questions)
    assert asked == export.questions
    document = json.loads(json.dumps(found.proposal.document)) | export.answers
    loaded = check(export, document)
    assert (loaded.error, loaded.problems) == ("", [])
    assert amounts(loaded) == wanted(export)
    if not asked:
        rates = ExchangeRates(RatePolicy(static=STATIC))
        tried = checked_proposal(lambda: io.BytesIO(export.text.encode()), found.proposal, rates)
        assert amounts(tried) == wanted(export)


def test_paypal_days_are_declared_and_never_guessed() -> None:
    found = check(BUILT_IN[1], {"thousands": ","})
    assert (found.amounts, found.rows_quarantined) == ({}, 4)
    assert "finops billing format d --date-format" in found.problems[0].message


@pytest.mark.parametrize(
    "title", ["Amount (cents)", "Amount in TEUR", "Total (in thousands)", "Betrag Tsd.", "Net '000"]
)
def test_an_amount_in_another_unit_is_asked_for(title: str) -> None:
    text = f"Invoice Number,Invoice Date,Currency,{title}\nF1,2026-03-05,EUR,1000\n"
    found = check_file(lambda: io.BytesIO(text.encode()), None, ExchangeRates(RatePolicy()), "d")
    assert found.proposal is not None
    assert [one.partition(":")[0] for one in found.proposal.questions] == ["columns.bill_amount"]


def test_a_column_of_the_preview_counts_only_where_the_standards_is_missing() -> None:
    header = FOCUS_12.replace("ProviderName", "Provider,Publisher,ProviderName")
    row = (
        "1,1,,USD,2026-04-01,2026-03-01,Usage,,,,2026-03-02,2026-03-01,1,1,1,Old,Old,Oracle,"
        "Compute,VM,"
    )
    text = f"{header}\n{row}\n"
    found = check_file(lambda: io.BytesIO(text.encode()), None, ExchangeRates(RatePolicy()), "d")
    assert (found.status, found.error) == ("LOADED", "")
    assert dict(found.header)["Provider"] == ""
    assert dict(found.header)["ProviderName"] == "provider_name"
    assert dict(found.header)["Publisher"] == "publisher_name"
