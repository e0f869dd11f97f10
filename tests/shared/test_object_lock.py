"""Locks of originals, against moto's S3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from finops.shared.errors import ConfigurationError
from finops.shared.object_lock import LockedOriginals, locked_originals
from finops.shared.retention import LockMode, Retention, RetentionPeriod

RECEIVED = datetime(2026, 3, 31, 12, tzinfo=UTC)
END = datetime(2037, 1, 1, tzinfo=UTC)
TEN_YEARS = RetentionPeriod(mode=LockMode.GOVERNANCE, years=10)
REFUSED = "Access Denied because object protected by object lock."


@dataclass(frozen=True)
class Version:
    """An original."""

    version_id: str
    bucket: str = "originals"
    key: str = "raw/a/invoice.pdf"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="originals", ObjectLockEnabledForBucket=True)
        yield client


def stored(s3: Any, body: bytes = b"paper") -> Version:
    return Version(s3.put_object(Bucket="originals", Key=Version.key, Body=body)["VersionId"])


def held(s3: Any, original: Version) -> tuple[str | None, datetime | None]:
    found = s3.head_object(Bucket=original.bucket, Key=original.key, VersionId=original.version_id)
    return found.get("ObjectLockMode"), found.get("ObjectLockRetainUntilDate")


def test_an_original_is_kept_for_whole_years_after_its_own(s3: Any) -> None:
    original = stored(s3)
    LockedOriginals(s3, TEN_YEARS).keep(original, RECEIVED)
    assert held(s3, original) == ("GOVERNANCE", END)


def test_the_year_is_that_of_utc() -> None:
    received = datetime.fromisoformat("2027-01-01T00:30:00+01:00")
    assert TEN_YEARS.of(received).until == END


def test_each_version_is_locked_and_not_the_newest_only(s3: Any) -> None:
    first, second = stored(s3, b"first"), stored(s3, b"second")
    for original in (first, second):
        LockedOriginals(s3, TEN_YEARS).keep(original, RECEIVED)
    assert held(s3, first) == held(s3, second) == ("GOVERNANCE", END)


def test_without_a_setting_nothing_is_locked(s3: Any) -> None:
    original = stored(s3)
    locked_originals({}, s3).keep(original, RECEIVED)
    assert held(s3, original) == (None, None)


def test_the_environment_says_how_long(s3: Any) -> None:
    original = stored(s3)
    variables = {"ORIGINALS_LOCK_MODE": "COMPLIANCE", "ORIGINALS_LOCK_YEARS": "1"}
    locked_originals(variables, s3).keep(original, RECEIVED)
    assert held(s3, original) == ("COMPLIANCE", datetime(2028, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion"])
def test_what_is_gone_is_left_to_whoever_reads_it(s3: Any, code: str) -> None:
    with Stubber(s3) as stub:
        stub.add_client_error("put_object_retention", code, http_status_code=404)
        LockedOriginals(s3, TEN_YEARS).keep(Version("v1"), RECEIVED)


def test_a_bucket_without_object_lock_is_an_error_of_the_deployment(s3: Any) -> None:
    with Stubber(s3) as stub:
        stub.add_client_error("put_object_retention", "InvalidRequest", http_status_code=400)
        with pytest.raises(ConfigurationError, match="InvalidRequest"):
            LockedOriginals(s3, TEN_YEARS).keep(Version("v1"), RECEIVED)


def lock_that_is_there(stub: Stubber, mode: str, until: datetime) -> None:
    stub.add_client_error("put_object_retention", "AccessDenied", REFUSED, http_status_code=403)
    answer = {"Retention": {"Mode": mode, "RetainUntilDate": until}}
    stub.add_response("get_object_retention", answer)


@pytest.mark.parametrize("mode", ["COMPLIANCE", "GOVERNANCE"])
def test_a_longer_lock_stays(s3: Any, mode: str) -> None:
    with Stubber(s3) as stub:
        lock_that_is_there(stub, mode, END.replace(year=2040))
        LockedOriginals(s3, TEN_YEARS).keep(Version("v1"), RECEIVED)
        stub.assert_no_pending_responses()


def test_a_shorter_compliance_lock_gets_longer_and_stays_one(s3: Any) -> None:
    with Stubber(s3) as stub:
        lock_that_is_there(stub, "COMPLIANCE", END.replace(year=2030))
        stub.add_response(
            "put_object_retention",
            {},
            {
                "Bucket": "originals",
                "Key": Version.key,
                "VersionId": "v1",
                "Retention": {"Mode": "COMPLIANCE", "RetainUntilDate": END},
            },
        )
        LockedOriginals(s3, TEN_YEARS).keep(Version("v1"), RECEIVED)
        stub.assert_no_pending_responses()


def test_who_may_not_lock_is_told(s3: Any) -> None:
    with Stubber(s3) as stub:
        for call in ("put_object_retention", "get_object_retention"):
            stub.add_client_error(call, "AccessDenied", http_status_code=403)
        with pytest.raises(ConfigurationError, match="PutObjectRetention was refused"):
            LockedOriginals(s3, TEN_YEARS).keep(Version("v1"), RECEIVED)


def test_two_locks_join_to_the_stricter_mode_and_the_later_time() -> None:
    short = Retention(mode=LockMode.COMPLIANCE, until=RECEIVED)
    long = Retention(mode=LockMode.GOVERNANCE, until=END)
    both = Retention(mode=LockMode.COMPLIANCE, until=END)
    assert short.joined(long) == long.joined(short) == both
