from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from finops.budgets.attributes import settings_in_aws
from finops.budgets.domain import (
    ActualBudget,
    Budget,
    BudgetKey,
    Notification,
    NotificationType,
    Threshold,
    TimeUnit,
    edit_version,
    notification_changes,
    period_start,
    repair_version,
)
from tests.budgets.fakes import ACCOUNT, NOW, TOPIC

KEY = BudgetKey(account_id=ACCOUNT, budget_name="monthly-total")
SNS = ("SNS", TOPIC)
thresholds = st.builds(
    Threshold,
    type=st.sampled_from(NotificationType),
    percent=st.integers(1, 12).map(Decimal),
)
emails = st.sampled_from([f"{name}@example.com" for name in "abcdefghijklmn"])
subscribers = st.builds(
    frozenset.union,
    st.frozensets(emails.map(lambda one: ("EMAIL", one)), max_size=10),
    st.frozensets(st.sampled_from([SNS, ("SNS", f"{TOPIC}-of-a-person")]), max_size=1),
).filter(bool)
notifications = st.builds(Notification, threshold=thresholds | st.none(), subscribers=subscribers)


@given(st.integers(0, 10**21), st.integers(0, 10**21))
def test_versions_order_as_their_sequence_numbers_do(first: int, second: int) -> None:
    assert (edit_version(str(first)) < edit_version(str(second))) == (first < second)


@given(st.integers(0, 10**39), st.integers(1, 50))
def test_a_repair_lies_between_its_edit_and_the_next(sequence: int, repairs: int) -> None:
    version = edit_version(str(sequence))
    for _ in range(repairs):
        assert repair_version(version) > version
        version = repair_version(version)
    assert version < edit_version(str(sequence + 1))


def test_the_first_repair_ever_is_above_what_terraform_seeds() -> None:
    assert "0" < repair_version(None) < edit_version("1")


def test_a_hundred_equals_a_hundred_point_zero() -> None:
    actual = ActualBudget(
        settings=settings_in_aws(
            {
                "BudgetLimit": {"Amount": "100.0", "Unit": "USD"},
                "TimeUnit": "MONTHLY",
                "CostFilters": {"Service": ["b", "a"]},
            }
        )
    )
    wanted = Budget(key=KEY, amount=Decimal("100.00"), cost_filters={"Service": ("a", "b")})
    assert actual.settings_match(wanted, NOW)
    assert not actual.settings_match(Budget(key=KEY, amount=Decimal("100.01")), NOW)


def assert_there_is_room(subscribers: set[tuple[str, str]]) -> None:
    """https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_NotificationWithSubscribers.html."""
    kinds = Counter(kind for kind, _ in subscribers)
    assert kinds["SNS"] <= 1
    assert kinds["EMAIL"] <= 10


@given(
    st.lists(thresholds, unique=True, max_size=10),
    st.lists(emails, unique=True, max_size=10),
    st.lists(notifications, unique_by=lambda one: one.threshold),
)
def test_changes_lead_from_any_alerts_to_the_wanted_ones_and_then_rest(
    wanted_thresholds: list[Threshold], wanted_emails: list[str], actual: list[Notification]
) -> None:
    wanted = Budget(
        key=KEY,
        amount=Decimal(1),
        thresholds=tuple(wanted_thresholds),
        emails=tuple(wanted_emails),
    )
    everyone = {SNS, *(("EMAIL", email) for email in wanted_emails)}
    changes = notification_changes(wanted, actual, TOPIC)
    standing = {one.threshold: set(one.subscribers) for one in actual if one not in changes.delete}
    standing |= {one.threshold: set(one.subscribers) for one in changes.create}
    for one, old, new in changes.replace:
        standing[one.threshold].remove(old)
        standing[one.threshold].add(new)
    for one, subscriber in changes.subscribe:
        standing[one.threshold].add(subscriber)
        assert_there_is_room(standing[one.threshold])
    for one, subscriber in changes.unsubscribe:
        standing[one.threshold].remove(subscriber)
        assert standing[one.threshold], "AWS refuses to remove the last subscriber"
    assert standing == dict.fromkeys(wanted_thresholds, everyone)
    after = [
        Notification(threshold=threshold, subscribers=frozenset(subscribers))
        for threshold, subscribers in standing.items()
    ]
    assert not notification_changes(wanted, after, TOPIC)


def test_addresses_that_differ_in_case_only_are_not_subscribed_again() -> None:
    threshold = Threshold(type=NotificationType.ACTUAL, percent=Decimal(80))
    wanted = Budget(
        key=BudgetKey(account_id="222222222222", budget_name="b"),
        amount=Decimal(1),
        thresholds=(threshold,),
        emails=("Fin@example.com",),
    )
    standing = Notification(
        threshold=threshold, subscribers=frozenset({("SNS", "t"), ("EMAIL", "fin@example.com")})
    )
    assert not notification_changes(wanted, [standing], "t")


def test_a_second_alert_at_the_same_percentage_is_deleted() -> None:
    threshold = Threshold(type=NotificationType.ACTUAL, percent=Decimal(80))
    wanted = Budget(
        key=BudgetKey(account_id="222222222222", budget_name="b"),
        amount=Decimal(1),
        thresholds=(threshold,),
        emails=(),
    )
    first, second = (
        Notification(threshold=threshold, subscribers=frozenset({("SNS", "t")}), raw={"at": at})
        for at in (80.001, 80.0)
    )
    changes = notification_changes(wanted, [first, second], "t")
    assert [one.raw for one in changes.delete] == [{"at": 80.001}]
    assert not changes.create


def test_a_period_starts_with_its_day_month_quarter_or_year() -> None:
    moment = datetime(2026, 11, 20, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert [period_start(unit, moment).isoformat() for unit in TimeUnit] == [
        "2026-11-21T00:00:00+00:00",
        "2026-11-01T00:00:00+00:00",
        "2026-10-01T00:00:00+00:00",
        "2026-01-01T00:00:00+00:00",
    ]
    assert period_start(TimeUnit.QUARTERLY, datetime(2026, 3, 31, tzinfo=UTC)).month == 1
