"""In-memory ports of the budgets flow: they keep state and rules, and fail where a test says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.defaults import units_above
from finops.budgets.documents import BudgetDocument, decode_document
from finops.budgets.domain import (
    ActualBudget,
    Budget,
    BudgetChange,
    BudgetKey,
    Delivery,
    Notification,
    NotificationChanges,
    NotificationType,
    Owner,
    Spend,
    Status,
    TimeUnit,
    decimal_text,
    edit_version,
    wanted_subscribers,
)
from finops.budgets.ownership import ADOPTED_TAG
from finops.budgets.ports import (
    BudgetResult,
    BudgetStatus,
    ResultEffect,
    StatusOutline,
    StoredParameter,
)
from finops.budgets.statuses import may_begin
from finops.shared.errors import ConfigurationError, FinOpsError

ACCOUNT = "222222222222"
PAYER = "111111111111"
TOPIC = "arn:aws:sns:us-east-1:222222222222:finops-budget-alerts"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


T = TypeVar("T")


class Crash(BaseException):
    """The process ends here: nothing catches it, as nothing catches SIGKILL."""


class Fallible:
    """Calls go through `_step`, where a test may crash the process or make AWS fail."""

    def __init__(self) -> None:
        self.before: Callable[[str], None] = lambda name: None
        self.after: Callable[[str], None] = lambda name: None
        self.calls: list[str] = []

    def _step(self, name: str, effect: Callable[[], T]) -> T:
        self.calls.append(name)
        self.before(name)
        answer = effect()
        self.after(name)
        return answer


class FakeTable:
    def __init__(self, *rows: dict[str, Any]) -> None:
        self.items = {(row["account_id"], row["budget_name"]): row for row in rows}

    def rows(self, account_id: str | None = None) -> Iterator[Mapping[str, Any]]:
        return (row for key, row in self.items.items() if account_id in (None, key[0]))

    def accounts(self) -> Iterator[str]:
        return (account_id for account_id, _ in self.items)


class FakeStatuses(Fallible):
    def __init__(self) -> None:
        super().__init__()
        self.items: dict[BudgetKey, BudgetStatus] = {}

    def get(self, key: BudgetKey) -> BudgetStatus | None:
        return self._step("get_status", lambda: self.items.get(key))

    def get_many(self, keys: Sequence[BudgetKey]) -> dict[BudgetKey, BudgetStatus]:
        return {key: self.items[key] for key in keys if key in self.items}

    def all(self, account_id: str | None = None) -> Iterator[BudgetStatus]:
        return iter(
            [one for one in self.items.values() if account_id in (None, one.key.account_id)]
        )

    def outlines(self) -> Iterator[StatusOutline]:
        return (
            StatusOutline(one.key.account_id, one.status, one.edited_at, one.unreached_at)
            for one in self.all()
        )

    def note_repairs(self, key: BudgetKey, version: str, repairs: int, now: datetime) -> None:
        standing = self.items.get(key)
        if standing and standing.version == version:
            self.items[key] = replace(standing, repairs=repairs, repaired_at=now)

    def note_standing(self, key: BudgetKey, version: str, amount: str) -> None:
        standing = self.items.get(key)
        if standing and standing.version == version:
            self.items[key] = replace(standing, repairs=0, applied_amount=amount)

    def write_spend(self, key: BudgetKey, spend: Spend, now: datetime) -> None:
        if standing := self.items.get(key):
            self.items[key] = replace(
                standing,
                actual_spend=decimal_text(spend.actual),
                forecasted_spend="" if spend.forecast is None else decimal_text(spend.forecast),
                spend_at=now,
            )

    def begin(self, status: BudgetStatus, *, after: str | None = None) -> bool:
        def effect() -> bool:
            standing = self.items.get(status.key)
            if after is not None and after != (standing.version if standing else ""):
                return False
            if not may_begin(status.version, standing):
                return False
            if standing:
                kept = replace(
                    status,
                    applied_amount=standing.applied_amount,
                    applied_at=standing.applied_at,
                    latency_ms=standing.latency_ms,
                    document=status.document or standing.document,
                    delivery=status.delivery if status.document else standing.delivery,
                    baseline=status.baseline or standing.baseline,
                    actual_spend=standing.actual_spend,
                    forecasted_spend=standing.forecasted_spend,
                    spend_at=standing.spend_at,
                    adopted=standing.adopted,
                    unreached_at=standing.unreached_at,
                    untagged=standing.untagged,
                    published=status.published or standing.published,
                )
            self.items[status.key] = kept if standing else status
            return True

        return bool(self._step("begin", effect))

    def approve(self, key: BudgetKey, content: str, approver: str) -> BudgetStatus | None:
        def effect() -> BudgetStatus | None:
            standing = self.items.get(key)
            waits = standing and standing.status is Status.WAITING
            if not standing or not waits or standing.content != content:
                return None
            self.items[key] = replace(standing, approvals=(*standing.approvals, approver))
            return self.items[key]

        return self._step("approve", effect)

    def mark_failed(
        self,
        key: BudgetKey,
        version: str,
        error: FinOpsError,
        *,
        standing: Status = Status.PENDING,
        published: bool = True,
    ) -> bool:
        def effect() -> bool:
            known = self.items.get(key)
            if not known or known.version != version:
                return False
            failed_so = known.status is Status.FAILED and known.error_code == error.code
            if known.status is not standing and not failed_so:
                return False
            self.items[key] = replace(
                known,
                published=known.published and published,
                status=Status.FAILED,
                error=error.explanation,
                error_code=error.code,
                error_step=error.step,
            )
            return True

        return bool(self._step("mark_failed", effect))

    def note_unreached(self, key: BudgetKey, since: datetime | None) -> None:
        if standing := self.items.get(key):
            self.items[key] = replace(standing, unreached_at=since)

    def mark_unreached(
        self, key: BudgetKey, version: str, error: FinOpsError, since: datetime
    ) -> bool:
        def effect() -> bool:
            standing = self.items.get(key)
            published = (Status.PENDING, Status.APPLIED, Status.FAILED)
            if not standing or standing.version != version or standing.status not in published:
                return False
            self.items[key] = replace(
                standing,
                status=Status.FAILED,
                error=error.explanation,
                error_code=error.code,
                error_step=error.step,
                unreached_at=since,
            )
            return True

        return bool(self._step("mark_unreached", effect))

    def write_result(self, result: BudgetResult) -> ResultEffect:
        before = self.items.get(result.key)

        def effect() -> bool:
            standing = self.items.get(result.key)
            if not standing:
                return False
            same_content = (
                result.effective
                and result.content
                and result.content == standing.content
                and standing.status in (Status.PENDING, Status.FAILED)
                and (standing.wanted_since or result.reported_at) <= result.reported_at
            )
            if standing.version != result.version and not same_content:
                return False
            if standing.delivery is not result.delivery:
                return False
            if result.may_repeat and standing.status is result.status:
                return False
            failed = standing.status is Status.FAILED
            if result.action == "unchanged" and failed and standing.unreached_at:
                return False
            if standing.reported_at and standing.reported_at > result.reported_at:
                return False
            whose = result.effective and result.owner
            self.items[result.key] = replace(
                standing,
                status=result.status,
                action=result.action,
                reported_at=result.reported_at,
                error=result.error.explanation if result.error else "",
                applied_amount=result.amount if result.effective else standing.applied_amount,
                adopted=result.owner is Owner.HAND if whose else standing.adopted,
                untagged=standing.untagged and not whose,
                published=result.status is Status.APPLIED
                if result.effective
                else standing.published,
            )
            return True

        written = bool(self._step("record_result", effect))
        return ResultEffect(written=written, before=before)


class FakeReportCounts:
    def __init__(self) -> None:
        self.counted: Counter[tuple[str, date]] = Counter()

    def count(self, counted: str, day: date, *, at_most: int) -> bool:
        if self.counted[counted, day] >= at_most:
            return False
        self.counted[counted, day] += 1
        return True


class FakeParameters(Fallible):
    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, StoredParameter] = {}
        self.now = NOW

    def put(self, name: str, value: str) -> None:
        standing = self.items.get(name)
        version = standing.version + 1 if standing else 1
        self.items[name] = StoredParameter(version, value, self.now)

    def get(self, budget_name: str) -> StoredParameter | None:
        return self._step("get_parameter", lambda: self.items.get(budget_name))

    def name_of(self, budget_name: str) -> str:
        return f"/finops/budgets/{budget_name}"

    def names(self) -> list[str]:
        return sorted(self.items)

    def add(self, budget_name: str, value: str) -> None:
        if budget_name not in self.items:
            self._step("add_parameter", lambda: self.put(budget_name, value))

    def delete(self, budget_name: str) -> None:
        self._step("delete_parameter", lambda: self.items.pop(budget_name, None))


class FakeSpokes(Fallible):
    def __init__(self, *accounts: str) -> None:
        super().__init__()
        self.parameters = {account: FakeParameters() for account in accounts}
        self.actual: dict[str, FakeBudgets] = {account: FakeBudgets() for account in accounts}

    def put_document(self, document: BudgetDocument) -> None:
        def effect() -> None:
            account_id = self._at(document.key.account_id, document.delivery)
            self._reach(account_id).put(document.aws_name, document.encode())

        self._step("put_document", effect)

    def documents(self, account_id: str, delivery: Delivery = Delivery.SPOKE) -> dict[str, str]:
        prefix = BudgetKey(account_id=account_id, budget_name="").name_in(delivery)

        def effect() -> dict[str, str]:
            parameters = self._reach(self._at(account_id, delivery)).items
            return {
                name.removeprefix(prefix): one.value
                for name, one in parameters.items()
                if name.startswith(prefix) and "/" not in name.removeprefix(prefix)
            }

        return self._step("documents", effect)

    def budgets(self, account_id: str) -> dict[str, ActualBudget]:
        def effect() -> dict[str, ActualBudget]:
            self._reach(account_id)
            found = self.actual[account_id].items
            return {name: one for name, one in found.items() if "/" not in name}

        return self._step("budgets", effect)

    def payer_budgets(self, account_id: str, names: Collection[str]) -> dict[str, ActualBudget]:
        def effect() -> dict[str, ActualBudget]:
            self._reach(PAYER)
            found = self.actual[PAYER].items
            return {name: found[at] for name in names if (at := f"{account_id}/{name}") in found}

        return self._step("payer_budgets", effect)

    @staticmethod
    def _at(account_id: str, delivery: Delivery) -> str:
        return PAYER if delivery is Delivery.PAYER else account_id

    def _reach(self, account_id: str) -> FakeParameters:
        if account_id not in self.parameters:
            raise ConfigurationError(
                "AssumeRole was refused",
                code="AccessDenied",
                step="assume_role",
                remedy="Deploy the spoke",
            )
        return self.parameters[account_id]

    def published(self, account_id: str = ACCOUNT, name: str = "monthly-total") -> BudgetDocument:
        return decode_document(self.parameters[account_id].items[name].value)


class FakeAccountQueue:
    def __init__(self) -> None:
        self.parts: list[list[str]] = []
        self.defaults: list[str] | None = None
        self.all_accounts = 0

    def is_empty(self) -> bool:
        return not self.parts

    def send(self, parts: Iterable[Sequence[str]], *, defaults: Sequence[str] | None) -> None:
        self.parts.extend(map(list, parts))
        self.defaults = None if defaults is None else list(defaults)

    def send_all_accounts(self) -> None:
        self.all_accounts += 1


class FakeOrganization:
    """Members, the unit above each, and a management account that inherits nothing."""

    def __init__(self, *members: str, **units: str) -> None:
        self.members = set(members)
        self.above = dict(units)
        self.error: FinOpsError | None = None
        self.missed: set[str] = set()  # what lists leave out

    def inherits(self, account_id: str) -> bool:
        if self.error:
            raise self.error
        return account_id in self.members

    def parents(self, units: Collection[str]) -> Mapping[str, str]:
        return {child: unit for child, unit in self.above.items() if child not in self.missed}

    def is_below(self, account_id: str, unit: str) -> bool:
        return unit in units_above(account_id, self.above)


class FakeDeadlines:
    def __init__(self) -> None:
        self.scheduled: list[BudgetDocument] = []

    def schedule(self, documents: Iterable[BudgetDocument]) -> None:
        self.scheduled.extend(documents)


class FakeBudgets(Fallible):
    """One account's AWS Budgets. A step is one API call, so that a crash can fall between any."""

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, ActualBudget] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self.now = NOW

    @property
    def adopted(self) -> set[str]:
        return {name for name in self.items if ADOPTED_TAG in self._tags.get(name, {})}

    def tag(self, budget_name: str, tags: Mapping[str, str]) -> None:
        self._step("tag_budget", lambda: self._tags.setdefault(budget_name, {}).update(tags))

    def tags(self, budget_name: str) -> Mapping[str, str]:
        def effect() -> dict[str, str]:
            return dict(self._tags.get(budget_name, {})) if budget_name in self.items else {}

        return self._step("list_tags", effect)

    def get(self, budget_name: str) -> ActualBudget | None:
        return self._step("get_budget", lambda: self.items.get(budget_name))

    def create(
        self, budget: Budget, topic_arn: str, tags: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Make a budget; one without tags is made by hand."""

        def effect() -> None:
            made = self._as_wanted(budget, _notifications(budget, topic_arn))
            self.items[budget.aws_name] = made
            self._tags[budget.aws_name] = dict(tags)

        self._step("create_budget", effect)

    def update_settings(self, budget: Budget, actual: ActualBudget) -> None:
        name = budget.aws_name
        standing = self.items[name].notifications if name in self.items else ()
        _refuse_forecasts_of_a_day(budget.time_unit, standing)
        self._step(
            "update_budget",
            lambda: self.items.__setitem__(
                name, self._as_wanted(budget, self.items[name].notifications)
            ),
        )

    def change_notifications(self, budget: Budget, changes: NotificationChanges) -> None:
        name = budget.aws_name
        for one in changes.delete:
            self._step("delete_notification", partial(self._drop, name, one))
        for one in changes.create:
            self._step("create_notification", partial(self._add, name, one))
        for one, old, new in changes.replace:
            self._step("update_subscriber", partial(self._subscribe, name, one, {new}, {old}))
        for one, subscriber in changes.subscribe:
            self._step(
                "create_subscriber", partial(self._subscribe, name, one, {subscriber}, set())
            )
        for one, subscriber in changes.unsubscribe:
            self._step(
                "delete_subscriber", partial(self._subscribe, name, one, set(), {subscriber})
            )

    def delete(self, budget_name: str) -> None:
        def effect() -> None:
            self.items.pop(budget_name, None)
            self._tags.pop(budget_name, None)

        self._step("delete_budget", effect)

    def _as_wanted(self, budget: Budget, notifications: tuple[Notification, ...]) -> ActualBudget:
        return ActualBudget(
            settings={one.name: getattr(budget, one.name) for one in ATTRIBUTES if one.aws},
            notifications=notifications,
            planned=budget.planned_limits(self.now),
            updated_at=self.now,
        )

    def _drop(self, name: str, one: Notification) -> None:
        standing = self.items[name]
        kept = tuple(each for each in standing.notifications if each != one)
        self.items[name] = replace(standing, notifications=kept)

    def _add(self, name: str, one: Notification) -> None:
        standing = self.items[name]
        _refuse_forecasts_of_a_day(standing.settings.get("time_unit"), [one])
        self.items[name] = replace(standing, notifications=(*standing.notifications, one))

    def _subscribe(
        self,
        name: str,
        one: Notification,
        added: set[tuple[str, str]],
        removed: set[tuple[str, str]],
    ) -> None:
        standing = self.items[name]
        self.items[name] = replace(
            standing,
            notifications=tuple(
                replace(each, subscribers=(each.subscribers | added) - removed)
                if each.threshold == one.threshold
                else each
                for each in standing.notifications
            ),
        )


class FakeResults(Fallible):
    def __init__(self) -> None:
        super().__init__()
        self.reported: list[BudgetResult] = []

    def report(self, results: Sequence[BudgetResult]) -> None:
        self._step("report", lambda: self.reported.extend(results))


def change(
    amount: object = Decimal(100), *, sequence: int = 1, account_id: str = ACCOUNT, **row: object
) -> BudgetChange:
    """An edit that sets the amount; `amount=None` is the removal of the row."""
    key = BudgetKey(account_id=account_id, budget_name=str(row.pop("budget_name", "monthly-total")))
    return BudgetChange(
        key=key,
        version=edit_version(str(sequence)),
        request_id=f"request-{sequence}",
        edited_at=NOW,
        row=None
        if amount is None
        else {
            "account_id": key.account_id,
            "budget_name": key.budget_name,
            "amount": amount,
            **row,
        },
    )


def _refuse_forecasts_of_a_day(time_unit: object, notifications: Iterable[Notification]) -> None:
    """As AWS does: https://github.com/JiRaska/open-bank-oss/pull/226."""
    kinds = [one.threshold.type for one in notifications if one.threshold]
    if time_unit is TimeUnit.DAILY and NotificationType.FORECASTED in kinds:
        raise ConfigurationError(
            "A daily budget cannot have a FORECASTED notification",
            code="InvalidParameterException",
            step="update_budget",
        )


def _notifications(budget: Budget, topic_arn: str) -> tuple[Notification, ...]:
    return tuple(
        Notification(threshold=one, subscribers=wanted_subscribers(budget, topic_arn))
        for one in budget.thresholds or ()
    )
