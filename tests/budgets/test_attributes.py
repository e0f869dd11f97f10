"""Each attribute of a budget: from the row to the AWS Budget, and back to whoever reads it."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest

from finops.budgets import documents
from finops.budgets.adapters.budgets import AwsBudgets
from finops.budgets.attributes import ATTRIBUTES, Attribute, Form
from finops.budgets.audit_events import edit_event
from finops.budgets.comparison import AccountState
from finops.budgets.csv_files import read_budgets
from finops.budgets.documents import BudgetDocument, decode_document, document_for
from finops.budgets.domain import (
    ActualBudget,
    Budget,
    BudgetKey,
    Delivery,
    NotificationType,
    Status,
    Threshold,
    TimeUnit,
    notification_changes,
)
from finops.budgets.editing import described
from finops.budgets.plans import PlannedAmount
from finops.budgets.ports import BudgetStatus
from finops.budgets.rows import parse_budget
from finops.shared.periods import Month
from tests.budgets.fakes import ACCOUNT, NOW, TOPIC, change

KEY = BudgetKey(account_id=ACCOUNT, budget_name="monthly-total")
DEFAULTS = [Threshold(type=NotificationType.ACTUAL, percent=Decimal(50))], ["team@example.com"]
#: For each attribute another value than its example. Whoever adds an attribute adds one here.
ANOTHER: dict[str, Any] = {
    "amount": Decimal("7.00"),
    "currency": "EUR",
    "time_unit": TimeUnit.ANNUALLY,
    "thresholds": (Threshold(type=NotificationType.ACTUAL, percent=Decimal(7)),),
    "emails": ("another@example.com",),
    "cost_filters": {"Region": ("eu-west-1",)},
    "cost_types": ("BLENDED",),
    "planned_amounts": (PlannedAmount(start=Month.parse("2026-12"), amount=Decimal(7)),),
    "phasing": (Decimal(1),) * 11 + (Decimal(7),),
    "delivery": Delivery.SPOKE,
}

#: What else a row has to say for an attribute to mean anything.
WITH: dict[str, dict[str, Any]] = {"phasing": {"planned_amounts": {"2027-04": "120000/year"}}}

each_attribute = pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda one: one.name)


class Api:
    """AWS Budgets, as far as it keeps what it was sent."""

    def __init__(self) -> None:
        self.budget: dict[str, Any] = {}
        self.notifications: list[dict[str, Any]] = []
        self.meta = boto3.client("budgets", region_name="us-east-1").meta

    def create_budget(self, **request: Any) -> None:
        self.budget = request["Budget"]
        self.notifications = request["NotificationsWithSubscribers"]

    def describe_budget(self, **_where: Any) -> dict[str, Any]:
        planned = self.budget.get("PlannedBudgetLimits") or {}
        current = {"BudgetLimit": planned[min(planned)]} if planned else {}
        return {"Budget": {**self.budget, **current}}

    def get_paginator(self, operation: str) -> Api:
        self.operation = operation
        return self

    def paginate(self, **where: Any) -> list[dict[str, Any]]:
        if self.operation == "describe_notifications_for_budget":
            return [{"Notifications": [one["Notification"] for one in self.notifications]}]
        return [
            {"Subscribers": one["Subscribers"]}
            for one in self.notifications
            if one["Notification"] == where["Notification"]
        ]


def edited(attribute: Attribute) -> dict[str, Any]:
    """A row in which the attribute has its example, as a person writes it."""
    row = {"account_id": ACCOUNT, "budget_name": KEY.budget_name, "amount": Decimal(100)}
    with_it = WITH.get(attribute.name, {})
    return row | with_it | {attribute.name: attribute.read_cell(attribute.example)}


def published(attribute: Attribute) -> BudgetDocument:
    row = edited(attribute)
    document = document_for(change(row.pop("amount"), **row))
    assert decode_document(document.encode()) == document
    return document


def applied(budget: Budget) -> ActualBudget:
    """The AWS Budget that the spoke makes of a document, as AWS answers it."""
    aws = AwsBudgets(Api(), ACCOUNT, clock=lambda: NOW)
    aws.create(budget.with_defaults(*DEFAULTS), TOPIC, {})
    found = aws.get(budget.aws_name)
    assert found
    return found


def matches(wanted: Budget, actual: ActualBudget) -> bool:
    full = wanted.with_defaults(*DEFAULTS)
    return actual.settings_match(full, NOW) and not notification_changes(
        full, actual.notifications, TOPIC
    )


def drift(document: BudgetDocument, wanted: Budget, actual: ActualBudget) -> list[str]:
    state = AccountState(
        wanted={KEY: wanted},
        statuses={
            KEY: BudgetStatus(
                key=KEY,
                version=document.version,
                status=Status.APPLIED,
                document=document.encode(),
            )
        },
        documents={KEY.budget_name: document.encode()},
        actual={KEY.budget_name: actual},
    )
    return [one.reason for one in state.drift(NOW + timedelta(hours=1))]


def test_every_field_of_a_budget_is_declared() -> None:
    assert {one.name for one in fields(Budget)} == {"key", *(one.name for one in ATTRIBUTES)}


@each_attribute
def test_an_attribute_is_documented(attribute: Attribute) -> None:
    guide = Path(__file__).parents[2] / "docs" / "budgets.md"
    assert f"| `{attribute.name}` |" in guide.read_text()


@each_attribute
def test_an_attribute_reaches_the_aws_budget(attribute: Attribute) -> None:
    document = published(attribute)
    wanted = document.budget
    assert wanted
    assert getattr(wanted, attribute.name) != ANOTHER[attribute.name]
    actual = applied(wanted)
    assert matches(wanted, actual)
    assert drift(document, wanted, actual) == []


@each_attribute
def test_a_budget_that_differs_in_an_attribute_is_found(attribute: Attribute) -> None:
    document = published(attribute)
    assert document.budget
    other = replace(document.budget, **{attribute.name: ANOTHER[attribute.name]})
    # By its delivery a budget is in another account, where nothing is found.
    assert matches(document.budget, applied(other)) == (attribute.name == "delivery")
    assert drift(document, other, applied(document.budget)) == ["edit_not_seen"]
    if attribute.aws:  # notifications are compared in the spoke
        assert drift(document, document.budget, applied(other)) == ["budget_changed"]


@each_attribute
def test_an_attribute_is_shown_as_people_write_it(attribute: Attribute) -> None:
    row = edited(attribute)
    shown = described(KEY, row, None)[attribute.name]
    assert shown == attribute.example
    again = row | {attribute.name: attribute.read_cell(shown)}
    assert parse_budget(again) == parse_budget(row)


@each_attribute
def test_an_attribute_is_read_from_a_csv_file(attribute: Attribute) -> None:
    cells = {attribute.name: attribute.example} | {
        name: json.dumps(value) for name, value in WITH.get(attribute.name, {}).items()
    }
    columns = {"account_id": ACCOUNT, "amount": "100"} | {
        name: '"' + cell.replace('"', '""') + '"' for name, cell in cells.items()
    }
    text = ",".join(columns) + "\n" + ",".join(columns.values())
    rows, rejected = read_budgets(text.encode(), name="budgets.csv", editor="ann", known=list)
    assert rejected == []
    assert parse_budget(rows[0]) == parse_budget(edited(attribute))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("thresholds", ("ACTUAL:80", "FORECASTED:100")),
        ("emails", ("finance@example.com", "cfo@example.com")),
        ("cost_filters", ("Service=Amazon Simple Storage Service",)),
        ("planned_amounts", ("2027-01=1500", "2027-04=120000/year")),
        ("phasing", ("1,1,1,1,1,1,1,1,2,2,1,1",)),
    ],
)
def test_an_attribute_is_read_from_repeated_options(name: str, given: tuple[str, ...]) -> None:
    (attribute,) = [one for one in ATTRIBUTES if one.name == name]
    row = edited(attribute)
    assert parse_budget(row | {name: attribute.read_options(given)}) == parse_budget(row)


@pytest.mark.parametrize("name", ["cost_filters", "cost_types", "planned_amounts", "phasing"])
@pytest.mark.parametrize("said", ["none", " None "])
def test_the_word_none_takes_an_attribute_away(name: str, said: str) -> None:
    (attribute,) = [one for one in ATTRIBUTES if one.name == name]
    row = {"account_id": "222222222222", "budget_name": "x", "amount": "5"}
    without = parse_budget(row)
    for value in (said, attribute.read_cell(said), attribute.read_options([said])):
        assert parse_budget({**row, name: value}) == without
        assert attribute.show(value) == str(value[0] if isinstance(value, list) else value)


def test_every_attribute_but_amount_and_currency_has_an_option() -> None:
    assert {one.name for one in ATTRIBUTES if not one.option} == {"amount", "currency"}


@each_attribute
def test_only_attributes_that_name_nobody_are_audited(attribute: Attribute) -> None:
    row = edited(attribute)
    details = edit_event("published", change(row.pop("amount"), **row)).details
    assert (attribute.name in details["after"]) == attribute.audited
    assert "emails" not in details["after"]


def test_a_document_of_schema_1_keeps_its_form() -> None:
    budget = change(
        "1250.5",
        time_unit="QUARTERLY",
        thresholds=["FORECASTED:99.5", "ACTUAL:80"],
        cost_filters={"Service": ["Amazon S3"]},
    )
    document = document_for(budget)
    assert document.encode() == (
        '{"account_id":"222222222222","amount":"1250.50","budget_name":"monthly-total",'
        '"cost_filters":{"Service":["Amazon S3"]},"currency":"USD",'
        '"edited_at":"2026-11-20T12:00:00+00:00","emails":null,"request_id":"request-1",'
        '"schema":1,"state":"present",'
        '"thresholds":[{"percent":"80","type":"ACTUAL"},{"percent":"99.5","type":"FORECASTED"}],'
        '"time_unit":"QUARTERLY","untagged":false,"version":"0000000000000000000000000000000000000001.000000"}'
    )
    assert document.content_digest == (
        "4f781c67db5cf76757690a0b8e78a34f44c7f85f563ece81637476a9d4a49129"
    )


def test_an_attribute_that_is_added_keeps_the_digest_of_documents_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = [replace(one, omit_default=one.form is Form.LIST) for one in ATTRIBUTES]
    monkeypatch.setattr(documents, "ATTRIBUTES", later)
    without, with_mail = document_for(change(100)), document_for(change(100, emails="a@b.example"))
    assert '"emails"' not in without.encode()
    assert '"emails":["a@b.example"]' in with_mail.encode()
    assert decode_document(without.encode()) == without
    assert decode_document(with_mail.encode()) == with_mail
