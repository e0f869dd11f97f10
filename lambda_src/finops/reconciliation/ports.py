"""What a reconciliation needs from the outside, as Protocols that adapters and fakes fill.

Any call may raise `TransientFailure` (try again later) or `ConfigurationError` (somebody must fix
the deployment); what else a call raises is said at the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from finops.reconciliation.anomaly_services import AccountDays, ServiceCosts
from finops.reconciliation.aws_budgets import AwsBudget
from finops.reconciliation.configuration import OrganizationTags
from finops.reconciliation.domain import (
    Charge,
    ChargeCategory,
    CommittedCosts,
    IssuedInvoice,
    LineUsage,
    Metric,
    PriceEffect,
    TaggedCosts,
    UnitBudget,
    UsageSource,
)
from finops.reconciliation.mapping import Account, TagKey, TagRule
from finops.reconciliation.report import Report
from finops.shared.errors import TransientFailure
from finops.shared.periods import Month


class Detail(StrEnum):
    """How finely a source is asked for charges."""

    MONTHS = "months"
    """By month, with service, category, invoice and issuer."""
    ACCOUNT_DAYS = "account_days"
    """By day and linked account, usage only: services and invoices are empty."""
    SERVICE_DAYS = "service_days"
    """By day and service, usage only: linked accounts and invoices are empty."""
    ACCOUNT_SERVICE_DAYS = "account_service_days"
    """By day, linked account and service, usage only: invoices are empty."""
    DAILY_FEES = "daily_fees"
    """By day, linked account and service, fees that are charged daily, as of Savings Plans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeQuery:
    """Which charges, summed how.

    Attributes:
        first: First day, UTC.
        end: The day after the last.
        tag_rules: Charges are grouped by the first of these rules that they match.
        accounts: Of these linked accounts only; all where it is empty.
        tag_keys: By which `tagged_costs` will be asked.
    """

    first: date
    end: date
    detail: Detail
    tag_rules: tuple[TagRule, ...] = ()
    accounts: tuple[str, ...] = ()
    tag_keys: tuple[TagKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TagQuery:
    """Whose costs by a tag are asked for.

    Attributes:
        month: With the month before.
        excluded: Categories that are left out.
    """

    month: Month
    key: TagKey
    metric: Metric
    excluded: frozenset[ChargeCategory] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """Which usage of a month is asked for by day, and in which lines it is summed.

    Attributes:
        lines: The number of the line by source, from 0, a line in one currency; usage of other
            sources is left out. Charges without a service are of one named by their category.
        tag_rules: As of `ChargeQuery`.
    """

    month: Month
    metric: Metric
    lines: Mapping[UsageSource, int]
    tag_rules: tuple[TagRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyQuery:
    """Whose billed usage by service is asked for.

    Attributes:
        since: Days of the billing period before this one are left out.
        anomalies: At least one.
    """

    since: date
    anomalies: Sequence[AccountDays]

    @property
    def first(self) -> date:
        """The first day of the billing period that counts."""
        return max(self.since, min(one.known_from for one in self.anomalies))

    @property
    def end(self) -> date:
        """The day after the last."""
        return max(one.last for one in self.anomalies) + timedelta(days=1)

    @property
    def accounts(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(sorted({one.account for one in self.anomalies}))


@dataclass(frozen=True, slots=True)
class ControlTotal:
    """A source's own total of a month's billed costs, queried separately from the charges.

    Attributes:
        without_amortized: What is billed of it for rows whose amortized cost is missing.
    """

    name: str
    amount: Decimal
    currency: str
    without_amortized: Decimal = Decimal(0)


class CostSource(Protocol):
    """Where charges come from."""

    @property
    def name(self) -> str:
        """For people, such as `Cost Explorer of 3 payer accounts`."""

    def charges(self, query: ChargeQuery) -> Iterable[Charge]:
        """The charges, each combination of its keys once, in any order.

        Raises:
            RejectedInput: the source holds what cannot be read.
        """

    def usage_by_day(self, query: UsageQuery) -> Iterable[LineUsage]:
        """The usage, in any order and number of parts."""

    def costs_by_service(self, query: AnomalyQuery) -> Sequence[Mapping[str, ServiceCosts]]:
        """Of each anomaly, by service; services without costs on these days may be missing."""

    def lacks(self, metric: Metric, month: Month) -> str:
        """What the source would need to know this cost of the month's charges; empty if nothing."""

    def known_until(self, month: Month, today: date) -> date:
        """The first day of the month of which nothing is known yet; its end where all is.

        Charges that are dated after today say nothing of the days before them.
        """

    def control_totals(self, month: Month) -> Sequence[ControlTotal]:
        """What all charges of the month come to, by currency."""

    def committed_costs(self, month: Month) -> Sequence[CommittedCosts]:
        """What commitments did in the month, by currency; nothing where the source can't say."""

    def price_effects(self, month: Month, metric: Metric) -> Sequence[PriceEffect]:
        """Usage against the month before, a currency and service each; empty if it can't say."""

    def tagged_costs(self, query: TagQuery) -> Sequence[TaggedCosts] | None:
        """Costs of a month and of the one before by a tag's values; None if it knows no tags."""

    @property
    def notes(self) -> Sequence[str]:
        """Notes about the data for the report's reader; call it after reading."""


class IssuedInvoices(Protocol):
    """AWS's own list of invoices, of every payer."""

    def of_month(self, month: Month) -> Sequence[IssuedInvoice]:
        """The invoices of a billing period, of all payers."""


class ProcessedInvoices(Protocol):
    """What the invoices flow processed."""

    def numbered(self, numbers: Iterable[str], month: Month) -> Sequence[IssuedInvoice]:
        """Those of these numbers, and those of cloud vendors that were dated in the two months."""


class Directory(Protocol):
    """AWS Organizations: who owns which account."""

    def accounts(self, tags: OrganizationTags) -> Sequence[Account]:
        """Every account of the organization with what its tags say."""


class BudgetRows(Protocol):
    """The budgets table."""

    def monthly(self, month: Month) -> Mapping[str, Sequence[UnitBudget]]:
        """The monthly budgets of each account that cover all of its costs, as of a month."""

    def calculated(self) -> Sequence[AwsBudget] | None:
        """What AWS Budgets said last of each budget; None where nobody keeps that."""


class AnswerCache(Protocol):
    """Answers of Cost Explorer, each of which costs money."""

    def get(self, key: str) -> Mapping[str, Any] | None:
        """A stored answer."""

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        """Keep an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stored report.

    Attributes:
        revision: 0 of an open month.
        document: The report as `as_document` gives it.
        locations: Of each format: a path or an S3 URI.
    """

    revision: int
    document: Mapping[str, Any]
    locations: Mapping[str, str]


class RevisionTaken(TransientFailure):
    """Another run has written this revision of the month meanwhile."""


class ReportFiles(Protocol):
    """Files by name, in a folder or under a prefix."""

    def names(self, prefix: str) -> Iterator[str]:
        """The names that begin so."""

    def read(self, name: str) -> bytes:
        """A file."""

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a file, in one step."""

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one; whether it was written."""

    def location(self, name: str) -> str:
        """The location that people and programs find it by."""


class ReportStore(Protocol):
    """Where reports are stored: a folder or a bucket."""

    def newest(self, month: str) -> Stored | None:
        """The newest revision of a closed month, None while it is open."""

    def provisional(self, month: str) -> Mapping[str, Any] | None:
        """The report of a month before it was closed, None where none was written as JSON."""

    def write(
        self, report: Report, files: Mapping[str, bytes], pages: Mapping[str, bytes] | None = None
    ) -> Stored:
        """Store a report: revision 0 replaces the one before, others are written once.

        Args:
            report: The model.
            files: By format.
            pages: By name beside these files.

        Raises:
            RevisionTaken: another run has written this revision meanwhile.
        """


class Announcer(Protocol):
    """Topics, mail, and webhooks."""

    def announce(self, report: Report, stored: Stored) -> None:
        """Send a report to people; a channel that fails does not stop the others."""
