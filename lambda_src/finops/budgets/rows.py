"""The budget that a row of the table asks for, or why the row is rejected."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.defaults import is_default
from finops.budgets.domain import (
    LINKED_ACCOUNT,
    MONTHS_OF,
    Budget,
    BudgetKey,
    Delivery,
    NotificationType,
    TimeUnit,
)
from finops.budgets.values import quoted, text_of, unseen_in
from finops.shared.errors import RejectedInput

DEFAULT_BUDGET_NAME: Final = "monthly-total"

_ACCOUNT_ID = re.compile(r"[0-9]{12}")
# Narrower than AWS Budgets allows: the name is also the last part of a parameter's path.
_LONGEST_NAME_IN_AWS: Final = 100
_BUDGET_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
#: What each attribute that a budget needs may hold. Others are people's own.
_PARSERS: Final[Mapping[str, Callable[[object], object]]] = {
    "account_id": lambda value: parse_key({"account_id": value}),
    "budget_name": lambda value: parse_key({"account_id": "0" * 12, "budget_name": value}),
    **{one.name: one.parse for one in ATTRIBUTES},
}
# `emails_cc` is a note, `email` and `tresholds` are not.
_NEAR: Final = 0.85
#: Other words for an attribute, AWS Budgets' own among them.
_OTHER_NAMES: Final = {
    "usd": "amount",
    "filterexpression": "cost_filters",
    "plannedbudgetlimits": "planned_amounts",
}
#: What a person writes who means an attribute, also where the attribute refuses it.
_MEANS: Final = {
    "amount": re.compile(r"\d"),
    "currency": re.compile(r"^[A-Za-z]{3}$|[$€£¥]"),
    "time_unit": re.compile(r"hour|day|dai|week|month|quarter|year|annual", re.IGNORECASE),
    "thresholds": re.compile(r"\d"),
    "emails": re.compile(r"@"),
    "cost_filters": re.compile(r"^\{|="),
    "cost_types": re.compile(r"amortized|blended|\bno[_ -]", re.IGNORECASE),
    "planned_amounts": re.compile(r"^\{|\d{4}-\d\d"),
    "phasing": re.compile(r"[,;]"),
    "delivery": re.compile(r"pay|spoke|management|account", re.IGNORECASE),
}
_MAPS: Final = frozenset({"cost_filters", "planned_amounts"})


def parse_budget(row: Mapping[str, object], *, defaults: bool = False) -> Budget:
    """The budget that a table row asks for.

    With `defaults` the account may be `*` or an organizational unit, as in a row of the table.

    Accepts what a person types: numbers as text, a missing optional attribute, a list given as
    comma-separated text, lower case. Anything else is rejected.

    Raises:
        RejectedInput: with the `field`, its `value`, the reason, and what to write instead.
    """
    _reject_misspelt_attributes(row)
    budget = _budget(row, {one.name: one.parse for one in ATTRIBUTES}, defaults=defaults)
    _refuse_other_accounts(budget)
    return budget


def read_budget(row: Mapping[str, object], *, defaults: bool = False) -> Budget:
    """The budget of what was published: `parse_budget` without what only new edits are refused for.

    What a budget counts does not change because people may not ask for it any more.

    Raises:
        RejectedInput: as `parse_budget`.
    """
    readers = {one.name: one.read or one.parse for one in ATTRIBUTES}
    return _budget(row, readers, defaults=defaults)


def _budget(
    row: Mapping[str, object],
    readers: Mapping[str, Callable[[object], Any]],
    *,
    defaults: bool,
) -> Budget:
    key = parse_key(row, defaults=defaults)
    budget = Budget(key=key, **{name: read(row.get(name)) for name, read in readers.items()})
    forecasts = [one for one in budget.thresholds or () if one.type is NotificationType.FORECASTED]
    if budget.time_unit is TimeUnit.DAILY and forecasts:
        raise RejectedInput(
            f"thresholds {quoted(row.get('thresholds'))} has an alert on the forecast, which AWS"
            " does not make for a day",
            code="invalid_thresholds",
            field="thresholds",
            value=row.get("thresholds"),
            remedy="Write ACTUAL thresholds only, or another time_unit",
        )
    _check_plan(budget, row)
    return _in_payer(budget) if budget.delivery is Delivery.PAYER else budget


def _refuse_other_accounts(budget: Budget) -> None:
    """An account's own budget counts that account's costs only, so nothing of any other.

    A budget's data is by default the account's own ("primary view"):
    https://docs.aws.amazon.com/cost-management/latest/userguide/access-data-budgets.html

    Raises:
        RejectedInput: the filter names another account.
    """
    named = budget.cost_filters.get(LINKED_ACCOUNT)
    if budget.delivery is Delivery.PAYER or named in (None, (budget.key.account_id,)):
        return
    of_default = is_default(budget.key.account_id)
    where = "each account" if of_default else f"account {budget.key.account_id}"
    raise RejectedInput(
        f"cost_filters: {LINKED_ACCOUNT} names {', '.join(named or ())}, and a budget in {where}"
        " counts that account's costs only",
        code="invalid_cost_filters",
        field="cost_filters",
        value=dict(budget.cost_filters),
        remedy=f"Leave {LINKED_ACCOUNT} out, or write a row of one of these accounts with the"
        " delivery payer",
    )


def _check_plan(budget: Budget, row: Mapping[str, object]) -> None:
    """Whether AWS can have the budget's plan.

    Raises:
        RejectedInput: it cannot.
    """
    months = MONTHS_OF.get(budget.time_unit)
    starts = [one.start for one in budget.planned_amounts]
    annual = any(one.annual for one in budget.planned_amounts)
    field, reason, remedy = "planned_amounts", "", ""
    if budget.phasing and not annual:
        field, reason = "phasing", "is of no fiscal year"
        remedy = 'Write planned_amounts such as {"2027-04": "120000/year"}, or leave phasing out'
    elif starts and months not in (1, 3):
        reason = f"is of a {budget.time_unit} budget, for which AWS has no planned limits"
        remedy = "Write the time_unit MONTHLY or QUARTERLY, or leave planned_amounts out"
    elif strange := [one for one in starts if (one.first.month - 1) % (months or 1)]:
        reason = f"has {strange[0]}, in which no quarter begins"
        remedy = "Write the first month of a quarter: 01, 04, 07 or 10"
    elif budget.plan.smallest <= 0:
        reason, remedy = "leaves a month without a cent", "Write a higher amount, or other weights"
    if reason:
        raise RejectedInput(
            f"{field} {quoted(row.get(field))} {reason}",
            code=f"invalid_{field}",
            field=field,
            value=row.get(field),
            remedy=remedy,
        )


def _in_payer(budget: Budget) -> Budget:
    """A budget of the management account, with the filter on the accounts that it watches.

    Those are the row's account, or those of its LinkedAccount filter.

    Raises:
        RejectedInput: the filter names other accounts only, or the name is too long for an AWS
            Budget that also names the account.
    """
    key = budget.key
    if is_default(key.account_id):  # its budgets name the accounts that inherit it
        key = replace(key, account_id="0" * 12)
    if len(key.name_in(Delivery.PAYER)) > _LONGEST_NAME_IN_AWS:
        longest = _LONGEST_NAME_IN_AWS - len(key.name_in(Delivery.PAYER)) + len(key.budget_name)
        raise RejectedInput(
            f"budget_name {quoted(key.budget_name)} is too long for a budget of the management"
            " account, which also names the account",
            code="invalid_budget_name",
            field="budget_name",
            value=key.budget_name,
            remedy=f"Use at most {longest} characters",
        )
    named = budget.cost_filters.get(LINKED_ACCOUNT)
    if is_default(budget.key.account_id):
        if named is None:
            return budget
        problem = "is of a default, which counts each account by itself"
        remedy = f"Leave {LINKED_ACCOUNT} out"
    elif named is None:
        own = {LINKED_ACCOUNT: (key.account_id,)}
        return replace(budget, cost_filters={**budget.cost_filters, **own})
    elif key.account_id not in named:
        problem = f"leaves out {key.account_id}, the row's account"
        remedy = f"Add it, or leave {LINKED_ACCOUNT} out to count that account only"
    else:
        return budget
    raise RejectedInput(
        f"cost_filters: {LINKED_ACCOUNT} {problem}",
        code="invalid_cost_filters",
        field="cost_filters",
        value=dict(budget.cost_filters),
        remedy=remedy,
    )


def parse_key(row: Mapping[str, object], *, defaults: bool = False) -> BudgetKey:
    """The account and budget name of a row; the name defaults to `monthly-total`.

    Raises:
        RejectedInput: the account is not 12 digits, or the name does not fit a parameter's name.
    """
    account_id = row.get("account_id")
    if not _is_account(account_id, defaults=defaults):
        raise _refused_key(
            "account_id",
            account_id,
            "is not an AWS account id",
            "Write the 12 digits of the spoke account, as text, with leading zeros"
            + (", or * or the id of an organizational unit for a default" if defaults else ""),
        )
    name = row.get("budget_name", DEFAULT_BUDGET_NAME)
    if not _is_name(name):
        raise _refused_key(
            "budget_name",
            name,
            "is not a valid budget name",
            "Use 1 to 100 letters, digits, '-', '_' or '.', and do not start with '.'",
        )
    return BudgetKey(account_id=str(account_id), budget_name=str(name))


def _is_account(value: object, *, defaults: bool) -> bool:
    own = isinstance(value, str) and bool(_ACCOUNT_ID.fullmatch(value))
    return own or (defaults and is_default(value))


def _is_name(value: object) -> bool:
    named = isinstance(value, str) and bool(_BUDGET_NAME.fullmatch(value))
    return named and not str(value).startswith(".")


def _refused_key(field: str, value: object, problem: str, remedy: str) -> RejectedInput:
    """Why a row's key is refused. What nobody sees in it is named, since nobody would find it."""
    if isinstance(value, str) and (unseen := unseen_in(value)):
        problem = unseen
        remedy += ". A row in the table keeps its key: remove it, and write one without that"
    return RejectedInput(
        f"{field} {quoted(value)} {problem}",
        code=f"invalid_{field}",
        field=field,
        value=value,
        remedy=remedy,
    )


def _reject_misspelt_attributes(row: Mapping[str, object]) -> None:
    """Unknown attributes are people's own notes.

    Except for one whose name is that of an attribute in other letters (`Currency`, `Time Unit`),
    whatever it holds, and one whose name is near (`tresholds`) and that holds what a person would
    write there. Beside the attribute itself only another value in other letters is refused.
    """
    for name, value in row.items():
        if name in _PARSERS or _is_blank(value):
            continue
        plain = _in_plain_letters(name)
        meant = _PLAIN_NAMES.get(plain) or _OTHER_NAMES.get(plain)
        refused = meant is not None
        if meant is None:
            near = difflib.get_close_matches(name.lower(), _PARSERS, n=1, cutoff=_NEAR)
            meant = near[0] if near and near[0] not in row else None
            refused = meant is not None and _may_mean(meant, value)
        elif not _is_blank(row.get(meant)):
            refused = _may_mean(meant, value) and not _is_same(meant, value, row[meant])
        if meant is not None and refused:
            raise RejectedInput(
                f"unknown attribute {quoted(name)}",
                code="unknown_attribute",
                field=name,
                value=value,
                remedy=f"Did you mean {meant!r}?",
            )


def _in_plain_letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


_PLAIN_NAMES: Final = {_in_plain_letters(name): name for name in _PARSERS}


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_same(name: str, value: object, of_attribute: object) -> bool:
    """Whether two attributes that mean one say the same."""
    try:
        return bool(_PARSERS[name](value) == _PARSERS[name](of_attribute))
    except RejectedInput:
        return value == of_attribute


def _may_mean(name: str, value: object) -> bool:
    if isinstance(value, Mapping) and name in _MAPS:
        return True
    members = value if isinstance(value, list | set | frozenset) else [value]
    texts = [str(one).strip() for one in members if isinstance(one, str | int | Decimal)]
    if name in _MEANS and any(map(_MEANS[name].search, texts)):
        return True
    try:
        return _PARSERS[name](value) is not None
    except RejectedInput:
        return False


def editor_of(row: Mapping[str, object] | None, previous: Mapping[str, object] | None) -> str:
    """Who made an edit, as it says itself; empty where it does not say.

    An edit that leaves `updated_by` and `request_id` as the one before wrote them says nothing.
    """
    if row is None or not row.get("updated_by"):
        return ""
    said = ("updated_by", "request_id")
    if previous is not None and all(row.get(name) == previous.get(name) for name in said):
        return ""
    return text_of(row["updated_by"])
