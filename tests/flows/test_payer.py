"""Budgets of accounts without a spoke, in the management account, with IAM enforcement on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from localcloud.endpoints import MANAGEMENT_ACCOUNT as PAYER
from tests.flows.conftest import FURTHER_SPOKES
from tests.flows.deployment import PARAMETERS, SPOKE, Deployment, eventually

pytestmark = [pytest.mark.flow]

LONE, OTHER = FURTHER_SPOKES[5:7]
TOPIC = f"arn:aws:sns:us-east-1:{PAYER}:finops-budget-alerts"


@pytest.fixture
def name(request: pytest.FixtureRequest, deployment: Deployment) -> Iterator[str]:
    """A budget name of the test's own; its rows are removed afterwards."""
    own = re.sub(r"[^a-z]+", "-", request.node.name)[:80].strip("-")
    yield own
    for account_id in (LONE, SPOKE):
        deployment.remove(account_id, own)


def made(deployment: Deployment, name: str, account_id: str = LONE) -> dict[str, Any] | None:
    return deployment.budget(PAYER, f"{account_id}/{name}")


def amount(deployment: Deployment, name: str) -> Any:
    return deployment.amount(PAYER, f"{LONE}/{name}")


def test_a_budget_is_made_changed_and_removed(deployment: Deployment, name: str) -> None:
    deployment.edit(LONE, 100, name, delivery="payer", thresholds="ACTUAL:80")
    deployment.await_status(LONE, "APPLIED", name)
    budget = made(deployment, name) or {}
    assert budget["CostFilters"] == {"LinkedAccount": [LONE]}
    assert deployment.alerts(PAYER, f"{LONE}/{name}") == {("ACTUAL", 80.0): {TOPIC}}
    both = {"LinkedAccount": [LONE, OTHER]}
    deployment.edit(LONE, 200, name, delivery="payer", cost_filters=both)
    eventually(lambda: amount(deployment, name) == 200)
    budget = made(deployment, name) or {}
    assert sorted(budget["CostFilters"]["LinkedAccount"]) == sorted([LONE, OTHER])
    deployment.await_status(LONE, "APPLIED", name)
    deployment.remove(LONE, name)
    deployment.await_status(LONE, "REMOVED", name)
    assert made(deployment, name) is None


def test_a_budget_made_by_hand_is_never_removed(deployment: Deployment, name: str) -> None:
    by_hand = f"{name}-by-hand"
    for own in (by_hand, f"{OTHER}/{name}"):
        deployment.client("budgets").create_budget(
            AccountId=PAYER,
            Budget={
                "BudgetName": own,
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": "5", "Unit": "USD"},
            },
        )
    deployment.edit(LONE, 100, name, delivery="payer")
    deployment.await_status(LONE, "APPLIED", name)
    deployment.remove(LONE, name)
    deployment.await_status(LONE, "REMOVED", name)
    deployment.invoke("finops-apply-budget", {"source": "finops.drift"})
    deployment.invoke("finops-repair-budget-drift", {"repair": True, "account_id": OTHER})
    for own in (by_hand, f"{OTHER}/{name}"):
        assert deployment.amount(PAYER, own) == 5
        deployment.client("budgets").delete_budget(AccountId=PAYER, BudgetName=own)


@pytest.mark.parametrize("spoiled", ["budget", "filter", "parameter"])
def test_drift_is_found_and_repaired(deployment: Deployment, name: str, spoiled: str) -> None:
    deployment.edit(LONE, 100, name, delivery="payer")
    deployment.await_status(LONE, "APPLIED", name)
    budgets, in_aws = deployment.client("budgets"), f"{LONE}/{name}"
    if spoiled == "budget":
        budgets.delete_budget(AccountId=PAYER, BudgetName=in_aws)
    elif spoiled == "filter":
        budget = made(deployment, name) or {}
        kept = ("BudgetName", "BudgetType", "TimeUnit", "BudgetLimit", "CostTypes")
        changed = {key: budget[key] for key in kept if key in budget}
        budgets.update_budget(
            AccountId=PAYER, NewBudget={**changed, "CostFilters": {"LinkedAccount": [OTHER]}}
        )
    else:
        deployment.client("ssm").delete_parameter(Name=f"{PARAMETERS}/{in_aws}")
    asked = {"account_id": LONE}
    found = deployment.invoke("finops-repair-budget-drift", asked | {"repair": False})["drift"]
    assert [(one["name"], one["account_id"]) for one in found if one["name"] == name] == [
        (name, LONE)
    ]
    deployment.invoke("finops-repair-budget-drift", asked | {"repair": True})
    # While it is published it is no drift, and has the status PENDING.
    deployment.await_status(LONE, "APPLIED", name)
    left = deployment.invoke("finops-repair-budget-drift", asked | {"repair": False})["drift"]
    assert [one for one in left if one["name"] == name] == []
    budget = made(deployment, name) or {}
    assert budget["CostFilters"] == {"LinkedAccount": [LONE]}


def test_a_budget_moves_from_the_spoke_to_the_payer_and_back(
    deployment: Deployment, name: str
) -> None:
    for number, delivery in enumerate(("spoke", "payer", "spoke"), start=1):
        deployment.edit(SPOKE, number, name, delivery=delivery)
        where = {"spoke": (SPOKE, name), "payer": (PAYER, f"{SPOKE}/{name}")}
        here = where.pop(delivery)
        (elsewhere,) = where.values()
        deployment.await_amount(here[0], number, here[1])
        deployment.await_amount(elsewhere[0], None, elsewhere[1])
        deployment.await_status(SPOKE, "APPLIED", name)


def test_a_budget_that_cannot_be_moved_stays_where_it_is(deployment: Deployment, name: str) -> None:
    """`LONE` has no spoke, and the payer filters on no account that nobody knows."""
    deployment.edit(LONE, 5, name, delivery="payer")
    deployment.await_status(LONE, "APPLIED", name)
    deployment.edit(LONE, 6, name)
    assert "role" in deployment.await_status(LONE, "FAILED", name)["error"]
    deployment.edit(SPOKE, 7, name)
    deployment.await_status(SPOKE, "APPLIED", name)
    filters = {"LinkedAccount": [SPOKE, "999999999999"]}
    deployment.edit(SPOKE, 8, name, delivery="payer", cost_filters=filters)
    assert "is not among" in deployment.await_status(SPOKE, "FAILED", name)["error"]
    deployment.invoke("finops-repair-budget-drift", {"repair": True, "account_id": SPOKE})
    deployment.invoke("finops-apply-budget", {"source": "finops.drift"}, SPOKE)
    deployment.invoke("finops-apply-budget", {"source": "finops.drift"})
    assert amount(deployment, name) == 5
    assert deployment.amount(SPOKE, name) == 7
    deployment.remove(LONE, name)
    deployment.await_status(LONE, "REMOVED", name)
    assert made(deployment, name) is None


def test_an_unknown_account_in_the_filter_fails_with_what_to_do(
    deployment: Deployment, name: str
) -> None:
    filters = {"LinkedAccount": [LONE, "999999999999"]}
    deployment.edit(LONE, 5, name, delivery="payer", cost_filters=filters)
    status = deployment.await_status(LONE, "FAILED", name)
    assert "999999999999 is not among" in status["error"]
    assert made(deployment, name) is None


def test_a_spoke_says_nothing_of_the_payers_budget(deployment: Deployment, name: str) -> None:
    deployment.edit(SPOKE, 5, name, delivery="payer")
    version = deployment.await_status(SPOKE, "APPLIED", name)["version"]
    forged = {
        "account_id": SPOKE,
        "budget_name": name,
        "version": version,
        "request_id": "forged",
        "status": "REMOVED",
        "action": "removed",
        "amount": "",
        "reported_at": deployment.status(SPOKE, name)["reported_at"],
    }
    for delivery in ("spoke", "payer"):
        deployment.client("events", SPOKE).put_events(
            Entries=[
                {
                    "EventBusName": deployment.outputs["result_bus_arn"],
                    "Source": "finops.budgets",
                    "DetailType": "Budget Result",
                    "Detail": json.dumps(forged | {"delivery": delivery}),
                }
            ]
        )
    # What comes after it on the same bus is handled after it.
    deployment.edit(SPOKE, 6, f"{name}-after")
    deployment.await_status(SPOKE, "APPLIED", f"{name}-after")
    deployment.remove(SPOKE, f"{name}-after")
    assert deployment.status(SPOKE, name)["status"] == "APPLIED"


def test_the_command_line_sets_lists_and_covers_it(
    deployment: Deployment, name: str, finops: Callable[..., tuple[int, Any]]
) -> None:
    arguments = ("budgets", "set", LONE, "70", "--name", name, "--delivery", "payer", "--wait")
    code, shown = finops(*arguments)
    assert code == 0, shown
    assert (shown["status"], shown["delivery"], shown["error"]) == ("APPLIED", "payer", "")
    _, answer = finops("budgets", "coverage", "--all")
    found = [one for one in answer["accounts"] if one["account_id"] == LONE]
    assert {"budget": name, "source": "table"}.items() <= next(
        one for one in found if one["budget"] == name
    ).items()


def test_planned_amounts_become_planned_limits_and_are_repaired(
    deployment: Deployment, name: str
) -> None:
    """In the payer, as in any spoke: the same function makes them."""
    deployment.edit(
        LONE, 100, name, delivery="payer", planned_amounts={"2020-04": "1200/year", "2099-01": "7"}
    )
    deployment.await_status(LONE, "APPLIED", name)
    budget = made(deployment, name) or {}
    assert {one["Amount"] for one in budget["PlannedBudgetLimits"].values()} == {"100.0"}
    assert len(budget["PlannedBudgetLimits"]) == 12
    fixed = {key: budget[key] for key in ("BudgetName", "BudgetType", "TimeUnit", "CostFilters")}
    limit = {"Amount": "100", "Unit": "USD"}
    deployment.client("budgets").update_budget(
        AccountId=PAYER, NewBudget={**fixed, "BudgetLimit": limit}
    )
    assert deployment.status(LONE, name)["applied_amount"] == "100.00"
    # With one amount for ever, a budget without a plan is the same to AWS.
    found = deployment.invoke("finops-repair-budget-drift", {"repair": False, "account_id": LONE})
    assert [one for one in found["drift"] if one["name"] == name] == []
    weights = ",".join(str(one) for one in range(1, 13))
    deployment.edit(
        LONE,
        100,
        name,
        delivery="payer",
        planned_amounts={"2020-04": "7800/year"},
        phasing=weights,
    )

    def amounts() -> set[str]:
        planned = (made(deployment, name) or {}).get("PlannedBudgetLimits") or {}
        return {one["Amount"] for one in planned.values()}

    eventually(lambda: amounts() == {f"{100 * one}.0" for one in range(1, 13)}, what="the plan")
    deployment.await_status(LONE, "APPLIED", name)
    deployment.client("budgets").update_budget(
        AccountId=PAYER, NewBudget={**fixed, "BudgetLimit": limit}
    )
    deployment.invoke("finops-repair-budget-drift", {"repair": True, "account_id": LONE})
    eventually(lambda: len(amounts()) == 12, what="the repair")
    deployment.await_status(LONE, "APPLIED", name)
    deployment.edit(LONE, 50, name, delivery="payer")
    eventually(lambda: amount(deployment, name) == 50 and not amounts(), what="the fixed amount")
