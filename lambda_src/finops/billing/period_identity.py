"""What identifies a billing period, however its provider or a spreadsheet spells it.

FOCUS (https://focus.finops.org/focus-specification/) gives names of providers and account ids as
texts, and the billing period as times in UTC. Programs write them in several ways: the month of an
account would count once for each.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

#: Billing account, start of the billing period, and provider, which may be empty.
Period = tuple[str, str, str]

#: The furthest east of UTC that a clock is set: https://www.iana.org/time-zones
_FURTHEST_EAST: Final = timedelta(hours=14)
_REMEMBERED: Final = 10_000
#: An id of digits, also as pandas writes numbers (12.0), as spreadsheets keep texts ('012), or as
#: AWS's console shows accounts (1234-5678-9012).
_DIGITS = re.compile(r"'?(\d+|\d{4}-\d{4}-\d{4})(?:\.0{1,2})?", re.ASCII)
_WORD = re.compile(r"\w+")
#: Providers by how their names begin, without spaces: whatever follows is the name of a service or
#: of a company of theirs.
_GROUPS: Final = {
    "aws": ("amazon", "aws"),
    "microsoft": ("azure", "microsoft", "msft"),
    "google": ("gcp", "google"),
    "oracle": ("oci", "oracle"),
    "alibaba": ("alibaba", "alicloud", "aliyun"),
}
#: Other names of providers, without what `_provider` leaves out.
_ALSO: Final = {
    "akamaiconnected": "akamai",
    "linode": "akamai",
    "hwc": "huawei",
    "qcloud": "tencent",
    "mongodbatlas": "mongodb",
    "grafanalabs": "grafana",
}
#: Last words that say no more than that it is a provider of a cloud.
_OF_CLOUDS: Final = frozenset({"cloud", "clouds", "platform", "computing", "public"})
#: Kinds of what an account's id names, where it is a path, as Azure and Google write them:
#: /providers/Microsoft.Billing/billingAccounts/1234567, billingAccounts/01AB-2C.
_KINDS: Final = frozenset(
    {"billingaccounts", "billingprofiles", "subscriptions", "projects", "organizations", "accounts"}
)
_LEGAL_FORMS: Final = frozenset(
    {"inc", "llc", "ltd", "limited", "corp", "corporation", "co", "company", "plc", "gmbh", "ag"}
    | {"se", "sa", "sas", "sarl", "srl", "bv", "nv", "ab", "oy", "as", "pty"}
)


class PeriodIdentity(NamedTuple):
    """The same for a billing period under all its spellings.

    Attributes:
        account: The billing account. An id of digits has no zeros before it, which spreadsheets
            leave out.
        start: The first day, such as `2026-03-01`.
        provider: In lower case; empty where it is not known.
    """

    account: str
    start: str
    provider: str


@lru_cache(_REMEMBERED)
def identity_of(period: Period) -> PeriodIdentity:
    """The identity of a billing period as a file or the database writes it."""
    account, start, provider = period
    return PeriodIdentity(_account(account), _day(start), _provider(provider))


def first_day(start: datetime) -> date:
    """The day on which a billing period begins that is written in UTC.

    Periods begin at midnight, but not everywhere in UTC: the nearest midnight counts. East of
    UTC+12 that is the day before, so that the beginning of a month goes first.
    """
    latest = (start + _FURTHEST_EAST).date()
    return latest if latest.day == 1 else (start + timedelta(hours=12)).date()


def _day(start: str) -> str:
    try:
        return first_day(datetime.fromisoformat(start)).isoformat()
    except ValueError:
        return start


def _account(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).strip().casefold().rstrip("/")
    *path, name = plain.split("/")
    if path and path[-1] in _KINDS:
        plain = name
    if digits := _DIGITS.fullmatch(plain):
        number: str = digits[1].replace("-", "")
        return number.lstrip("0") or "0"
    return plain


def _provider(text: str) -> str:
    words: list[str] = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    if not words:
        return ""
    for group, heads in _GROUPS.items():
        if words[0] in heads or "".join(words[:2]) in heads:
            return group
    while len(words) > 1 and words[-1] in _LEGAL_FORMS | _OF_CLOUDS:
        words.pop()
    name = "".join(words)
    for suffix in ("cloud", "com"):
        if len(name) > len(suffix) + 2:
            name = name.removesuffix(suffix)
    return _ALSO.get(name, name)
