"""No row stops the flow: whatever DynamoDB can hold ends with its status, and stops no other."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from finops.budgets import handlers
from finops.budgets.adapters.dynamodb import from_dynamodb
from finops.budgets.domain import BudgetKey, Status
from finops.budgets.editing import joined
from finops.cli.budgets import ALL_COLUMNS
from finops.cli.output import output
from tests.budgets.fakes import ACCOUNT
from tests.budgets.items import ROWS, in_client, in_event
from tests.budgets.test_handlers import Wired, call

NAME = "any-row"
KEY = BudgetKey(account_id=ACCOUNT, budget_name=NAME)
NEIGHBOUR = replace(KEY, budget_name="monthly-total")
GOOD: dict[str, Any] = {"amount": {"N": "100"}}


def item(key: BudgetKey, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **attributes,
        "account_id": {"S": key.account_id},
        "budget_name": {"S": key.budget_name},
    }


def record(key: BudgetKey, attributes: Mapping[str, Any]) -> dict[str, Any]:
    image = in_event(item(key, attributes))
    return {
        "eventID": "7de3041dd709b024af6f29e4fa13d34c",
        "dynamodb": {
            "ApproximateCreationDateTime": 1795176000,
            "Keys": {name: image[name] for name in ("account_id", "budget_name")},
            "NewImage": image,
            "OldImage": image,
            "SequenceNumber": "4421584500000000017450439091",
        },
    }


def edited(wired: Wired, attributes: Mapping[str, Any], key: BudgetKey = KEY) -> None:
    """The row beside a good one: through the stream, and in the table."""
    rows = [(key, attributes), (NEIGHBOUR, GOOD)]
    sent = {"Records": [record(*one) for one in rows]}
    sent["Records"][1]["dynamodb"]["SequenceNumber"] += "1"
    assert call(handlers.publish_budget, json.loads(json.dumps(sent))) == {"batchItemFailures": []}
    for one in rows:
        row = from_dynamodb(in_client(item(*one)))
        wired.table.items[row["account_id"], row["budget_name"]] = row


def assert_nothing_stops(wired: Wired, key: BudgetKey = KEY) -> None:
    """The row has its status, drift and lists work, and the neighbour is repaired."""
    found = wired.statuses.items[key]
    assert found.status in (Status.PENDING, Status.REJECTED)
    assert bool(found.error) == (found.status is Status.REJECTED)
    assert len(found.error) < 1000
    wired.statuses.items[NEIGHBOUR] = replace(
        wired.statuses.items[NEIGHBOUR], status=Status.APPLIED
    )
    drift = call(handlers.repair_budget_drift, {"repair": True})["drift"]
    repaired = {one["name"]: one["repaired"] for one in json.loads(json.dumps(drift))}
    assert repaired == {NEIGHBOUR.budget_name: True}
    for as_json in (False, True):
        shown = joined(wired.table.rows(), wired.statuses.all())
        output(as_json=as_json).answer({"budgets": shown}, rows="budgets", columns=ALL_COLUMNS)
    assert [one["status"] for one in shown if one["name"] == key.budget_name] == [found.status]


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ROWS)
def test_any_item_ends_with_a_status_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, attributes: dict[str, Any]
) -> None:
    wired = Wired(monkeypatch)
    edited(wired, attributes)
    assert_nothing_stops(wired)


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ({"amount": {"B": b"1200"}}, "amount"),
        ({"amount": {"N": "10"}, "note": {"B": b"\xff\xff"}}, ""),
        ({"amount": {"N": "10"}, "time_unit": {"B": b"MONTHLY"}}, "time_unit"),
        ({"amount": {"N": "10"}, "emails": {"BS": [b"a@example.com", b"b@example.com"]}}, "emails"),
        ({"amount": {"S": "[/red]\x1b[2J"}}, "amount"),
        ({"amount": {"N": "10"}, "cost_filters": {"M": {"Service": {"N": "1"}}}}, "cost_filters"),
    ],
)
def test_a_value_of_no_use_is_refused_with_its_name_and_a_note_may_be_anything(
    monkeypatch: pytest.MonkeyPatch, attributes: dict[str, Any], field: str
) -> None:
    wired = Wired(monkeypatch)
    edited(wired, attributes)
    status = wired.statuses.items[KEY]
    assert status.status is (Status.REJECTED if field else Status.PENDING)
    assert status.error.startswith(field)
    assert_nothing_stops(wired)


def test_an_account_id_with_a_space_is_refused_by_its_space(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wired = Wired(monkeypatch)
    spaced = replace(KEY, account_id=f"{ACCOUNT} ")
    edited(wired, GOOD, spaced)
    status = wired.statuses.items[spaced]
    assert (status.status, status.error_code) == (Status.REJECTED, "invalid_account_id")
    assert "has a space before or after it" in status.error
    assert_nothing_stops(wired, spaced)


def test_a_row_of_400_kb_gets_a_status_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    wired = Wired(monkeypatch)
    big = {"S": "x" * 100_000}
    edited(wired, dict.fromkeys(("amount", "updated_by", "request_id", "emails"), big))
    status = wired.statuses.items[KEY]
    assert sum(map(len, (status.amount, status.updated_by, status.request_id, status.error))) < 5000
    assert_nothing_stops(wired)


def test_a_record_that_cannot_be_read_still_tells_its_editor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wired = Wired(monkeypatch)
    sent = record(KEY, {})
    sent["dynamodb"]["NewImage"]["amount"] = {"?": "1"}
    answer = call(handlers.publish_budget, {"Records": [sent]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "4421584500000000017450439091"}]}
    status = wired.statuses.items[KEY]
    assert (status.status, status.error_code) == (Status.FAILED, "unexpected")


def test_binary_values_are_read_from_an_event_as_from_a_table() -> None:
    held = {"a": {"B": b"\xff"}, "b": {"BS": [b"1", b"2"]}, "c": {"L": [{"B": b""}]}}
    assert from_dynamodb(in_event(held)) == from_dynamodb(in_client(held))
    assert from_dynamodb(in_event(held))["a"] == base64.b64decode("/w==")
