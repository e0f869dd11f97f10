"""What the attributes of a budget may hold, and why anything else is rejected.

Each parser takes a value as DynamoDB or JSON gives it, None where it is absent, and raises
`RejectedInput` with the attribute, its value and what to write instead.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

from finops.budgets.domain import (
    Delivery,
    NotificationType,
    Threshold,
    TimeUnit,
    as_percent,
    decimal_text,
)
from finops.budgets.plans import MONTHS, PlannedAmount
from finops.shared.errors import RejectedInput
from finops.shared.periods import Month

# Quotas: https://docs.aws.amazon.com/cost-management/latest/userguide/management-limits.html
# and the Budgets API model (NotificationWithSubscribersList, Subscribers).
MAX_NOTIFICATIONS: Final = 10
MAX_EMAILS: Final = 10
MAX_AMOUNT: Final = Decimal("1000000000000")
MAX_PERCENT: Final = Decimal("1000")

#: What a budget counts, by the word in a row: AWS's member, and what the word sets it to. Without
#: any word it counts all unblended costs.
#: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_CostTypes.html
COST_TYPES: Final[Mapping[str, tuple[str, bool]]] = {
    "AMORTIZED": ("UseAmortized", True),
    "BLENDED": ("UseBlended", True),
    "NO_CREDITS": ("IncludeCredit", False),
    "NO_DISCOUNTS": ("IncludeDiscount", False),
    "NO_OTHER_SUBSCRIPTIONS": ("IncludeOtherSubscription", False),
    "NO_RECURRING": ("IncludeRecurring", False),
    "NO_REFUNDS": ("IncludeRefund", False),
    "NO_SUBSCRIPTIONS": ("IncludeSubscription", False),
    "NO_SUPPORT": ("IncludeSupport", False),
    "NO_TAXES": ("IncludeTax", False),
    "NO_UPFRONT": ("IncludeUpfront", False),
}
_UNBLENDED: Final = "UNBLENDED"

#: The word for no alerts or no emails.
NONE: Final = "none"

# https://www.unicode.org/reports/tr44/#General_Category_Values: controls, formats, separators,
# and halves of characters, which UTF-8 has not.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs", "Cs"})

_PLAIN_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
#: 1.500 is fifteen hundred for half of Europe, and 0.500 half a dollar for all of it.
_THOUSANDS: Final = re.compile(r"[+]?[1-9][0-9]{0,2}\.[0-9]{3}")
# https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2 without quoted forms, and its lengths.
_ATOM: Final = r"[^@\s,;:<>()\[\]\\\".]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?=[A-Za-z]){_LABEL}")
_LONGEST_EMAIL: Final = 254
_LONGEST_BEFORE_AT: Final = 64

_Member = TypeVar("_Member", bound=enum.StrEnum)


def quoted(value: object) -> str:
    """A value as an error message quotes it: at most 60 characters."""
    text = decimal_text(value) if isinstance(value, Decimal) and value.is_finite() else repr(value)
    return text_of(text, limit=60)


def text_of(value: object, *, limit: int = 1000) -> str:
    """Any value as text of at most `limit` characters: a row may hold 400 KB in one attribute."""
    text = str(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def unseen_in(text: str) -> str:
    """What nobody sees in a text, as the rest of a sentence; empty where there is nothing.

    That is a space before or after it, and a character that prints nothing, or like a space.
    """
    if text != text.strip():
        return "has a space before or after it"
    strange = next((one for one in text if unicodedata.category(one) in _UNSEEN and one != " "), "")
    if not strange:
        return ""
    name = unicodedata.name(strange, "").lower()
    return f"has the invisible character U+{ord(strange):04X}{f' ({name})' if name else ''}"


def _number(value: object) -> Decimal | None:
    """The number in a DynamoDB number or in digits; None for anything else, also floats."""
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


def parse_amount(value: object) -> Decimal:
    """USD above zero, with at most two decimals; required."""

    def rejection(reason: str, code: str) -> RejectedInput:
        return RejectedInput(
            f"amount {quoted(value)} {reason}",
            code=code,
            field="amount",
            value=value,
            remedy="Write a positive amount in USD such as 1250 or 1250.50,"
            " without a currency sign or thousands separators",
        )

    if value is None:
        raise rejection("is missing", "missing_amount")
    amount = _number(value)
    if amount is None:
        raise rejection("is not a number", "invalid_amount")
    if amount <= 0:
        raise rejection("is not above zero", "amount_not_positive")
    if amount > MAX_AMOUNT:
        raise rejection(f"is above {decimal_text(MAX_AMOUNT)}", "amount_too_large")
    cents = amount.quantize(Decimal("0.01"))
    if cents != amount:
        raise rejection("has more than two decimals", "amount_too_precise")
    if isinstance(value, str) and _THOUSANDS.fullmatch(value.strip()):
        raise rejection("has three decimals, or a thousands separator", "amount_too_precise")
    return cents


def parse_currency(value: object) -> str:
    """USD, which is also the default."""
    if value is None:
        return "USD"
    if isinstance(value, str) and value.strip().upper() == "USD":
        return "USD"
    raise RejectedInput(
        f"currency {quoted(value)} is not supported",
        code="unsupported_currency",
        field="currency",
        value=value,
        remedy="Convert the amount to USD, and leave currency out",
    )


def _member(kind: type[_Member], value: object, *, field_name: str) -> _Member:
    try:
        return kind(str(value).strip().upper())
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise RejectedInput(
            f"{field_name} {quoted(value)} is not one of {known}",
            code=f"invalid_{field_name.partition('[')[0]}",
            field=field_name,
            value=value,
            remedy=f"Write one of {known}",
        ) from None


def parse_time_unit(value: object) -> TimeUnit:
    """MONTHLY where it is absent."""
    return TimeUnit.MONTHLY if value is None else _member(TimeUnit, value, field_name="time_unit")


def parse_planned_amounts(value: object) -> tuple[PlannedAmount, ...]:
    """Amounts by the month from which on they are planned, in that order; empty where absent.

    The word `none` says that, too.

    `120000/year` is of the fiscal year that begins with the month.
    """

    def rejection(reason: str) -> RejectedInput:
        return RejectedInput(
            f"planned_amounts {quoted(value)} {reason}",
            code="invalid_planned_amounts",
            field="planned_amounts",
            value=value,
            remedy='Write a map such as {"2027-01": "1500", "2027-04": "120000/year"}: amounts in'
            " USD by the month from which on they are planned, or by that in which a fiscal year"
            " begins",
        )

    if _is_absent(value) or says_none(value):
        return ()
    if not isinstance(value, Mapping):
        raise rejection("is not a map")
    planned = []
    for name, given in value.items():
        one = given[0] if isinstance(given, list | tuple) and len(given) == 1 else given
        number, slash, period = one.partition("/") if isinstance(one, str) else (one, "", "")
        if slash and period.strip().lower() != "year":
            raise rejection(
                f"has for {quoted(name)} the period {quoted(period)}, which is not year"
            )
        try:
            start, amount = Month.parse(name), parse_amount(number)
        except RejectedInput as error:
            raise rejection(f"has an entry that cannot be: {error.message}") from None
        planned.append(PlannedAmount(start=start, amount=amount, annual=bool(slash)))
    return tuple(sorted(planned))


def parse_phasing(value: object) -> tuple[Decimal, ...]:
    """Weights of the twelve months of a fiscal year, from its first; empty where absent.

    The word `none` says that, too.
    """

    def rejection(reason: str) -> RejectedInput:
        return RejectedInput(
            f"phasing {quoted(value)} {reason}",
            code="invalid_phasing",
            field="phasing",
            value=value,
            remedy="Write twelve weights above 0, such as 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 1, 1",
        )

    if _is_absent(value):
        return ()
    if isinstance(value, set | frozenset):
        raise rejection("is a set, which has no order")
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = ",".join(value)
    items = items_of(value, rejection)
    if _says_none(items):
        return ()
    weights = [_number(one) for one in items]
    if len(weights) != MONTHS:
        raise rejection(f"has {len(weights)} weights")
    known = tuple(one for one in weights if one is not None and 0 < one <= MAX_AMOUNT)
    if len(known) != MONTHS:
        raise rejection("has a weight that is not a number above 0")
    return known


def parse_delivery(value: object) -> Delivery:
    """SPOKE where it is absent or blank."""
    if _is_absent(value):
        return Delivery.SPOKE
    try:
        return Delivery(str(value).strip().lower())
    except ValueError:
        raise RejectedInput(
            f"delivery {quoted(value)} is not one of {', '.join(Delivery)}",
            code="invalid_delivery",
            field="delivery",
            value=value,
            remedy="Write payer for a budget in the management account, or leave delivery out",
        ) from None


def items_of(value: object, rejection: Callable[[str], RejectedInput]) -> list[object]:
    """The entries of a list or set, or of text with commas or semicolons; at least one.

    `rejection` makes the error that is raised, from what is wrong.
    """
    items: list[object]
    if isinstance(value, str):
        items = [part.strip() for part in re.split("[,;]", value) if part.strip()]
    elif isinstance(value, list | tuple):
        items = list(value)
    elif isinstance(value, set | frozenset):
        items = sorted(value, key=str)
    else:
        raise rejection("is not a list")
    if not items:
        raise rejection("has no entries")
    return items


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def says_none(value: object) -> bool:
    """Whether it is the word that stands for nothing."""
    return isinstance(value, str) and value.strip().lower() == NONE


def _says_none(items: Sequence[object]) -> bool:
    return len(items) == 1 and says_none(items[0])


def parse_thresholds(value: object) -> tuple[Threshold, ...] | None:
    """Sorted, without repetitions; None where it is absent or blank, empty for the word `none`."""

    def rejection(reason: str) -> RejectedInput:
        return RejectedInput(
            f"thresholds {quoted(value)} {reason}",
            code="invalid_thresholds",
            field="thresholds",
            value=value,
            remedy='Write a list such as [{"type": "ACTUAL", "percent": 80}], or ACTUAL:80,'
            f" or {NONE} for no alerts",
        )

    if _is_absent(value):
        return None
    items = items_of(value, rejection)
    if _says_none(items):
        return ()
    thresholds = {_threshold(item, rejection) for item in items}
    if len(thresholds) > MAX_NOTIFICATIONS:
        raise rejection(f"has {len(thresholds)} entries; AWS allows {MAX_NOTIFICATIONS} per budget")
    return tuple(sorted(thresholds))


def _threshold(item: object, rejection: Callable[[str], RejectedInput]) -> Threshold:
    if isinstance(item, str):
        kind, colon, percent = item.partition(":")
        if not colon:
            raise rejection(f"has the entry {quoted(item)}, which is not TYPE:PERCENT")
        item = {"type": kind, "percent": percent.strip().removesuffix("%")}
    if not isinstance(item, Mapping) or not set(item) <= {"type", "percent"}:
        raise rejection(f"has the entry {quoted(item)}")
    number = _number(item.get("percent"))
    rounded = None
    if number is not None and 0 < number <= MAX_PERCENT:
        rounded = as_percent(number)
    if not rounded:
        raise rejection(
            f"has the percent {quoted(item.get('percent'))}, which is not between 0 and"
            f" {MAX_PERCENT}"
        )
    kind = item.get("type", NotificationType.ACTUAL)
    return Threshold(
        type=_member(NotificationType, kind, field_name="thresholds[].type"),
        percent=rounded,
    )


def parse_emails(value: object) -> tuple[str, ...] | None:
    """Sorted, without repetitions, whatever their case.

    None where it is absent or blank, empty for the word `none`.
    """

    def rejection(reason: str) -> RejectedInput:
        return RejectedInput(
            f"emails {quoted(value)} {reason}",
            code="invalid_emails",
            field="emails",
            value=value,
            remedy=f"Write a list of at most {MAX_EMAILS} addresses such as finance@example.com,"
            f" or {NONE} for no emails",
        )

    if _is_absent(value):
        return None
    items = items_of(value, rejection)
    if _says_none(items):
        return ()
    for item in items:
        if not isinstance(item, str) or not _is_email(item.strip()):
            raise rejection(f"has the entry {quoted(item)}, which is not an email address")
        if unseen := unseen_in(item.strip()):
            raise rejection(f"has the entry {quoted(item)}, which {unseen}")
    each = {str(item).strip().lower(): str(item).strip() for item in sorted(items, key=str)}
    emails = sorted(each.values())
    if len(emails) > MAX_EMAILS:
        raise rejection(f"has {len(emails)} entries; at most {MAX_EMAILS} are possible")
    return tuple(emails)


def _is_email(text: str) -> bool:
    before = text.partition("@")[0]
    fits = len(text) <= _LONGEST_EMAIL and len(before) <= _LONGEST_BEFORE_AT
    return fits and _EMAIL.fullmatch(text) is not None


def parse_cost_types(value: object) -> tuple[str, ...]:
    """The words of `COST_TYPES`, sorted; empty where it is absent or says UNBLENDED alone."""

    def rejection(reason: str) -> RejectedInput:
        return RejectedInput(
            f"cost_types {quoted(value)} {reason}",
            code="invalid_cost_types",
            field="cost_types",
            value=value,
            remedy=f"Write a list such as AMORTIZED, NO_CREDITS; known are"
            f" {', '.join((_UNBLENDED, *COST_TYPES))}",
        )

    if _is_absent(value):
        return ()
    items = items_of(value, rejection)
    if _says_none(items):
        return ()
    words = set()
    for item in items:
        word = re.sub(r"[\s-]+", "_", item.strip()).upper() if isinstance(item, str) else ""
        known = [one for one in (_UNBLENDED, *COST_TYPES) if word in (one, *_singular(one))]
        if not known:
            raise rejection(f"has the entry {quoted(item)}")
        words.add(known[0])
    if len(words & {_UNBLENDED, "AMORTIZED", "BLENDED"}) > 1:
        raise rejection("names more than one of UNBLENDED, AMORTIZED and BLENDED")
    return tuple(sorted(words - {_UNBLENDED}))


def _singular(word: str) -> tuple[str, ...]:
    """`NO_CREDIT` for `NO_CREDITS`, `NO_TAX` for `NO_TAXES`."""
    return tuple(word.removesuffix(end) for end in ("S", "ES") if word.endswith(end))
