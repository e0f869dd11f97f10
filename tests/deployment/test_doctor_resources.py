"""What the doctor tells of tables, quotas, rates, mail and buckets."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from finops.deployment.examination import Severity
from finops.deployment.resources import (
    check_buckets,
    check_mail,
    check_quotas,
    check_rates,
    check_tables,
)
from tests.deployment.fake_aws import FakeAws, examined


@pytest.fixture
def invoices(aws: FakeAws) -> FakeAws:
    aws.flow = "invoices"
    aws.function["Environment"]["Variables"] |= {"TABLE": "rows", "VENDORS_TABLE": "vendors"}
    aws.answers["describe_table"] = {"Table": {"TableStatus": "ACTIVE"}}
    return aws


def test_tables_that_are_there_are_fine(invoices: FakeAws) -> None:
    assert list(check_tables(examined(invoices))) == []


def test_tables_that_are_gone_are_told_by_name(invoices: FakeAws) -> None:
    invoices.refused["describe_table"] = "ResourceNotFoundException"
    found = list(check_tables(examined(invoices)))
    assert [(one.subject, one.problem) for one in found] == [
        ("rows", "the table is gone"),
        ("vendors", "the table is gone"),
    ]


def test_a_deployment_from_before_the_vendor_master_is_told(invoices: FakeAws) -> None:
    del invoices.function["Environment"]["Variables"]["VENDORS_TABLE"]
    (found,) = check_tables(examined(invoices))
    assert "VENDORS_TABLE" in found.problem
    assert "terraform apply" in found.remedy


def quotas(**values: float) -> dict[str, Any]:
    return {
        "Quotas": [
            {"QuotaName": f"Transactions per second per account for {name}", "Value": value}
            for name, value in values.items()
        ]
        + [{"QuotaName": "Maximum number of StartExpenseAnalysis jobs", "Value": 0.0}]
    }


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (quotas(AnalyzeExpense=5, StartExpenseAnalysis=1), []),
        (quotas(AnalyzeExpense=0.5, StartExpenseAnalysis=1), ["AnalyzeExpense"]),
        (quotas(AnalyzeExpense=1, StartExpenseAnalysis=0), ["StartExpenseAnalysis"]),
        ([{"Quotas": [], "NextToken": "2"}, quotas(AnalyzeExpense=0.5)], ["AnalyzeExpense"]),
        ({"Quotas": []}, []),
    ],
)
@pytest.mark.parametrize("listing", ["list_service_quotas", "list_aws_default_service_quotas"])
def test_textract_that_takes_less_than_a_call_a_second_is_a_warning(
    invoices: FakeAws, listing: str, answer: Any, told: list[str]
) -> None:
    invoices.answers["list_service_quotas"] = {}
    # Pages are taken off as they are asked for, once for each operation.
    invoices.answers[listing] = [*answer, {}] if isinstance(answer, list) else answer
    found = list(check_quotas(examined(invoices)))
    assert [one.subject for one in found] == told
    assert all(one.severity is Severity.WARNING for one in found)


def test_what_applies_to_the_account_replaces_the_default(invoices: FakeAws) -> None:
    invoices.answers["list_aws_default_service_quotas"] = quotas(AnalyzeExpense=0.5)
    invoices.answers["list_service_quotas"] = quotas(AnalyzeExpense=5)
    assert list(check_quotas(examined(invoices))) == []


@pytest.mark.parametrize(
    ("quota", "made", "told"),
    [(None, 17_999, False), (None, 18_000, True), (10, 8, False), (10, 9, True)],
)
def test_an_organization_that_has_nearly_all_its_budgets_is_a_warning(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, quota: int | None, made: int, told: bool
) -> None:
    aws.flow = "budgets"
    aws.answers["list_service_quotas"] = {
        "Quotas": [{"QuotaName": "Number of budgets", "Value": float(quota or 0)}]
    }
    if quota is None:
        aws.refused["list_service_quotas"] = "NoSuchResourceException"
    monkeypatch.setattr(
        "finops.budgets.adapters.dynamodb.DynamoStatusTable.all", lambda self: iter(range(made))
    )
    found = list(check_quotas(examined(aws)))
    assert [one.subject for one in found] == (["AWS Budgets"] if told else [])


@pytest.mark.parametrize(
    ("newest", "severity"),
    [
        ([{"newest": None}], Severity.FAULT),
        ([{"newest": "2026-02-20"}], Severity.WARNING),
        ([{"newest": "2026-02-25"}], None),
    ],
)
def test_rates_that_are_missing_or_old_are_told(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, newest: Any, severity: Severity | None
) -> None:
    billing = SimpleNamespace(
        settings=SimpleNamespace(rates=SimpleNamespace(max_age_days=7)),
        database=SimpleNamespace(execute=lambda statement: SimpleNamespace(rows=newest)),
    )
    monkeypatch.setattr("finops.deployment.billing.BillingDeployment", lambda *_: billing)
    aws.flow = "billing"
    found = list(check_rates(examined(aws)))
    assert [one.severity for one in found] == ([severity] if severity else [])
    assert all("finops fx load" in one.remedy for one in found)


@pytest.mark.parametrize(
    ("sender", "verified", "sound"),
    [
        ("finops@mail.example.com", "example.com", True),
        ("finops@mail.example.com", "mail.example.com", True),
        ("finops@Example.com", "example.com", True),
        ("finops@mail.example.com", "finops@mail.example.com", True),
        ("Finops@example.com", "finops@example.com", False),
        ("finops@example.com", "mail.example.com", False),
        ("finops@example.com", "com", False),
    ],
)
def test_a_verified_domain_covers_its_subdomains(
    aws: FakeAws, sender: str, verified: str, sound: bool
) -> None:
    aws.flow = "invoices"
    aws.function["Environment"]["Variables"]["MAIL_SENDER"] = sender
    aws.verified = verified
    assert [one.subject for one in check_mail(examined(aws))] == ([] if sound else [sender])


def told_of_buckets(aws: FakeAws) -> list[str]:
    found = list(check_buckets(examined(aws)))
    assert {one.subject for one in found} <= {"files"}
    return [one.problem for one in found]


def test_the_bucket_of_the_audit_trail_is_looked_at(aws: FakeAws) -> None:
    assert told_of_buckets(aws) == []
    aws.answers["get_bucket_policy"] = {"Policy": json.dumps({"Statement": []})}
    assert told_of_buckets(aws) == ["its policy does not refuse requests without TLS"]
    aws.refused["head_bucket"] = "404"
    assert told_of_buckets(aws) == ["the bucket is gone"]


@pytest.mark.parametrize("rule", [None, {}, {"ObjectLockEnabled": "Enabled"}])
def test_a_trail_that_is_not_locked_is_told(aws: FakeAws, rule: dict[str, Any] | None) -> None:
    aws.answers["get_object_lock_configuration"] = {"ObjectLockConfiguration": rule}
    if rule is None:
        aws.refused["get_object_lock_configuration"] = "ObjectLockConfigurationNotFoundError"
    (problem,) = told_of_buckets(aws)
    assert problem.startswith("it locks no new object")
