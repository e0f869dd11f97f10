"""What the budgets use cases need from the outside, as Protocols that adapters and fakes fill.

Any call may raise `TransientFailure` (retry later) or `ConfigurationError` (somebody has to fix the
deployment).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple, Protocol

from finops.budgets.documents import BudgetDocument
from finops.budgets.domain import (
    ActualBudget,
    Budget,
    BudgetKey,
    Delivery,
    NotificationChanges,
    Owner,
    Spend,
    Status,
)
from finops.shared.errors import FinOpsError

#: The error's code of an account that nobody knows, or that has left the organization.
UNKNOWN_ACCOUNT: Final = "unknown_account"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """The row of `budget_status` for one budget: how its newest edit ended, and what is applied.

    `actual_spend` and `forecasted_spend` are what AWS Budgets had calculated at `spend_at` for the
    budget's current period, in its currency; empty where it had not.

    `content` is the digest of what this version publishes, empty where that is nothing, and
    `wanted_since` is when the edit was made that first asked for it. `repairs` counts how often
    drift repair has published it again since it was last right. While an edit waits or is rejected,
    that is of the budget before it, and `repaired_at` says when it last was. `default_of` is `*` or
    the unit whose row the account inherits, empty where it has a row of its own. `delivery` is
    where the last document went. `baseline` is what raises are measured against, and `approvals`
    are the people who have approved this content: see `finops.budgets.approvals`. `amounts` says
    what a raise that waits makes of the months, empty where they are all of `amount`.
    `adopted` says that the AWS Budget was made by hand, so that its row's removal leaves it, and
    `untagged` that a version of the flow may have made it that gave it no tag: see
    `finops.budgets.ownership`. `published` says that the account of `delivery` may have been told
    to make a budget, and has not said since that it is gone. `unreached_at` is since when drift
    runs cannot read what the account has; None where they can.
    """

    key: BudgetKey
    version: str
    status: Status
    request_id: str = ""
    document: str = ""
    amount: str = ""
    applied_amount: str = ""
    error: str = ""
    error_code: str = ""
    error_step: str = ""
    updated_by: str = ""
    action: str = ""
    edited_at: datetime | None = None
    applied_at: datetime | None = None
    reported_at: datetime | None = None
    latency_ms: int | None = None
    content: str = ""
    wanted_since: datetime | None = None
    repairs: int = 0
    repaired_at: datetime | None = None
    actual_spend: str = ""
    forecasted_spend: str = ""
    spend_at: datetime | None = None
    default_of: str = ""
    delivery: Delivery = Delivery.SPOKE
    baseline: str = ""
    approvals: tuple[str, ...] = ()
    amounts: str = ""
    adopted: bool = False
    unreached_at: datetime | None = None
    untagged: bool = False
    published: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetResult:
    """What the spoke, or by `delivery` the payer, did with one version of a document.

    `content` is the digest of the budget in it, whatever its version; empty from older spokes.
    `action` is `created`, `updated`, `removed` or `unchanged`; `adopted` where a row has taken over
    a budget that was made by hand, and `left` where such a one stays after the row's removal.
    `owner` says whose the budget is, where the spoke has looked; None from older spokes.
    """

    key: BudgetKey
    version: str
    request_id: str
    status: Status
    action: str
    amount: str
    reported_at: datetime
    latency_ms: int | None = None
    error: FinOpsError | None = None
    content: str = ""
    delivery: Delivery = Delivery.SPOKE
    owner: Owner | None = None

    @property
    def effective(self) -> bool:
        """Whether the spoke's AWS Budget now matches the document."""
        return self.status in (Status.APPLIED, Status.REMOVED)

    @property
    def may_repeat(self) -> bool:
        """Whether the spoke may have said it before, and done nothing since."""
        return self.action in ("unchanged", "left")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultEffect:
    """What a result did to the status of its budget.

    Attributes:
        written: Whether the status was written; False where the result is outdated.
        before: The status until then; None where the table has none.
    """

    written: bool
    before: BudgetStatus | None


class BudgetTable(Protocol):
    """The table that people edit."""

    def rows(self, account_id: str | None = None) -> Iterator[Mapping[str, Any]]:
        """Every row, or those of one account."""

    def accounts(self) -> Iterator[str]:
        """The account of every row."""


class StatusOutline(NamedTuple):
    """What a run over all statuses needs of each."""

    account_id: str
    status: Status
    edited_at: datetime | None
    unreached_at: datetime | None


class StatusTable(Protocol):
    """The status of each budget's newest edit. A write for an older version changes nothing."""

    def get(self, key: BudgetKey) -> BudgetStatus | None:
        """The current status, read consistently."""

    def get_many(self, keys: Sequence[BudgetKey]) -> dict[BudgetKey, BudgetStatus]:
        """The current statuses of these budgets, where there are any, read consistently."""

    def all(self, account_id: str | None = None) -> Iterator[BudgetStatus]:
        """Every status, or those of one account."""

    def outlines(self) -> Iterator[StatusOutline]:
        """Every status, in outline."""

    def begin(self, status: BudgetStatus, *, after: str | None = None) -> bool:
        """Write the first status of a version, unless that is finished or a newer one is known.

        With `after` also that has to be the version so far, empty where there is none.

        What was applied before stays in the row, and so does the last document unless the new
        status has one, and that the account may have a budget. Returns whether to work on the
        version; False means outdated or a duplicate.
        """

    def approve(self, key: BudgetKey, content: str, approver: str) -> BudgetStatus | None:
        """Add an approver of this content that waits. Returns the status, None if it waits not."""

    def mark_failed(
        self,
        key: BudgetKey,
        version: str,
        error: FinOpsError,
        *,
        standing: Status = Status.PENDING,
        published: bool = True,
    ) -> bool:
        """Mark a version of the status `standing` as FAILED; everything else of it stays.

        Where it is not `published`, its account was certainly told of no budget, and that is
        written, too. Returns whether it is FAILED, for this reason.
        """

    def mark_unreached(
        self, key: BudgetKey, version: str, error: FinOpsError, since: datetime
    ) -> bool:
        """Mark a published version as FAILED whose account cannot be reached, also if APPLIED.

        What was applied stays in the row. Returns whether it is marked.
        """

    def note_unreached(self, key: BudgetKey, since: datetime | None) -> None:
        """Write since when the account cannot be read, or that it can, beside its status."""

    def note_repairs(self, key: BudgetKey, version: str, repairs: int, now: datetime) -> None:
        """Write how often what stands beside this version was repaired; no answer tells of it."""

    def note_standing(self, key: BudgetKey, version: str, amount: str) -> None:
        """Write that what stands beside this version is as it should be, and has this amount."""

    def write_spend(self, key: BudgetKey, spend: Spend, now: datetime) -> None:
        """Write what a budget has cost so far beside its status, whatever that is."""

    def write_result(self, result: BudgetResult) -> ResultEffect:
        """Write what the spoke reported.

        A version that is not right yet also ends by a budget that is, when another version with the
        same content made it so after the edit. Where drift runs cannot read the account, that
        nothing was to be done ends no failure: an account that is reached again is compared.
        """


class ReportCounts(Protocol):
    """How much each account has reported, or about each of its budgets."""

    def count(self, counted: str, day: date, *, at_most: int) -> bool:
        """Count a report, unless so many of that day (UTC) are counted. Returns whether it was."""


class Organization(Protocol):
    """Which accounts inherit defaults, and from whom."""

    def parents(self, units: Collection[str]) -> Mapping[str, str]:
        """The unit above each unit and account that is below one of these units."""

    def is_below(self, account_id: str, unit: str) -> bool:
        """Whether an account is in a unit or below it, asked of the account itself."""

    def inherits(self, account_id: str) -> bool:
        """Whether an account may have budgets by default.

        The organization's management account may not: its budgets count everybody's costs.
        """


class Spokes(Protocol):
    """The spoke accounts, which the management account reaches through a role in each.

    The management account's own spoke has the budgets that the payer delivers.
    """

    def put_document(self, document: BudgetDocument) -> None:
        """Write the document to the spoke's parameter, which invokes the applier there."""

    def documents(self, account_id: str, delivery: Delivery = Delivery.SPOKE) -> dict[str, str]:
        """Parameter values of the account by budget name."""

    def budgets(self, account_id: str) -> dict[str, ActualBudget]:
        """The AWS Budgets in the account by name, without their notifications."""

    def payer_budgets(self, account_id: str, names: Collection[str]) -> dict[str, ActualBudget]:
        """Those of these budgets of the account that the payer has, by budget name."""


class Deadlines(Protocol):
    """Checks later whether a version has ended."""

    def schedule(self, documents: Iterable[BudgetDocument]) -> None:
        """Have `expire_pending_budget` check each of these versions after the deadline.

        An account with many budgets to apply has more time.
        """


class AccountQueue(Protocol):
    """Accounts that wait to be compared with the table."""

    def is_empty(self) -> bool:
        """Whether none waits, as far as is known."""

    def send(self, parts: Iterable[Sequence[str]], *, defaults: Sequence[str] | None) -> None:
        """Have the accounts of each part compared and repaired by a run of their own.

        `defaults` are `*` and the units whose rows accounts may inherit, looked for where None.
        """

    def send_all_accounts(self) -> None:
        """Have all accounts compared and repaired: a default was edited."""


class StoredParameter(NamedTuple):
    """A parameter's version and value, and when that was written."""

    version: int
    value: str
    written_at: datetime


class Parameters(Protocol):
    """The spoke account's own parameters, by the names of its AWS Budgets."""

    def get(self, budget_name: str) -> StoredParameter | None:
        """The parameter, or None where there is none."""

    def name_of(self, budget_name: str) -> str:
        """The whole name of a budget's parameter."""

    def names(self) -> list[str]:
        """The names of all budgets that have a parameter."""

    def add(self, budget_name: str, value: str) -> None:
        """Write the parameter, unless there is one."""

    def delete(self, budget_name: str) -> None:
        """Delete the parameter, if there is one."""


class Budgets(Protocol):
    """The spoke account's AWS Budgets."""

    def get(self, budget_name: str) -> ActualBudget | None:
        """The budget with its notifications, or None where there is none."""

    def create(self, budget: Budget, topic_arn: str, tags: Mapping[str, str]) -> None:
        """Create the budget, its notifications and its tags in one call."""

    def update_settings(self, budget: Budget, actual: ActualBudget) -> None:
        """Set what a row decides, and keep the budget's other settings."""

    def change_notifications(self, budget: Budget, changes: NotificationChanges) -> None:
        """Carry out the changes, in the order that AWS accepts."""

    def tag(self, budget_name: str, tags: Mapping[str, str]) -> None:
        """Give a budget tags; others of it stay."""

    def tags(self, budget_name: str) -> Mapping[str, str]:
        """The tags of a budget; none where there is no budget."""

    def delete(self, budget_name: str) -> None:
        """Delete the budget, if there is one."""


class Results(Protocol):
    """Reports to the management account."""

    def report(self, results: Sequence[BudgetResult]) -> None:
        """Send the results to the management account."""
