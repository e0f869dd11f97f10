"""The attributes of a budget, declared once in `ATTRIBUTES`.

Rows, the parameter's document, the AWS Budget, the audit trail, CSV files, the command line and the
console follow the declaration. A new attribute is a field of `domain.Budget` and an entry here.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from finops.budgets.domain import Budget, Delivery, NotificationType, TimeUnit, decimal_text
from finops.budgets.filters import parse_cost_filters, read_cost_filters
from finops.budgets.plans import PlannedAmount
from finops.budgets.values import (
    COST_TYPES as COST_TYPE_WORDS,
)
from finops.budgets.values import (
    MAX_AMOUNT,
    NONE,
    parse_amount,
    parse_cost_types,
    parse_currency,
    parse_delivery,
    parse_emails,
    parse_phasing,
    parse_planned_amounts,
    parse_thresholds,
    parse_time_unit,
    says_none,
)
from finops.shared.audit import json_value
from finops.shared.errors import RejectedInput
from finops.shared.json_objects import each_key_once


class Form(enum.Enum):
    """How people write an attribute as one text, and how a command line option repeats."""

    VALUE = enum.auto()
    #: `ACTUAL:80, FORECASTED:100`; in a CSV file also with semicolons.
    LIST = enum.auto()
    #: `{"Service": ["Amazon S3"]}`, which is JSON; as an option `Service=Amazon S3`.
    MAP = enum.auto()


BUDGET_TYPE: Final = "COST"
#: What AWS counts where a request names no cost types, as a budget does whose row names none.
#: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_CostTypes.html
COST_TYPES: Final[Mapping[str, bool]] = {
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
#: The end of a budget that has none; AWS deletes a budget at its end.
#: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_TimePeriod.html
NO_END: Final = datetime(2087, 6, 15, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class AwsMember:
    """A member of AWS's `Budget` structure.

    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html

    Attributes:
        path: The names that lead to it.
        read: From its value in an answer, or None where it is absent, to a value that equals the
            field of `Budget` where both mean the same.
        write: From the field of `Budget` to its value in a request.
    """

    path: tuple[str, ...]
    read: Callable[[Any], object] = lambda value: value
    write: Callable[[Any], object] = lambda value: value


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One attribute of a budget.

    Attributes:
        name: In the row, in the document, and of the field of `Budget`.
        parse: From a value of the row or the document, None where it is absent, to the field.
            Raises `RejectedInput` with the attribute, its value and what to write instead.
        encode: From the field to JSON of the document, which `parse` reads again.
        read: From what was published, where `parse` refuses some of that by now.
        omit_default: Whether the document leaves the attribute out at its default. True for every
            attribute added later, so that documents already published keep their digest.
        aws: Where the AWS Budget holds it. None where its notifications do:
            `domain.notification_changes` compares those.
        default: What lists show where the row has no value.
        text: From a value of the row to the text that people write, where `form` is not enough.
        audited: Whether entries of the audit trail hold it. Addresses of people do not go there.
        listed: Whether lists on the command line have a column for it.
        label: Its column in the console; empty where the console does not show it.
        example: What a person may write.
        choices: All that may be written, where those are few.
        option: The command line's option; empty where there is none.
        metavar: What the option's help calls its value.
        help: The option's help.
    """

    name: str
    parse: Callable[[object], Any]
    encode: Callable[[Any], object]
    read: Callable[[object], Any] | None = None
    omit_default: bool = False
    form: Form = Form.VALUE
    aws: AwsMember | None = None
    default: str | None = ""
    text: Callable[[Any], str] = str
    audited: bool = False
    listed: bool = False
    label: str = ""
    example: str = ""
    choices: tuple[str, ...] = ()
    option: str = ""
    metavar: str | None = None
    help: str = ""

    def show(self, value: object) -> str | None:
        """A value of the row as people write it, whatever was typed there."""
        if value is None or (self.form is Form.LIST and value == ""):
            return self.default
        if self.form is Form.LIST and isinstance(value, list | set):
            members = sorted(value, key=str) if isinstance(value, set) else value
            return ", ".join(map(self.text, members))
        if self.form is Form.MAP and isinstance(value, Mapping):
            return self.text(value)
        return self.text(value) if self.form is Form.VALUE else str(value)

    def read_cell(self, text: str) -> object:
        """The row's value from a cell of a CSV file.

        Raises:
            RejectedInput: a map is not JSON, or has a key twice.
        """
        if self.form is Form.LIST:
            return text.replace(";", ",")
        if self.form is Form.VALUE or says_none(text):
            return text
        try:
            return json.loads(text, object_pairs_hook=each_key_once, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise RejectedInput(
                f"{self.name} cannot be read as JSON: {error}",
                code=f"invalid_{self.name}",
                field=self.name,
                value=text,
            ) from None

    def read_options(self, given: Sequence[str]) -> object:
        """The row's value of a list or map, from what a repeated option gives."""
        if self.form is Form.LIST:
            return list(given)
        if len(given) == 1 and says_none(given[0]):
            return NONE
        found: dict[str, list[str]] = {}
        for one in given:
            name, _, value = one.partition("=")
            found.setdefault(name, []).append(value)
        return found


def aws_settings(budget: Budget, now: datetime) -> dict[str, Any]:
    """The members of AWS's `Budget` structure that a budget decides, for a request now.

    "You can't use BudgetLimit with PlannedBudgetLimits":
    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html
    """
    settings: dict[str, Any] = {}
    for attribute in ATTRIBUTES:
        if attribute.aws:
            *parents, last = attribute.aws.path
            within = settings
            for name in parents:
                within = within.setdefault(name, {})
            within[last] = attribute.aws.write(getattr(budget, attribute.name))
    if planned := budget.planned_limits(now):
        del settings["BudgetLimit"]
        settings["PlannedBudgetLimits"] = {
            str(start): {"Amount": decimal_text(amount), "Unit": budget.currency}
            for start, amount in planned.items()
        }
    return settings


def planned_in_aws(answer: Mapping[str, Any], currency: str) -> dict[int, Decimal | None]:
    """The planned limits in an answer by epoch seconds; None for one in another currency."""
    return {
        int(start): Decimal(limit["Amount"]) if limit["Unit"] == currency else None
        for start, limit in (answer.get("PlannedBudgetLimits") or {}).items()
    }


def settings_in_aws(answer: Mapping[str, Any]) -> dict[str, object]:
    """The attributes that AWS's `Budget` structure holds, by name, from an answer."""
    settings = {}
    for attribute in ATTRIBUTES:
        if attribute.aws:
            value: Any = answer
            for name in attribute.aws.path:
                value = (value or {}).get(name)
            settings[attribute.name] = attribute.aws.read(value)
    return settings


def members_beyond_rows(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """Members of AWS's `Budget` structure that change what it counts, and that no row can ask for.

    A budget filtered in AWS's console holds `FilterExpression` and `Metrics` instead of cost types.
    With cost types those two only say the same again.
    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html
    """
    cost_types = answer.get("CostTypes") or {}
    end = (answer.get("TimePeriod") or {}).get("End")
    # https://docs.aws.amazon.com/cost-management/latest/userguide/custom-billing-views.html
    view = answer.get("BillingViewArn") or ""
    found = {
        "BudgetType": answer.get("BudgetType", BUDGET_TYPE) != BUDGET_TYPE,
        "AutoAdjustData": answer.get("AutoAdjustData"),
        "FilterExpression": not cost_types and answer.get("FilterExpression"),
        "Metrics": not cost_types and answer.get("Metrics"),
        # A day less, for clocks that differ.
        "TimePeriod": (end and end < NO_END - timedelta(days=1)) or starts_later(answer),
        "BillingViewArn": "billingview/custom-" in view,
    }
    return tuple(name for name, value in found.items() if value)


def starts_later(answer: Mapping[str, Any]) -> bool:
    """Whether the budget counts nothing yet: it starts after somebody last changed it."""
    start = (answer.get("TimePeriod") or {}).get("Start")
    changed = answer.get("LastUpdatedTime")
    return bool(start and changed and start > changed)


def _threshold_text(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{value.get('type', NotificationType.ACTUAL.value)}:{value.get('percent')}"
    return str(value)


def _amount_text(value: object) -> str:
    """An amount with its cents; anything else as it was typed."""
    if not isinstance(value, Decimal):
        return str(value)
    whole = value.is_finite() and int(value.as_tuple().exponent) > -2
    return decimal_text(
        value.quantize(Decimal("0.01")) if whole and abs(value) < MAX_AMOUNT else value
    )


def _planned_text(planned: PlannedAmount) -> str:
    return f"{decimal_text(planned.amount)}{'/year' if planned.annual else ''}"


def _sorted_filters(filters: Mapping[str, Any] | None) -> dict[str, tuple[str, ...]]:
    return {name: tuple(sorted(values)) for name, values in (filters or {}).items()}


def _cost_types_read(members: Mapping[str, bool] | None) -> tuple[str, ...]:
    return tuple(
        word
        for word, (member, meant) in sorted(COST_TYPE_WORDS.items())
        if (members or {}).get(member, not meant) is meant
    )


def _cost_types_written(words: Sequence[str]) -> dict[str, bool]:
    return {**COST_TYPES, **dict(COST_TYPE_WORDS[word] for word in words)}


def _listed_filters(filters: Mapping[str, Any]) -> dict[str, list[str]]:
    return {name: list(values) for name, values in filters.items()}


ATTRIBUTES: Final = (
    Attribute(
        name="amount",
        parse=parse_amount,
        encode=decimal_text,
        aws=AwsMember(
            path=("BudgetLimit", "Amount"),
            read=lambda value: None if value is None else Decimal(value),
            write=decimal_text,
        ),
        default=None,
        text=_amount_text,
        audited=True,
        listed=True,
        label="Amount (USD)",
        example="1250.50",
    ),
    Attribute(
        name="currency",
        parse=parse_currency,
        encode=str,
        aws=AwsMember(path=("BudgetLimit", "Unit")),
        default="USD",
        audited=True,
        example="USD",
    ),
    Attribute(
        name="time_unit",
        parse=parse_time_unit,
        encode=str,
        aws=AwsMember(path=("TimeUnit",), write=str),
        default=TimeUnit.MONTHLY.value,
        audited=True,
        listed=True,
        label="Period",
        example=TimeUnit.QUARTERLY.value,
        choices=tuple(one.value for one in TimeUnit),
        option="--time-unit",
        help="Period of the amount.",
    ),
    Attribute(
        name="thresholds",
        form=Form.LIST,
        parse=parse_thresholds,
        encode=lambda value: None if value is None else [one.as_document() for one in value],
        text=_threshold_text,
        label="Alerts at (%)",
        example="ACTUAL:80, FORECASTED:100",
        option="--threshold",
        metavar="TYPE:PERCENT",
        help="Alert at this share of the amount, such as ACTUAL:80.",
    ),
    Attribute(
        name="emails",
        form=Form.LIST,
        parse=parse_emails,
        encode=lambda value: None if value is None else list(value),
        label="Alert emails",
        example="finance@example.com, cfo@example.com",
        option="--email",
        metavar="ADDRESS",
        help="Address to notify.",
    ),
    Attribute(
        name="cost_filters",
        form=Form.MAP,
        parse=parse_cost_filters,
        encode=_listed_filters,
        read=read_cost_filters,
        aws=AwsMember(path=("CostFilters",), read=_sorted_filters, write=_listed_filters),
        text=lambda value: json.dumps(json_value(value)),
        example='{"Service": ["Amazon Simple Storage Service"]}',
        option="--cost-filter",
        metavar="DIMENSION=VALUE",
        help="Count only these costs, such as Region=eu-west-1; none for all.",
    ),
    Attribute(
        name="cost_types",
        form=Form.LIST,
        parse=parse_cost_types,
        encode=list,
        omit_default=True,
        aws=AwsMember(path=("CostTypes",), read=_cost_types_read, write=_cost_types_written),
        audited=True,
        example="AMORTIZED, NO_CREDITS",
        option="--cost-type",
        metavar="WORD",
        help="What to count, such as AMORTIZED or NO_CREDITS; none for all unblended costs.",
    ),
    Attribute(
        name="planned_amounts",
        form=Form.MAP,
        parse=parse_planned_amounts,
        encode=lambda planned: {str(one.start): _planned_text(one) for one in planned},
        omit_default=True,
        text=lambda value: json.dumps(json_value(value)),
        audited=True,
        example='{"2027-01": "1500", "2027-04": "120000/year"}',
        option="--planned-amount",
        metavar="MONTH=USD",
        help="From this month on another amount, such as 2027-01=1500, or that of the fiscal year"
        " that begins then, such as 2027-04=120000/year; none for no plan.",
    ),
    Attribute(
        name="phasing",
        form=Form.LIST,
        parse=parse_phasing,
        encode=lambda weights: [decimal_text(one) for one in weights],
        omit_default=True,
        audited=True,
        example="1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 1, 1",
        option="--phasing",
        metavar="WEIGHTS",
        help="Weights of the twelve months of a fiscal year, from its first; none for alike.",
    ),
    Attribute(
        name="delivery",
        parse=parse_delivery,
        encode=str,
        omit_default=True,
        default=Delivery.SPOKE.value,
        audited=True,
        label="Delivery",
        example=Delivery.PAYER.value,
        choices=tuple(one.value for one in Delivery),
        option="--delivery",
        help="Which account has the AWS Budget: its own (spoke) or the management account (payer).",
    ),
)
