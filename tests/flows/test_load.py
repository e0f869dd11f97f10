"""A thousand edits at once, some of them bad: every one is accounted for."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.flows.conftest import FURTHER_SPOKES
from tests.flows.deployment import SPOKE, Deployment, assumed_roles, eventually

pytestmark = [pytest.mark.flow]

ACCOUNTS = FURTHER_SPOKES[10:60]
BUDGETS = 10
#: Seconds after which the test gives up.
PATIENCE_FOR_ALL = 1800.0
POISON: tuple[Any, ...] = ("twelve", -5, 0, Decimal("9E+100"), None)


@pytest.fixture(scope="module")
def spokes(deployment: Deployment) -> Iterator[tuple[str, ...]]:
    """Fifty more accounts with a spoke in each, which have nothing left to do in the end."""
    deployment.deploy_spokes(ACCOUNTS)
    yield ACCOUNTS
    for account_id in ACCOUNTS:
        for number in range(BUDGETS):
            deployment.remove(account_id, f"load-{number}")
    eventually(
        lambda: {one["status"] for one in statuses(deployment).values()} <= {"REMOVED", "REJECTED"},
        within=PATIENCE_FOR_ALL,
        what="the removal of every budget",
    )


def statuses(deployment: Deployment) -> dict[tuple[str, str], dict[str, Any]]:
    """The status of each budget of the load."""
    return {
        (one["account_id"], one["budget_name"]): one
        for one in deployment.statuses()
        if one["budget_name"].startswith("load-")
    }


def test_each_of_a_thousand_edits_over_fifty_accounts_gets_its_final_status(
    deployment: Deployment, spokes: tuple[str, ...]
) -> None:
    """Two edits of each of 500 budgets, the second of every tenth of them poison."""
    chance = random.Random(7)
    rows = [
        {"account_id": account_id, "budget_name": f"load-{number}"}
        for account_id in spokes
        for number in range(BUDGETS)
    ]
    first = [row | {"amount": Decimal(chance.randrange(1, 10**6)) / 100} for row in rows]
    last: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        amount = POISON[index // 10 % len(POISON)] if index % 10 == 0 else index + Decimal("0.25")
        last.append(row | ({} if amount is None else {"amount": amount}))
    chance.shuffle(last)
    queues = deployment.outputs["failure_queue_urls"].values()
    # Other tests of this deployment make functions fail on purpose, and leave failure messages.
    for url in queues:
        while deployment.messages(url):
            pass
    deployment.edit_all([*first, *last])

    wanted = {(row["account_id"], row["budget_name"]): row.get("amount") for row in last}

    def ended() -> dict[tuple[str, str], dict[str, Any]] | None:
        found = statuses(deployment)
        open_ = [one for one in found.values() if one["status"] not in ("APPLIED", "REJECTED")]
        good = sum(one["status"] == "APPLIED" for one in found.values())
        return found if len(found) == 500 and not open_ and good == 450 else None

    found = eventually(ended, within=PATIENCE_FOR_ALL, what="the end of every edit")
    for (account_id, name), amount in wanted.items():
        status = found[(account_id, name)]
        if status["status"] == "APPLIED":
            assert amount is not None
            assert Decimal(status["applied_amount"]) == amount
            assert deployment.amount(account_id, name) == amount
        else:
            assert amount in POISON
            assert status["error"]
    assert assumed_roles(deployment, set(spokes)) <= len(spokes)
    for url in queues:
        assert deployment.messages(url) == []


def record(name: str, amount: int, sequence: int) -> dict[str, Any]:
    image = {"account_id": {"S": SPOKE}, "budget_name": {"S": name}, "amount": {"N": str(amount)}}
    return {
        "eventID": uuid.uuid4().hex,
        "eventName": "MODIFY",
        "dynamodb": {
            "ApproximateCreationDateTime": 1795176000,
            "Keys": {"account_id": {"S": SPOKE}, "budget_name": {"S": name}},
            "NewImage": image,
            "SequenceNumber": str(10**30 + sequence),
        },
    }


@pytest.mark.parametrize(
    "order",
    [
        lambda records: records[::-1],
        lambda records: [*records, *records],
        lambda records: [one for record in records for one in (record, record)],
        lambda records: random.Random(3).sample(records * 3, len(records) * 3),
    ],
    ids=["reversed", "replayed", "doubled", "shuffled"],
)
def test_records_in_any_order_leave_the_newest_edit(
    deployment: Deployment,
    budget_name: str,
    order: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> None:
    records = [record(budget_name, 100 + sequence, sequence) for sequence in range(6)]
    for one in order(records):
        answer = deployment.invoke("finops-publish-budget", {"Records": [one]})
        assert answer == {"batchItemFailures": []}
    deployment.await_amount(SPOKE, 105, budget_name)
    deployment.await_status(SPOKE, "APPLIED", budget_name)
    answer = deployment.invoke("finops-publish-budget", {"Records": order(records)})
    assert answer == {"batchItemFailures": []}
    assert deployment.status(SPOKE, budget_name)["status"] == "APPLIED"
    assert deployment.amount(SPOKE, budget_name) == 105
