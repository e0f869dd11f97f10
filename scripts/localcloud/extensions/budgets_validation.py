r"""Budgets refuses what AWS refuses, and answers amounts in AWS's form.

AWS: "Budget", "Spend", "Notification", "Subscriber", "NotificationWithSubscribers"
https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html,
API_budgets_Spend.html, API_budgets_Notification.html, API_budgets_Subscriber.html

* an amount is ``([0-9]*\.)?[0-9]+``, and a cost or usage budget's is above zero;
* exactly one of a limit, planned limits and auto-adjustment, except for RI and Savings Plans;
* planned limits are of a monthly or quarterly budget, and name the starts of the twelve months or
  four quarters from the current one on, UTC in epoch seconds. Descriptions also have the limit of
  the current period, and no limits of periods that are over ("current or future limits"). After
  the last one its amount goes on;
* a notification has at most one SNS topic and ten addresses, none twice, each valid for its kind;
* a request names the caller's own account; a page token is one that was returned before;
* a budget with a filter expression or a metric, as AWS's console makes it, has neither cost types
  nor cost filters, and a description leaves out both unless ``ShowFilterExpression`` asks:
  https://github.com/hashicorp/terraform-provider-aws/issues/42589;
* a daily budget has no alert on the forecast ("InvalidParameterException", seen on AWS):
  https://github.com/JiRaska/open-bank-oss/pull/226;
* a new member account may not create budgets for a day ("is a linked account"):
  https://github.com/org-formation/org-formation-cli/pull/198. Here 888888888888 always is new.

MiniStack stores any amount ("abc", "-5"), budgets without a limit and any address, and returns the
amount as it was written. AWS writes "100.0" for "100" and fills in the cost types.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ministack.core.responses import error_response_json, get_account_id
from ministack.services import budgets

from localcloud.extensions._patch import Operation, Request, Response

_AMOUNT = re.compile(r"([0-9]*\.)?[0-9]+")
_ADDRESS = {
    "EMAIL": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    "SNS": re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]+"),
}
_SUBSCRIBER_LIMITS = {"SNS": 1, "EMAIL": 10}
_NEW_MEMBER_ACCOUNT = "888888888888"
_MONTHS_OF = {"MONTHLY": 1, "QUARTERLY": 3}
_LIMITED_TYPES = ("COST", "USAGE")
_COST_TYPES = {
    "IncludeTax": True,
    "IncludeSubscription": True,
    "UseBlended": False,
    "IncludeRefund": True,
    "IncludeCredit": True,
    "IncludeUpfront": True,
    "IncludeRecurring": True,
    "IncludeOtherSubscription": True,
    "IncludeSupport": True,
    "IncludeDiscount": True,
    "UseAmortized": False,
}


class _Refused(Exception):
    """The request breaks a rule of the API."""

    def __init__(self, message: str, code: str = "InvalidParameterException") -> None:
        super().__init__(message)
        self.code = code


def _check_budget(budget: Any) -> None:
    if not isinstance(budget, dict):
        return  # the emulator's own answer is right
    limit, planned = budget.get("BudgetLimit"), budget.get("PlannedBudgetLimits")
    given = [name for name, value in (("limit", limit), ("planned limits", planned)) if value]
    if len(given) > 1:
        raise _Refused("Only one of BudgetLimit or PlannedBudgetLimits can be present.")
    needed = budget.get("BudgetType") in _LIMITED_TYPES
    if needed and not given and not budget.get("AutoAdjustData"):
        raise _Refused("One of BudgetLimit, PlannedBudgetLimits and AutoAdjustData is required.")
    if planned:
        _check_planned(budget.get("TimeUnit"), planned)
    for spend in _spends(budget):
        amount, unit = spend.get("Amount"), spend.get("Unit")
        if not isinstance(amount, str) or not _AMOUNT.fullmatch(amount):
            raise _Refused(
                f"1 validation error detected: Value '{amount}' at 'budget.budgetLimit.amount' "
                "failed to satisfy constraint: Member must satisfy regular expression pattern: "
                rf"{_AMOUNT.pattern}"
            )
        if not isinstance(unit, str) or not unit:
            raise _Refused("The unit of a limit is required.")
        if needed and not Decimal(amount):
            raise _Refused("The limit of a budget must be greater than 0.")


def _periods(time_unit: Any, now: datetime) -> list[str]:
    """The starts of twelve months or four quarters from the current one on, in epoch seconds."""
    months = _MONTHS_OF[time_unit]
    first = now.year * 12 + (now.month - 1) // months * months
    return [
        str(int(datetime(at // 12, at % 12 + 1, 1, tzinfo=UTC).timestamp()))
        for at in range(first, first + 12, months)
    ]


def _check_planned(time_unit: Any, planned: dict[str, Any]) -> None:
    if time_unit not in _MONTHS_OF:
        raise _Refused("PlannedBudgetLimits need the time unit MONTHLY or QUARTERLY.")
    wanted = _periods(time_unit, datetime.now(UTC))
    if sorted(planned, key=str) != sorted(wanted):
        raise _Refused(f"PlannedBudgetLimits must have a limit for each of {', '.join(wanted)}.")


def _with_current_limit(budget: dict[str, Any]) -> dict[str, Any]:
    """A description of a planned budget, as of now."""
    if not (planned := budget.get("PlannedBudgetLimits")):
        return budget
    current = int(_periods(budget["TimeUnit"], datetime.now(UTC))[0])
    ahead = {start: limit for start, limit in planned.items() if int(start) >= current}
    last = planned[max(planned, key=int)]
    described = {**budget, "BudgetLimit": ahead.get(str(current), last)}
    return {**described, "PlannedBudgetLimits": ahead}


def _described(response: Response) -> Response:
    status, headers, body = response
    answer = json.loads(body)
    if "Budget" in answer:
        answer["Budget"] = _with_current_limit(answer["Budget"])
    answer |= {
        name: [_with_current_limit(one) for one in answer[name]]
        for name in ("Budgets",)
        if name in answer
    }
    return status, headers, json.dumps(answer).encode()


def _spends(budget: dict[str, Any]) -> list[dict[str, Any]]:
    limit = budget.get("BudgetLimit")
    return [*([limit] if limit else []), *(budget.get("PlannedBudgetLimits") or {}).values()]


def _check_subscribers(subscribers: Any) -> None:
    if not isinstance(subscribers, list):
        return
    counts: Counter[str] = Counter()
    seen = set()
    for subscriber in subscribers:
        kind, address = subscriber.get("SubscriptionType"), subscriber.get("Address")
        form = _ADDRESS.get(kind)
        if form and not form.fullmatch(address or ""):
            raise _Refused(f"The address of the {kind} subscriber is invalid.")
        if (kind, address) in seen:
            raise _Refused("A subscriber is named twice.", "DuplicateRecordException")
        seen.add((kind, address))
        counts[kind] += 1
        if counts[kind] > _SUBSCRIBER_LIMITS.get(kind, 11):
            raise _Refused(
                f"A notification can have at most {_SUBSCRIBER_LIMITS[kind]} {kind} subscribers.",
                "CreationLimitExceededException",
            )


def _check_forecasts(time_unit: Any, notifications: Iterable[Any]) -> None:
    kinds = [one.get("NotificationType") for one in notifications if isinstance(one, dict)]
    if time_unit == "DAILY" and "FORECASTED" in kinds:
        raise _Refused("A daily budget cannot have a FORECASTED notification.")


def _standing_notifications(budget_name: Any) -> list[dict[str, Any]]:
    return [one["notification"] for one in budgets._notification_store.get(budget_name, [])]


def _subscribers_after(request: Request) -> Iterable[dict[str, Any]]:
    """The notification's subscribers as CreateSubscriber or UpdateSubscriber would leave them."""
    entry = budgets._find_notification_entry(
        request.get("BudgetName"), request.get("Notification") or {}
    )
    added = request.get("Subscriber") or request.get("NewSubscriber")
    replaced = budgets._subscriber_key(request.get("OldSubscriber") or {})
    present = [
        subscriber
        for subscriber in (entry or {}).get("subscribers", [])
        if budgets._subscriber_key(subscriber) not in (replaced, budgets._subscriber_key(added))
    ]
    return [*present, added]


def _check(operation: str, request: Request) -> None:
    account = request.get("AccountId")
    if account and account != get_account_id():
        raise _Refused(
            f"Account {get_account_id()} may not use the budgets of {account}.",
            "AccessDeniedException",
        )
    if operation == "CreateBudget" and account == _NEW_MEMBER_ACCOUNT:
        raise _Refused(
            f"Account {account} is a linked account. To enable budgets for your account, ask the "
            "payer account to enable budgets first.",
            "AccessDeniedException",
        )
    if operation == "CreateBudget":
        budget, entries = request.get("Budget"), request.get("NotificationsWithSubscribers") or []
        _check_budget(budget)
        _check_forecasts((budget or {}).get("TimeUnit"), [one["Notification"] for one in entries])
        for entry in entries:
            _check_subscribers(entry.get("Subscribers"))
    elif operation == "UpdateBudget":
        budget = request.get("NewBudget") or {}
        _check_budget(request.get("NewBudget"))
        # Nobody has seen whether AWS refuses this; who takes the alerts away first is right anyhow.
        _check_forecasts(budget.get("TimeUnit"), _standing_notifications(budget.get("BudgetName")))
    elif operation in ("CreateNotification", "UpdateNotification"):
        standing = budgets._budgets.get(request.get("BudgetName")) or {}
        asked = request.get("Notification") or request.get("NewNotification")
        _check_forecasts(standing.get("TimeUnit"), [asked])
        _check_subscribers(request.get("Subscribers"))
    elif operation in ("CreateSubscriber", "UpdateSubscriber"):
        _check_subscribers(_subscribers_after(request))
    elif "NextToken" in request and not str(request["NextToken"]).isdigit():
        raise _Refused("The pagination token is invalid.", "InvalidNextTokenException")


def _as_stored(budget: dict[str, Any]) -> dict[str, Any]:
    """The budget as AWS answers it later."""
    budget = copy.deepcopy(budget)
    for spend in _spends(budget):
        amount = Decimal(spend["Amount"])
        whole = amount == amount.to_integral_value()
        spend["Amount"] = f"{amount:.1f}" if whole else f"{amount.normalize():f}"
    if not budget.get("FilterExpression") and not budget.get("Metrics"):
        budget.setdefault("CostFilters", {})
        budget["CostTypes"] = {**_COST_TYPES, **(budget.get("CostTypes") or {})}
    return budget


def _checked(name: str, original: Operation) -> Operation:
    def operation(request: Request) -> Response:
        try:
            _check(name, request)
        except _Refused as error:
            return error_response_json(error.code, str(error), 400)
        for key in ("Budget", "NewBudget"):
            if isinstance(request.get(key), dict):
                request = {**request, key: _as_stored(request[key])}
        response = original(request)
        described = name in ("DescribeBudget", "DescribeBudgets") and response[0] == 200
        return _described(response) if described else response

    return operation


def install() -> None:
    """Check each request before the emulator stores it."""
    for name, operation in list(budgets._DISPATCH.items()):
        budgets._DISPATCH[name] = _checked(name, operation)
