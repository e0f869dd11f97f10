"""One month of a billing account, however it is spelt."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.billing.domain import FileStatus
from finops.billing.period_identity import Period, first_day, identity_of
from tests.billing.use_cases import FOCUS, Flow

AWS = ("123456789012", "2026-03-01 00:00:00", "AWS")
ZEROS = ("012345678901", "2026-03-01 00:00:00", "AWS")
AZURE = (
    "/providers/Microsoft.Billing/billingAccounts/1234567",
    "2026-03-01 00:00:00",
    "Microsoft",
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (AWS, (AWS[0], AWS[1], "Amazon Web Services")),
        (AWS, (AWS[0], AWS[1], "Amazon Web Services, Inc.")),
        (AWS, (AWS[0], AWS[1], "amazon web services EMEA SARL")),
        (AWS, (" 1234-5678-9012", AWS[1], "aws ")),
        (AWS, ("'123456789012", "2026-03-01", "AWS")),
        (AWS, ("123456789012.0", AWS[1], "AWS")),
        (ZEROS, ("12345678901", AWS[1], "AWS")),
        (ZEROS, ("0123-4567-8901", AWS[1], "AWS")),
        (("000", AWS[1], "a"), ("0", AWS[1], "A")),
        (AWS, (AWS[0], "2026-02-28 23:00:00", "AWS")),
        (AWS, (AWS[0], "2026-02-28 10:00:00", "AWS")),
        (AWS, (AWS[0], "2026-03-01 08:00:00", "AWS")),
        (AZURE, (AZURE[0].upper(), AZURE[1], "Microsoft Azure")),
        (AZURE, (AZURE[0], AZURE[1], "Azure")),
        (("01ab-2c", AWS[1], "Google Cloud"), ("01AB-2C", AWS[1], "Google Cloud Platform")),
        (("01AB-2C", AWS[1], "GCP"), ("01AB-2C", AWS[1], "Google")),
        (("7", AWS[1], "Oracle"), ("7", AWS[1], "OCI")),
        (("7", AWS[1], "Datadog, Inc."), ("7", AWS[1], "DATADOG")),
        (("7", AWS[1], "DigitalOcean, LLC"), ("7", AWS[1], "Digital Ocean")),
        (("7", AWS[1], "IBM"), ("7", AWS[1], "IBM Cloud")),
        (("7", AWS[1], "Alibaba Cloud"), ("7", AWS[1], "Alicloud")),
        (("7", AWS[1], "Aliyun Computing Co., Ltd."), ("7", AWS[1], "Ali Cloud")),
        (("7", AWS[1], "OVHcloud"), ("7", AWS[1], "OVH")),
        (("7", AWS[1], "Tencent Cloud"), ("7", AWS[1], "QCloud")),
        (("7", AWS[1], "MongoDB, Inc."), ("7", AWS[1], "MongoDB Atlas")),
        (("7", AWS[1], "Linode"), ("7", AWS[1], "Akamai Connected Cloud")),
        (("7", AWS[1], "AWS"), ("7", AWS[1], "Amazon.com")),
        (AZURE, ("1234567", AZURE[1], "Microsoft")),
        (AZURE, ("billingAccounts/1234567/", AZURE[1], "Microsoft")),
        (("/subscriptions/AB-1", AZURE[1], "Azure"), ("ab-1", AZURE[1], "Azure")),
        (
            ("/providers/Microsoft.Billing/billingAccounts/7/billingProfiles/X1", "", "Azure"),
            ("x1", "", "Microsoft"),
        ),
        (("billingAccounts/01AB-2C", AWS[1], "GCP"), ("01AB-2C", AWS[1], "Google")),
        (("\uff17", AWS[1], ""), ("7", AWS[1], " - ")),
    ],
)
def test_spellings_of_one_period_are_the_same(one: Period, other: Period) -> None:
    assert identity_of(one) == identity_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (AWS, (AWS[0], AWS[1], "Microsoft")),
        (AWS, (AWS[0], "2026-04-01 00:00:00", "AWS")),
        (AWS, (AWS[0], "2026-03-08 00:00:00", "AWS")),
        (AWS, ("1234567890120", AWS[1], "AWS")),
        (("1-23", AWS[1], "a"), ("12-3", AWS[1], "a")),
        (("1.5", AWS[1], "a"), ("15", AWS[1], "a")),
        (("A0123", AWS[1], "a"), ("A123", AWS[1], "a")),
        (("7", AWS[1], "Data Inc"), ("7", AWS[1], "Dog Inc")),
        (("7", AWS[1], "Inc"), ("7", AWS[1], "")),
        (("7", AWS[1], "Cloud"), ("7", AWS[1], "")),
        (("7", AWS[1], "Digital"), ("7", AWS[1], "DigitalOcean")),
        (("7", AWS[1], "Snowflake"), ("7", AWS[1], "Snow Cloud")),
        (("/x/7", AWS[1], "a"), ("7", AWS[1], "a")),
        (AZURE, ("7654321", AZURE[1], "Microsoft")),
    ],
)
def test_other_periods_stay_apart(one: Period, other: Period) -> None:
    assert identity_of(one) != identity_of(other)


@given(
    day=st.dates(date(1970, 1, 2), date(2100, 12, 30)),
    minutes=st.integers(-11 * 60 - 59, 11 * 60 + 59),
)
def test_a_period_begins_on_its_day_whatever_the_zone(day: date, minutes: int) -> None:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    found = first_day(midnight - timedelta(minutes=minutes))
    # A midnight in the far west may also be the beginning of a month in the far east.
    assert found == day or (found.day == 1 and found - day == timedelta(days=1))
    month = midnight.replace(day=1)
    for hours in (-10, -8, 0, 1, 13, 14):
        assert first_day(month - timedelta(hours=hours)) == month.date()


def charge(account: str, begins: str, provider: str, cost: str = "5") -> bytes:
    cells = f"{cost},1,1,1,USD,{begins},2026-04-01,2026-03-05,2026-03-06,{account},EC2,Usage"
    return FOCUS.strip() + f',ProviderName\n{cells},"{provider}"\n'.encode()


@pytest.mark.parametrize(
    ("account", "begins", "provider"),
    [
        ("012345678901", "2026-03-01T00:00:00Z", "Amazon Web Services"),
        ("12345678901", "2026-03-01", "AWS"),
        ("012345678901", "2026-03-01T00:00:00+01:00", "AWS"),
        ("12345678901", "2026-02-28T23:00:00Z", "Amazon Web Services, Inc."),
        ("0123-4567-8901", "2026-03-01T00:00:00-08:00", ""),
    ],
)
def test_a_month_under_another_spelling_counts_once(
    account: str, begins: str, provider: str
) -> None:
    flow = Flow()
    first = charge("012345678901", "2026-03-01T00:00:00Z", "AWS")
    flow.load(flow.objects.put("billing/f/march.csv", first))
    again = flow.objects.put("billing/f/restated.csv", charge(account, begins, provider, "7"))
    refused = flow.load(again)
    assert (refused.status, refused.error_code) == (FileStatus.REJECTED, "period_is_loaded")
    assert "s3://bucket/billing/f/march.csv" in refused.error
    # As a new version of the same object it replaces the earlier one, and loses nothing.
    flow.load(flow.objects.put("billing/f/march.csv", charge(account, begins, provider, "7")))
    held = {
        (row["billed_cost"], row["billing_period_start"], row["billing_period_end"])
        for (load_id, _), row in flow.store.charges.items()
        if flow.store.files[load_id].status is FileStatus.LOADED
    }
    assert held == {("7", "2026-03-01 00:00:00", "2026-04-01 00:00:00")}
