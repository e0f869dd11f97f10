"""https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/Welcome.html."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from localcloud.supervisor import LocalCloud
from tests.conftest import fresh_settings
from tests.localcloud.contract.aws import Account, allow, error_code, unique

pytestmark = pytest.mark.needs("costs")

PAYER, MEMBER, EURO_PAYER = "111111111111", "222222222222", "555555555555"
FEBRUARY = {"Start": "2026-02-01", "End": "2026-03-01"}
BY_ACCOUNT = [{"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}]
MONTHLY = {"TimePeriod": FEBRUARY, "Granularity": "MONTHLY", "Metrics": ["UnblendedCost"]}


@contextmanager
def cloud(**variables: str) -> Iterator[str]:
    """A cloud of its own on a day of its own; its endpoint."""
    with fresh_settings() as settings:
        given = {"FINOPS_COSTS_TODAY": "2026-03-18", **variables}
        environment = {**settings.emulator_environment, **given}
        with LocalCloud(
            replace(settings, database=False, emulator_environment=environment)
        ) as running:
            yield running.endpoint_url


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with cloud(FINOPS_COST_EXPLORER_PAGE="5") as url:
        yield url


@pytest.fixture(scope="module")
def payer(endpoint: str) -> Account:
    return Account(PAYER, endpoint)


def total(answer: dict[str, Any]) -> Decimal:
    (result,) = answer["ResultsByTime"]
    return Decimal(result["Total"]["UnblendedCost"]["Amount"])


def test_costs_are_paged_and_accounts_are_named(payer: Account) -> None:
    ce, found, names = payer.client("ce"), {}, {}
    token: dict[str, Any] = {}
    while True:
        answer = ce.get_cost_and_usage(
            TimePeriod={"Start": "2026-01-01", "End": "2026-03-01"},
            Granularity="MONTHLY",
            Metrics=["UnblendedCost", "AmortizedCost"],
            GroupBy=BY_ACCOUNT,
            **token,
        )
        for one in answer["DimensionValueAttributes"]:
            names[one["Value"]] = one["Attributes"]["description"]
        for result in answer["ResultsByTime"]:
            for group in result["Groups"]:
                key = (result["TimePeriod"]["Start"], *group["Keys"])
                assert key not in found
                found[key] = Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
        if "NextPageToken" not in answer:
            break
        token = {"NextPageToken": answer["NextPageToken"]}
    assert len(found) == 8
    assert set(names.values()) == {"management", "payments", "platform", "sandbox"}
    february = [cost for (start, _), cost in found.items() if start == "2026-02-01"]
    assert sum(february) == total(ce.get_cost_and_usage(**MONTHLY))
    every_account = partial(ce.get_cost_and_usage, **MONTHLY, NextPageToken="none")
    assert error_code(every_account) == "InvalidNextTokenException"


def test_payers_have_costs_of_their_own(endpoint: str, payer: Account) -> None:
    costs = {
        total(Account(one, endpoint).client("ce").get_cost_and_usage(**MONTHLY))
        for one in (PAYER, MEMBER, EURO_PAYER, "666666666666")
    }
    assert len(costs) == 4


def test_empty_intervals_and_hours_are_refused(payer: Account) -> None:
    ask = payer.client("ce").get_cost_and_usage
    none = {**MONTHLY, "TimePeriod": {"Start": "2026-03-01", "End": "2026-03-01"}}
    assert error_code(partial(ask, **none)) == "ValidationException"
    hourly = {**MONTHLY, "Granularity": "HOURLY"}
    assert error_code(partial(ask, **hourly)) == "DataUnavailableException"
    groups = [{"Type": "DIMENSION", "Key": key} for key in ("SERVICE", "REGION", "USAGE_TYPE")]
    assert error_code(partial(ask, **MONTHLY, GroupBy=groups)) == "ValidationException"


def test_invoices_are_those_of_the_costs(payer: Account) -> None:
    pages = payer.client("invoicing").get_paginator("list_invoice_summaries")
    invoices = [
        one
        for page in pages.paginate(
            Selector={"ResourceType": "ACCOUNT_ID", "Value": PAYER},
            Filter={"BillingPeriod": {"Month": 2, "Year": 2026}},
            PaginationConfig={"PageSize": 1},
        )
        for one in page["InvoiceSummaries"]
    ]
    assert [one["Entity"]["BillingEntity"] for one in invoices] == [
        "AWS",
        "AWS",
        "AWS_MARKETPLACE",
    ]
    assert {one["IssuedDate"].date().isoformat() for one in invoices} == {"2026-03-03"}
    invoiced = sum(Decimal(one["BaseCurrencyAmount"]["TotalAmount"]) for one in invoices)
    # Optional as every member is: who pays in USD has set no other currency.
    # https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_invoicing_InvoiceSummary.html
    assert not any("PaymentCurrencyAmount" in one for one in invoices)
    late_credit = Decimal(25)
    costs = total(payer.client("ce").get_cost_and_usage(**MONTHLY))
    assert abs(costs + late_credit - invoiced) < Decimal("0.02")

    ask = payer.client("invoicing").list_invoice_summaries
    unknown = {"ResourceType": "INVOICE_ID", "Value": "1"}
    assert error_code(partial(ask, Selector=unknown)) == "ResourceNotFoundException"
    foreign = {"ResourceType": "ACCOUNT_ID", "Value": EURO_PAYER}
    assert error_code(partial(ask, Selector=foreign)) == "AccessDeniedException"


def test_a_role_does_what_it_may_in_its_account(payer: Account, endpoint: str) -> None:
    euro = Account(EURO_PAYER, endpoint)
    reader = euro.assume(euro.role(allow("ce:GetCostAndUsage")))
    costs = total(euro.client("ce", reader).get_cost_and_usage(**MONTHLY))
    assert costs == total(euro.client("ce").get_cost_and_usage(**MONTHLY))
    assert costs != total(payer.client("ce").get_cost_and_usage(**MONTHLY))
    selector = {"ResourceType": "ACCOUNT_ID", "Value": EURO_PAYER}
    ask = partial(
        euro.client("invoicing", reader).list_invoice_summaries, Selector=selector, MaxResults=1
    )
    assert error_code(ask) == "AccessDeniedException"
    bookkeeper = euro.assume(euro.role(allow("invoicing:ListInvoiceSummaries")))
    (one,) = euro.client("invoicing", bookkeeper).list_invoice_summaries(
        Selector=selector, MaxResults=1
    )["InvoiceSummaries"]
    assert one["PaymentCurrencyAmount"]["CurrencyCode"] == "EUR"
    refused = partial(euro.client("ce", bookkeeper).get_cost_and_usage, **MONTHLY)
    assert error_code(refused) == "AccessDeniedException"


def test_calls_take_time_and_too_many_are_throttled() -> None:
    with cloud(FINOPS_COST_EXPLORER_RATE="2", FINOPS_COST_EXPLORER_LATENCY_MS="100") as url:
        ce = Account(PAYER, url).client("ce")
        started = time.monotonic()
        ce.get_cost_and_usage(**MONTHLY)
        assert time.monotonic() - started >= 0.1
        ce.get_cost_and_usage(**MONTHLY)
        assert error_code(partial(ce.get_cost_and_usage, **MONTHLY)) == "LimitExceededException"
        total(Account(EURO_PAYER, url).client("ce").get_cost_and_usage(**MONTHLY))


def bucket_of(account: Account, *, open_to: str | None) -> str:
    s3, name = account.client("s3"), unique("exports")
    s3.create_bucket(Bucket=name)
    if open_to:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": open_to},
            "Action": ["s3:PutObject", "s3:GetBucketPolicy"],
            "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
            "Condition": {
                "StringLike": {
                    "aws:SourceAccount": account.id,
                    "aws:SourceArn": f"arn:aws:bcm-data-exports:us-east-1:{account.id}:export/*",
                }
            },
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        s3.put_bucket_policy(Bucket=name, Policy=document)
    return name


def export(bucket: str, **changes: Any) -> dict[str, Any]:
    return {
        "Name": unique("focus"),
        "DataQuery": {
            "QueryStatement": "SELECT BilledCost FROM FOCUS_1_2_AWS",
            "TableConfigurations": {"FOCUS_1_2_AWS": {}},
        },
        "DestinationConfigurations": {
            "S3Destination": {
                "S3Bucket": bucket,
                "S3Prefix": "focus",
                "S3Region": "us-east-1",
                "S3OutputConfigurations": {
                    "OutputType": "CUSTOM",
                    "Format": "PARQUET",
                    "Compression": "PARQUET",
                    "Overwrite": "OVERWRITE_REPORT",
                },
            }
        },
        "RefreshCadence": {"Frequency": "SYNCHRONOUS"},
        **changes,
    }


def test_an_export_is_kept_with_its_tags(payer: Account) -> None:
    exports = payer.client("bcm-data-exports")
    wanted = export(bucket_of(payer, open_to="bcm-data-exports.amazonaws.com"))
    tags = [{"Key": "team", "Value": "finops"}]
    arn = exports.create_export(Export=wanted, ResourceTags=tags)["ExportArn"]
    assert exports.get_export(ExportArn=arn)["Export"] == {**wanted, "ExportArn": arn}
    assert exports.get_export(ExportArn=arn)["ExportStatus"]["StatusCode"] == "HEALTHY"
    assert arn in [one["ExportArn"] for one in exports.list_exports()["Exports"]]
    assert error_code(partial(exports.create_export, Export=wanted)) == "ValidationException"
    exports.update_export(ExportArn=arn, Export={**wanted, "Description": "for finance"})
    assert exports.get_export(ExportArn=arn)["Export"]["Description"] == "for finance"
    exports.tag_resource(ResourceArn=arn, ResourceTags=[{"Key": "stage", "Value": "test"}])
    exports.untag_resource(ResourceArn=arn, ResourceTagKeys=["team"])
    assert exports.list_tags_for_resource(ResourceArn=arn)["ResourceTags"] == [
        {"Key": "stage", "Value": "test"}
    ]
    foreign = Account(EURO_PAYER, payer.endpoint_url).client("bcm-data-exports")
    assert error_code(partial(foreign.get_export, ExportArn=arn)) == "ResourceNotFoundException"
    exports.delete_export(ExportArn=arn)
    assert error_code(partial(exports.get_export, ExportArn=arn)) == "ResourceNotFoundException"


def test_an_export_needs_a_bucket_that_lets_it_in(payer: Account) -> None:
    create = payer.client("bcm-data-exports").create_export
    for service in (None, "sns.amazonaws.com"):
        closed = export(bucket_of(payer, open_to=service))
        assert error_code(partial(create, Export=closed)) == "ValidationException"
    assert error_code(partial(create, Export=export("no-such-bucket"))) == "ValidationException"


def test_a_role_changes_the_exports_that_it_may(payer: Account) -> None:
    bucket = bucket_of(payer, open_to="bcm-data-exports.amazonaws.com")
    create = payer.client("bcm-data-exports").create_export
    own, other = (create(Export=export(bucket))["ExportArn"] for _ in range(2))
    role = payer.role(allow("bcm-data-exports:*", own))
    exports = payer.client("bcm-data-exports", payer.assume(role))
    assert exports.get_export(ExportArn=own)["Export"]["ExportArn"] == own
    assert error_code(partial(exports.delete_export, ExportArn=other)) == "AccessDeniedException"
