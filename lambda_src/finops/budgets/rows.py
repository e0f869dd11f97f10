"""What a row of the budgets table may say, and the reason where it may not."""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

from finops.budgets.domain import (
    Budget,
    BudgetKey,
    NotificationType,
    Threshold,
    TimeUnit,
    as_number,
    plain,
)
from finops.shared.errors import RejectedInput

DEFAULT_BUDGET_NAME: Final = "monthly-total"

# Quotas: https://docs.aws.amazon.com/cost-management/latest/userguide/management-limits.html
# and the Budgets API model (NotificationWithSubscribersList, Subscribers).
MAX_NOTIFICATIONS: Final = 10
MAX_EMAILS: Final = 10
MAX_AMOUNT: Final = Decimal("1000000000000")
MAX_PERCENT: Final = Decimal("1000")

COST_FILTER_DIMENSIONS: Final = frozenset(
    {
        "AZ",
        "BillingEntity",
        "CostCategory",
        "InstanceType",
        "InvoicingEntity",
        "LegalEntityName",
        "LinkedAccount",
        "Operation",
        "PurchaseType",
        "Region",
        "Service",
        "TagKeyValue",
        "UsageType",
        "UsageTypeGroup",
    }
)

_ACCOUNT_ID = re.compile(r"[0-9]{12}")
# Narrower than AWS Budgets allows: the name is also the last part of a parameter's path.
_BUDGET_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_PLAIN_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
_EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_ROW_FIELDS: Final = (
    "account_id",
    "budget_name",
    "amount",
    "currency",
    "time_unit",
    "thresholds",
    "emails",
    "cost_filters",
    "updated_by",
    "request_id",
)


_Member = TypeVar("_Member", bound=enum.StrEnum)


def parse_budget(row: Mapping[str, object]) -> Budget:
    """The budget that a table row or a published document asks for.

    Tolerates what a person types: numbers as text, a missing optional attribute, a list given as
    comma separated text, lower case. Refuses all else.

    Raises:
        RejectedInput: with the `field`, its `value`, the reason, and what to write instead.
    """
    key = parse_key(row)
    _refuse_misspelt_attributes(row)
    return Budget(
        key=key,
        amount=_amount(row.get("amount")),
        currency=_currency(row.get("currency")),
        time_unit=_time_unit(row.get("time_unit")),
        thresholds=_thresholds(row.get("thresholds")),
        emails=_emails(row.get("emails")),
        cost_filters=_cost_filters(row.get("cost_filters")),
    )


def parse_key(row: Mapping[str, object]) -> BudgetKey:
    """The account and budget name of a row; the name defaults to `monthly-total`.

    Raises:
        RejectedInput: when the account is not 12 digits, or the name cannot be a parameter's name.
    """
    account_id = row.get("account_id")
    if isinstance(account_id, str):
        account_id = account_id.strip()
    if not isinstance(account_id, str) or not _ACCOUNT_ID.fullmatch(account_id):
        raise RejectedInput(
            f"account_id {shown(account_id)} is not an AWS account id",
            code="invalid_account_id",
            field="account_id",
            value=account_id,
            remedy="Write the 12 digits of the spoke account, as text, with leading zeros",
        )
    name = row.get("budget_name", DEFAULT_BUDGET_NAME)
    if not isinstance(name, str) or not _BUDGET_NAME.fullmatch(name) or name.startswith("."):
        raise RejectedInput(
            f"budget_name {shown(name)} cannot name a budget",
            code="invalid_budget_name",
            field="budget_name",
            value=name,
            remedy="Use 1 to 100 letters, digits, '-', '_' and '.', not beginning with '.'",
        )
    return BudgetKey(account_id=account_id, budget_name=name)


def shown(value: object) -> str:
    """A value as an error message quotes it: never longer than a line."""
    text = plain(value) if isinstance(value, Decimal) and value.is_finite() else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _refuse_misspelt_attributes(row: Mapping[str, object]) -> None:
    """An unknown attribute is a note of somebody's own, unless it nearly is a known one."""
    for name in row:
        if name in _ROW_FIELDS:
            continue
        near = difflib.get_close_matches(name.lower(), _ROW_FIELDS, n=1, cutoff=0.8)
        if near and near[0] not in row:
            raise RejectedInput(
                f"unknown attribute {shown(name)}",
                code="unknown_attribute",
                field=name,
                value=row[name],
                remedy=f"Did you mean {near[0]!r}?",
            )


def _number(value: object) -> Decimal | None:
    """The number in a DynamoDB number or in plain digits; None for all else, floats too."""
    if isinstance(value, bool | float):
        return None
    if isinstance(value, str):
        value = value.strip()
        if not _PLAIN_NUMBER.fullmatch(value):
            return None
    elif not isinstance(value, int | Decimal):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _amount(value: object) -> Decimal:
    def refuse(reason: str, code: str) -> RejectedInput:
        return RejectedInput(
            f"amount {shown(value)} {reason}",
            code=code,
            field="amount",
            value=value,
            remedy="Write a positive number of USD such as 1250 or 1250.50,"
            " without currency sign or thousands marks",
        )

    if value is None:
        raise refuse("is missing", "missing_amount")
    amount = _number(value)
    if amount is None:
        raise refuse("is not a number", "invalid_amount")
    if amount <= 0:
        raise refuse("is not above zero", "amount_not_positive")
    if amount > MAX_AMOUNT:
        raise refuse(f"is above {plain(MAX_AMOUNT)}", "amount_too_large")
    cents = amount.quantize(Decimal("0.01"))
    if cents != amount:
        raise refuse("has more than two decimals, and USD has cents", "amount_too_precise")
    return cents


def _currency(value: object) -> str:
    if value is None:
        return "USD"
    if isinstance(value, str) and value.strip().upper() == "USD":
        return "USD"
    raise RejectedInput(
        f"currency {shown(value)} is not supported",
        code="unsupported_currency",
        field="currency",
        value=value,
        remedy="AWS Budgets of these accounts are kept in USD: convert the amount, or leave"
        " currency out",
    )


def _member(kind: type[_Member], value: object, *, field_name: str) -> _Member:
    try:
        return kind(str(value).strip().upper())
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise RejectedInput(
            f"{field_name} {shown(value)} is not one of {known}",
            code=f"invalid_{field_name.partition('[')[0]}",
            field=field_name,
            value=value,
            remedy=f"Write one of {known}",
        ) from None


def _time_unit(value: object) -> TimeUnit:
    return TimeUnit.MONTHLY if value is None else _member(TimeUnit, value, field_name="time_unit")


def _items(value: object, refuse: Callable[[str], RejectedInput]) -> list[object]:
    """The entries of a list or set, or of the comma separated text that people type instead."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    raise refuse("is not a list")


def _thresholds(value: object) -> tuple[Threshold, ...] | None:
    def refuse(reason: str) -> RejectedInput:
        return RejectedInput(
            f"thresholds {shown(value)} {reason}",
            code="invalid_thresholds",
            field="thresholds",
            value=value,
            remedy='Write a list such as [{"type": "ACTUAL", "percent": 80}], or ACTUAL:80',
        )

    if value is None:
        return None
    thresholds = {_threshold(item, refuse) for item in _items(value, refuse)}
    if len(thresholds) > MAX_NOTIFICATIONS:
        raise refuse(f"has {len(thresholds)} entries; AWS allows {MAX_NOTIFICATIONS} a budget")
    return tuple(sorted(thresholds))


def _threshold(item: object, refuse: Callable[[str], RejectedInput]) -> Threshold:
    if isinstance(item, str):
        kind, _, percent = item.partition(":")
        item = {"type": kind, "percent": percent}
    if not isinstance(item, Mapping) or not set(item) <= {"type", "percent"}:
        raise refuse(f"has the entry {shown(item)}")
    number = _number(item.get("percent"))
    if number is None or not 0 < number <= MAX_PERCENT:
        raise refuse(
            f"has the percent {shown(item.get('percent'))}, which is not between 0 and"
            f" {MAX_PERCENT}"
        )
    kind = item.get("type", NotificationType.ACTUAL)
    return Threshold(
        type=_member(NotificationType, kind, field_name="thresholds[].type"),
        percent=as_number(number),
    )


def _emails(value: object) -> tuple[str, ...] | None:
    def refuse(reason: str) -> RejectedInput:
        return RejectedInput(
            f"emails {shown(value)} {reason}",
            code="invalid_emails",
            field="emails",
            value=value,
            remedy=f"Write a list of at most {MAX_EMAILS} addresses such as finance@example.com",
        )

    if value is None:
        return None
    items = _items(value, refuse)
    for item in items:
        if not isinstance(item, str) or not _EMAIL.fullmatch(item.strip()):
            raise refuse(f"has the entry {shown(item)}, which is not an address")
    emails = sorted({str(item).strip() for item in items})
    if len(emails) > MAX_EMAILS:
        raise refuse(f"has {len(emails)} entries; AWS allows {MAX_EMAILS} a notification")
    return tuple(emails)


def _cost_filters(value: object) -> dict[str, tuple[str, ...]]:
    def refuse(reason: str) -> RejectedInput:
        return RejectedInput(
            f"cost_filters {shown(value)} {reason}",
            code="invalid_cost_filters",
            field="cost_filters",
            value=value,
            remedy='Write a map such as {"Service": ["Amazon Relational Database Service"]}; known'
            f" dimensions are {', '.join(sorted(COST_FILTER_DIMENSIONS))}",
        )

    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise refuse("is not a map")
    filters: dict[str, tuple[str, ...]] = {}
    for name, given in sorted(value.items()):
        if name not in COST_FILTER_DIMENSIONS:
            raise refuse(f"has the unknown dimension {shown(name)}")
        # Not split at commas: service names hold them.
        values = [given] if isinstance(given, str) else _items(given, refuse)
        if not values or not all(isinstance(one, str) and one for one in values):
            raise refuse(f"has no text values under {shown(name)}")
        filters[name] = tuple(sorted({str(one) for one in values}))
    return filters
