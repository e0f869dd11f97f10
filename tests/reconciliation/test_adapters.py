"""AWS behind the ports: its invoices, processed documents, budgets, and accounts with tags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from finops.budgets.adapters.dynamodb import DynamoBudgetTable, DynamoStatusTable
from finops.budgets.documents import document_for
from finops.budgets.domain import BudgetKey, Status
from finops.budgets.ports import BudgetStatus
from finops.invoices.identity import number_key, vendor_key
from finops.reconciliation.adapters.budgets import TableBudgets
from finops.reconciliation.adapters.cost_explorer import AwsCostExplorer
from finops.reconciliation.adapters.invoicing import AwsInvoices
from finops.reconciliation.adapters.organizations import OrganizationsDirectory
from finops.reconciliation.adapters.payers import PayerAccounts
from finops.reconciliation.adapters.processed_invoices import DynamoProcessedInvoices
from finops.reconciliation.configuration import OrganizationTags
from finops.reconciliation.domain import UnitBudget
from finops.shared.errors import ConfigurationError, TransientFailure
from finops.shared.periods import Month
from tests.budgets.fakes import ACCOUNT, FakeStatuses, FakeTable, change
from tests.reconciliation.fakes import OCTOBER, PAYER

KEYS = {"aws_access_key_id": "1", "aws_secret_access_key": "1", "region_name": "us-east-1"}


def payers(client: Any) -> PayerAccounts:
    return PayerAccounts(PAYER, lambda _: client, None)


def summary(number: str, total: str, kind: str = "INVOICE") -> dict[str, Any]:
    def amount(value: str, currency: str) -> dict[str, Any]:
        return {
            "TotalAmount": value,
            "CurrencyCode": currency,
            "AmountBreakdown": {"Taxes": {"TotalAmount": "1.90"}},
        }

    paid = amount(total, "EUR") | {
        "CurrencyExchangeDetails": {
            "SourceCurrencyCode": "USD",
            "TargetCurrencyCode": "EUR",
            "Rate": "0.9",
        }
    }
    return {
        "AccountId": PAYER,
        "InvoiceId": number,
        "InvoiceType": kind,
        "IssuedDate": datetime(2026, 11, 3, tzinfo=UTC),
        "Entity": {"InvoicingEntity": "Amazon Web Services EMEA SARL"},
        "BaseCurrencyAmount": amount("11.90", "USD"),
        "PaymentCurrencyAmount": paid,
    }


def test_invoices_come_page_by_page_memos_are_negative_and_receipts_none() -> None:
    client = boto3.client("invoicing", **KEYS)
    asked = {
        "Selector": {"ResourceType": "ACCOUNT_ID", "Value": PAYER},
        "Filter": {"BillingPeriod": {"Month": 10, "Year": 2026}},
        "MaxResults": 100,
    }
    with Stubber(client) as stub:
        stub.add_response(
            "list_invoice_summaries",
            {"InvoiceSummaries": [summary("A", "10.71")], "NextToken": "more"},
            asked,
        )
        stub.add_response(
            "list_invoice_summaries",
            {
                "InvoiceSummaries": [
                    summary("B", "5", "CREDIT_MEMO"),
                    summary("C", "5", "PAYMENT_RECEIPT"),
                ]
            },
            asked | {"NextToken": "more"},
        )
        found = AwsInvoices(payers(client), [PAYER], role_name="reader").of_month(OCTOBER)
    assert [(one.number, str(one.amount), str(one.base_amount)) for one in found] == [
        ("A", "10.71", "11.90"),
        ("B", "-5", "-11.90"),
    ]
    assert (found[0].currency, found[0].base_currency, found[0].exchange_rate) == (
        "EUR",
        "USD",
        Decimal("0.9"),
    )
    assert found[0].issued_on == date(2026, 11, 3)


def test_every_member_of_an_invoice_summary_is_optional() -> None:
    """https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_invoicing_InvoiceSummary.html."""
    whole = summary("A", "10.71")
    base_only = {name: one for name, one in whole.items() if name != "PaymentCurrencyAmount"}
    client = boto3.client("invoicing", **KEYS)
    with Stubber(client) as stub:
        stub.add_response(
            "list_invoice_summaries",
            {
                "InvoiceSummaries": [
                    *({kept: whole[kept] for kept in whole if kept != left} for left in whole),
                    base_only | {"BaseCurrencyAmount": {"TotalAmount": "11.90"}},
                    base_only | {"BaseCurrencyAmount": {"CurrencyCode": "USD"}},
                    {},
                ]
            },
        )
        found = AwsInvoices(payers(client), [PAYER], role_name="reader").of_month(OCTOBER)
    assert len(found) == len(whole) + 3
    unpaid = found[list(whole).index("PaymentCurrencyAmount")]
    assert (unpaid.amount, unpaid.currency, unpaid.tax) == (
        Decimal("11.90"),
        "USD",
        Decimal("1.90"),
    )
    assert [one.amount for one in found[-3:]] == [None, None, None]
    assert (found[-1].number, found[-1].issuer, found[-1].issued_on) == ("", "", None)


@pytest.mark.parametrize(
    ("code", "kind"),
    [("LimitExceededException", TransientFailure), ("AccessDeniedException", ConfigurationError)],
)
def test_what_cost_explorer_refuses_is_told_apart(code: str, kind: type[Exception]) -> None:
    client = boto3.client("ce", **KEYS)
    request = {
        "TimePeriod": {"Start": "2026-10-01", "End": "2026-11-01"},
        "Metrics": ["UnblendedCost"],
        "Granularity": "MONTHLY",
    }
    with Stubber(client) as stub:
        stub.add_client_error("get_cost_and_usage", code, "no")
        with pytest.raises(kind) as refused:
            AwsCostExplorer(payers(client), role_name="reader").page(PAYER, request)
    if kind is ConfigurationError:
        assert "modules/reconciliation_payer" in str(refused.value)


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("dynamodb", **KEYS)


def test_processed_documents_are_found_by_number_and_by_cloud_vendor(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="invoices",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("id", "received_month")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_month",
                "KeySchema": [{"AttributeName": "received_month", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )

    def put(number: str, vendor: str, dated: str, received: str, status: str = "PROCESSED") -> None:
        item = {
            "id": number,
            "status": status,
            "received_month": received,
            "vendor": vendor,
            "invoice_number": number,
            "invoice_date": dated,
            "currency": "USD",
            "total": "100.00",
        }
        dynamodb.put_item(
            TableName="invoices", Item={name: {"S": value} for name, value in item.items()}
        )

    put("EUINV-1", "Somebody", "2026-11-03", "2026-11")
    put("EUINV-2", "Amazon Web Services, Inc.", "2026-11-03", "2026-12")
    put("EUINV-3", "Amazon Web Services, Inc.", "2026-12-03", "2026-12")
    put("EUINV-4", "Bakery", "2026-11-03", "2026-11")
    put("EUINV-5", "Amazon Web Services, Inc.", "2026-11-03", "2026-11", "NEEDS_REVIEW")
    found = DynamoProcessedInvoices(
        dynamodb, "invoices", number_key=number_key, vendor_key=vendor_key
    ).numbered(["euinv 1"], OCTOBER)
    assert sorted(one.number for one in found) == ["EUINV-1", "EUINV-2"]
    assert found[0].amount == Decimal("100.00")


def test_only_monthly_budgets_of_all_costs_count_and_bad_rows_do_not(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="budgets",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "account_id", "KeyType": "HASH"},
            {"AttributeName": "budget_name", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("account_id", "budget_name")
        ],
    )
    rows: dict[str, dict[str, Any]] = {
        "monthly-total": {"amount": {"S": "100.50"}},
        "yearly": {"amount": {"N": "1200"}, "time_unit": {"S": "ANNUALLY"}},
        "s3": {"amount": {"N": "5"}, "cost_filters": {"M": {"Service": {"L": [{"S": "S3"}]}}}},
        "amortized": {"amount": {"N": "5"}, "cost_types": {"S": "AMORTIZED"}},
        "daily": {"amount": {"N": "5"}, "time_unit": {"S": "DAILY"}},
        "broken": {"amount": {"S": "a lot"}},
        "in-payer": {"amount": {"N": "7"}, "delivery": {"S": "payer"}},
        "planned": {
            "amount": {"N": "8"},
            "planned_amounts": {"M": {"2026-10": {"S": "9"}, "2027-01": {"N": "10"}}},
        },
    }
    for name, attributes in rows.items():
        key = {"account_id": {"S": PAYER}, "budget_name": {"S": name}}
        dynamodb.put_item(TableName="budgets", Item=key | attributes)
    found = TableBudgets(DynamoBudgetTable(dynamodb, "budgets")).monthly(Month.parse("2026-11"))
    targets = [Decimal(7), Decimal("100.50"), Decimal(9)]
    assert found == {
        PAYER: [UnitBudget(monthly_target=one, origin="budgets table") for one in targets]
    }


def test_a_budget_that_an_account_inherits_counts_until_it_has_a_row_of_its_own() -> None:
    def status(account_id: str, outcome: Status, default_of: str, **facts: Any) -> BudgetStatus:
        document = document_for(change(7, account_id=account_id, **facts))
        return BudgetStatus(
            key=document.key,
            version="1",
            status=outcome,
            default_of=default_of,
            document=document.encode(),
        )

    table, statuses = FakeTable(dict(change(100).row or {})), FakeStatuses()
    table.items[("*", "monthly-total")] = dict(change(7, account_id="*").row or {})
    for one in (
        status(ACCOUNT, Status.APPLIED, "*"),  # of before it had a row of its own
        status("333333333333", Status.APPLIED, "*"),
        status("444444444444", Status.REMOVED, "*"),
        status("555555555555", Status.APPLIED, ""),
        status("666666666666", Status.APPLIED, "*", time_unit="ANNUALLY"),
    ):
        statuses.items[one.key] = one
    without_document = BudgetKey(account_id="777777777777", budget_name="monthly-total")
    statuses.items[without_document] = BudgetStatus(
        key=without_document, version="1", status=Status.FAILED, default_of="*"
    )
    found = TableBudgets(cast("DynamoBudgetTable", table), cast("DynamoStatusTable", statuses))
    targets = {
        key: [one.monthly_target for one in of]
        for key, of in found.monthly(Month.parse("2026-11")).items()
    }
    assert targets == {ACCOUNT: [Decimal(100)], "333333333333": [Decimal(7)]}


def test_a_raise_that_waits_does_not_count_yet() -> None:
    standing = document_for(change(100))
    new = BudgetKey(account_id="333333333333", budget_name="monthly-total")
    table, statuses = FakeTable(), FakeStatuses()
    for account_id in (ACCOUNT, new.account_id):
        row = change(900, account_id=account_id).row or {}
        table.items[account_id, "monthly-total"] = dict(row)

    def targets() -> dict[str, list[Decimal]]:
        found = TableBudgets(cast("DynamoBudgetTable", table), cast("DynamoStatusTable", statuses))
        monthly = found.monthly(Month.parse("2026-11"))
        return {key: [one.monthly_target for one in of] for key, of in monthly.items()}

    waiting = BudgetStatus(key=standing.key, version="2", status=Status.WAITING)
    statuses.items[standing.key] = replace(waiting, document=standing.encode())
    statuses.items[new] = replace(waiting, key=new)
    assert targets() == {ACCOUNT: [Decimal(100)]}
    approved = replace(waiting, status=Status.PENDING, document=document_for(change(900)).encode())
    statuses.items[standing.key] = approved
    assert targets() == {ACCOUNT: [Decimal(900)]}


def test_accounts_of_an_organization_with_what_their_tags_say() -> None:
    with mock_aws():
        client = boto3.client("organizations", **KEYS)
        client.create_organization(FeatureSet="ALL")
        made = {}
        for name in ("payments", "sandbox"):
            status = client.create_account(AccountName=name, Email=f"{name}@example.com")
            made[name] = status["CreateAccountStatus"]["AccountId"]
        client.tag_resource(
            ResourceId=made["payments"],
            Tags=[
                {"Key": "unit", "Value": "Payments"},
                {"Key": "cc", "Value": "CC-1"},
                {"Key": "other", "Value": "x"},
            ],
        )
        tags = OrganizationTags(business_unit="unit", cost_centre="cc", owner="owner")
        found = {one.id: one for one in OrganizationsDirectory(client).accounts(tags)}
    paid = found[made["payments"]]
    assert paid.name == "payments"
    assert paid.ownership
    assert (paid.ownership.business_unit, paid.ownership.cost_centre, paid.ownership.owner) == (
        "Payments",
        "CC-1",
        "",
    )
    assert found[made["sandbox"]].ownership is None
