"""The adapters against moto where it knows the call, and botocore's Stubber where it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from finops.budgets.adapters.budgets import AwsBudgets, actual_budget
from finops.budgets.adapters.dynamodb import (
    DynamoBudgetTable,
    DynamoReportCounts,
    DynamoStatusTable,
)
from finops.budgets.adapters.eventbridge import EventBridgeResults, decode_result
from finops.budgets.adapters.organizations import ListedAccounts, OrganizationAccounts
from finops.budgets.adapters.spokes import Accounts, AssumedSpokes
from finops.budgets.adapters.sqs import SqsDeadlines
from finops.budgets.adapters.ssm import SsmParameters
from finops.budgets.attributes import COST_TYPES, NO_END
from finops.budgets.documents import document_for
from finops.budgets.domain import (
    BudgetKey,
    NotificationType,
    Owner,
    Spend,
    Status,
    Threshold,
    TimeUnit,
    edit_version,
    notification_changes,
)
from finops.budgets.ports import BudgetResult, BudgetStatus, ResultEffect
from finops.budgets.rows import parse_budget
from finops.shared.aws import AssumedRoles, aws_errors
from finops.shared.errors import ConfigurationError, TransientFailure
from tests.budgets.fakes import ACCOUNT, NOW, PAYER, TOPIC, FakeStatuses, change

KEY = BudgetKey(account_id=ACCOUNT, budget_name="monthly-total")
PREFIX = "/finops/budgets"
ACTUAL_80 = {
    "NotificationType": "ACTUAL",
    "ComparisonOperator": "GREATER_THAN",
    "Threshold": 80.0,
    "ThresholdType": "PERCENTAGE",
}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("dynamodb")
        for table in ("budgets", "status"):
            client.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": "S"}
                    for name in ("account_id", "budget_name")
                ],
                KeySchema=[
                    {"AttributeName": "account_id", "KeyType": "HASH"},
                    {"AttributeName": "budget_name", "KeyType": "RANGE"},
                ],
            )
        yield client


@pytest.fixture
def statuses(dynamodb: Any) -> DynamoStatusTable:
    return DynamoStatusTable(dynamodb, "status")


def opened(sequence: int = 1, **facts: Any) -> BudgetStatus:
    return BudgetStatus(
        key=KEY,
        version=edit_version(str(sequence)),
        status=facts.pop("status", Status.PENDING),
        edited_at=NOW + timedelta(minutes=5),
        **{"wanted_since": NOW} | facts,
    )


def reported(sequence: int = 1, **facts: Any) -> BudgetResult:
    defaults: dict[str, Any] = {
        "request_id": "r",
        "status": Status.APPLIED,
        "action": "updated",
        "amount": "100.00",
        "reported_at": NOW + timedelta(seconds=1),
        "latency_ms": 1000,
    }
    return BudgetResult(key=KEY, version=edit_version(str(sequence)), **(defaults | facts))


def test_a_status_survives_the_table(statuses: DynamoStatusTable) -> None:
    wanted = opened(
        request_id="r",
        document="{}",
        amount="100.00",
        updated_by="ann",
        content="digest",
        repairs=3,
        published=True,
    )
    assert statuses.begin(wanted)
    assert statuses.get(KEY) == wanted
    assert list(statuses.all()) == [wanted]
    assert list(statuses.all(ACCOUNT)) == [wanted]
    assert list(statuses.all("999999999999")) == []


def test_an_older_version_is_not_opened(statuses: DynamoStatusTable) -> None:
    assert statuses.begin(opened(9))
    assert not statuses.begin(opened(8))
    assert statuses.begin(opened(10))


def test_a_version_is_opened_again_until_it_has_ended(statuses: DynamoStatusTable) -> None:
    assert statuses.begin(opened())
    assert statuses.begin(opened())
    assert statuses.mark_failed(KEY, edit_version("1"), TransientFailure("x", code="x"))
    assert statuses.begin(opened())
    assert statuses.write_result(reported()).written
    assert not statuses.begin(opened())


def test_a_version_begins_after_another_only_while_that_is_the_newest(dynamodb: Any) -> None:
    one, two, three = map(edit_version, "123")
    for statuses in (DynamoStatusTable(dynamodb, "status"), FakeStatuses()):
        assert not statuses.begin(opened(1), after=one)
        assert statuses.begin(opened(1), after="")
        assert not statuses.begin(opened(2), after="")
        assert statuses.begin(opened(2), after=one)
        assert not statuses.begin(opened(3), after=one)
        # Begun again: its first answer was lost.
        assert statuses.begin(opened(2), after=two)
        assert statuses.write_result(reported(2)).written
        assert not statuses.begin(opened(2), after=two)
        assert statuses.begin(opened(3), after=two)
        assert not statuses.begin(opened(2), after=three)


def test_only_a_pending_version_fails(statuses: DynamoStatusTable) -> None:
    error = ConfigurationError("gone", code="no_answer", step="apply_budget", remedy="Look")
    statuses.begin(opened(2))
    assert not statuses.mark_failed(KEY, edit_version("1"), error)
    assert statuses.mark_failed(KEY, edit_version("2"), error)
    found = statuses.get(KEY)
    assert found is not None
    assert (found.status, found.error_code) == (Status.FAILED, "no_answer")
    assert found.error == "gone. Look"
    # Whoever was killed before saying so finds it as it left it; another reason comes too late.
    assert statuses.mark_failed(KEY, edit_version("2"), error)
    assert not statuses.mark_failed(KEY, edit_version("2"), TransientFailure("x", code="x"))
    assert statuses.get(KEY) == found


def test_whoever_is_unreachable_fails_also_where_it_was_applied(
    statuses: DynamoStatusTable,
) -> None:
    error = ConfigurationError("refused", code="AccessDenied", step="assume_role", remedy="Deploy")
    at = edit_version("1")
    statuses.begin(opened(content="digest"))
    assert statuses.write_result(reported()).written
    assert not statuses.mark_unreached(KEY, edit_version("2"), error, NOW)
    assert statuses.mark_unreached(KEY, at, error, NOW)
    found = statuses.get(KEY)
    assert found is not None
    assert (found.status, found.error, found.applied_amount, found.content) == (
        Status.FAILED,
        "refused. Deploy",
        "100.00",
        "digest",
    )
    assert statuses.mark_unreached(KEY, at, TransientFailure("x", code="x"), NOW)
    for number, status in enumerate((Status.WAITING, Status.REJECTED, Status.REMOVED), 2):
        assert statuses.begin(opened(number, status=status), after=at)
        at = edit_version(str(number))
        assert not statuses.mark_unreached(KEY, at, error, NOW)


def test_an_account_that_cannot_be_read_is_told_beside_its_status(dynamodb: Any) -> None:
    error = ConfigurationError("refused", code="AccessDenied", step="assume_role")
    nothing_to_do = reported(action="unchanged", reported_at=NOW + timedelta(hours=2))
    for statuses in (DynamoStatusTable(dynamodb, "status"), FakeStatuses()):
        statuses.note_unreached(KEY, NOW)
        assert statuses.get(KEY) is None, "a count of reports is no status"
        statuses.begin(opened(content="digest"))
        assert statuses.write_result(reported()).written
        assert statuses.mark_unreached(KEY, edit_version("1"), error, NOW)
        (found,) = statuses.all()
        assert (found.status, found.unreached_at) == (Status.FAILED, NOW)
        assert not statuses.write_result(nothing_to_do).written
        done = reported(reported_at=NOW + timedelta(hours=3))
        assert statuses.write_result(done).written, "the account has done something"
        assert statuses.mark_unreached(KEY, edit_version("1"), error, NOW)
        statuses.note_unreached(KEY, None)
        later = replace(nothing_to_do, reported_at=NOW + timedelta(hours=4))
        assert statuses.write_result(later).written
        (found,) = statuses.all()
        assert (found.status, found.unreached_at) == (Status.APPLIED, None)


def test_a_version_that_waits_fails_with_what_has_been_approved(dynamodb: Any) -> None:
    refused = ConfigurationError("refused", code="AccessDenied", step="assume_role")
    slow = TransientFailure("slow", code="Throttling", step="read_budgets")
    version = edit_version("1")
    for statuses in (DynamoStatusTable(dynamodb, "status"), FakeStatuses()):
        statuses.begin(opened(1, status=Status.WAITING, content="c"))
        statuses.approve(KEY, "c", "ann")
        assert not statuses.mark_failed(KEY, version, refused)
        assert statuses.mark_failed(KEY, version, refused, standing=Status.WAITING)
        assert not statuses.mark_failed(KEY, version, slow, standing=Status.WAITING)
        assert statuses.mark_failed(KEY, version, slow, standing=Status.FAILED)
        found = statuses.get(KEY)
        assert found is not None
        assert (found.status, found.error_code) == (Status.FAILED, "Throttling")
        assert (found.content, found.approvals) == ("c", ("ann",))


def test_a_spend_stands_beside_a_status_and_outlives_the_next_edit(dynamodb: Any) -> None:
    spend = Spend(actual=Decimal("41.50"), forecast=Decimal(120))
    for statuses in (DynamoStatusTable(dynamodb, "status"), FakeStatuses()):
        statuses.write_spend(KEY, spend, NOW)
        assert statuses.get(KEY) is None
        statuses.begin(opened(1))
        statuses.write_spend(KEY, spend, NOW)
        statuses.begin(opened(2))
        found = statuses.get(KEY)
        assert found is not None
        assert (found.version, found.status) == (edit_version("2"), Status.PENDING)
        assert (found.actual_spend, found.forecasted_spend) == ("41.50", "120")
        assert found.spend_at == NOW


def test_repairs_are_noted_beside_a_version_and_end_with_it(dynamodb: Any) -> None:
    version = edit_version("1")
    for statuses in (DynamoStatusTable(dynamodb, "status"), FakeStatuses()):
        statuses.note_repairs(KEY, version, 2, NOW)
        assert statuses.get(KEY) is None
        statuses.begin(opened(1, status=Status.WAITING))
        statuses.note_repairs(KEY, edit_version("2"), 2, NOW)
        assert statuses.get(KEY) == opened(1, status=Status.WAITING)
        statuses.note_repairs(KEY, version, 2, NOW)
        noted = opened(1, status=Status.WAITING, repairs=2, repaired_at=NOW)
        assert statuses.get(KEY) == noted
        statuses.note_standing(KEY, edit_version("2"), "7.00")
        assert statuses.get(KEY) == noted
        statuses.note_standing(KEY, version, "7.00")
        assert statuses.get(KEY) == replace(noted, repairs=0, applied_amount="7.00")
        statuses.begin(opened(2))
        assert statuses.get(KEY) == opened(2, applied_amount="7.00")


def test_a_report_ends_its_own_version_only(statuses: DynamoStatusTable) -> None:
    assert not statuses.write_result(reported(1)).written
    statuses.begin(opened(2))
    assert not statuses.write_result(reported(1)).written
    assert statuses.write_result(reported(2)).written
    found = statuses.get(KEY)
    assert found is not None
    assert (found.status, found.applied_amount, found.latency_ms) == (
        Status.APPLIED,
        "100.00",
        1000,
    )


def test_a_report_of_the_same_content_ends_another_version_that_is_not_right_yet(
    dynamodb: Any,
) -> None:
    failure = {"status": Status.FAILED, "error": TransientFailure("x", code="x")}
    cases: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
        ({}, {}, True),
        ({"status": Status.FAILED}, {}, True),
        ({}, {"status": Status.REMOVED}, True),
        ({}, {"content": "another"}, False),
        ({}, {"content": ""}, False),
        ({"content": ""}, {"content": ""}, False),
        ({"status": Status.REJECTED}, {}, False),
        ({}, failure, False),
        ({}, {"reported_at": NOW - timedelta(seconds=1)}, False),
    ]
    for standing, report, ends in cases:
        key = {"account_id": {"S": ACCOUNT}, "budget_name": {"S": KEY.budget_name}}
        dynamodb.delete_item(TableName="status", Key=key)
        known = opened(2, **({"content": "digest"} | standing))
        for statuses in (DynamoStatusTable(dynamodb, "status"), FakeStatuses()):
            statuses.begin(known)
            answer = reported(1, **({"content": "digest"} | report))
            assert statuses.write_result(answer).written == ends, (standing, report)
            found = statuses.get(KEY)
            assert found is not None
            assert (found.version, found.status is known.status) == (known.version, not ends)


def test_an_answer_that_is_given_again_keeps_when_it_was_applied(
    statuses: DynamoStatusTable,
) -> None:
    statuses.begin(opened())
    assert statuses.write_result(reported(action="unchanged")).written
    applied = statuses.get(KEY)
    later = NOW + timedelta(minutes=15)
    assert not statuses.write_result(reported(action="unchanged", reported_at=later)).written
    assert statuses.get(KEY) == applied
    assert statuses.write_result(reported(action="updated", reported_at=later)).written


def test_a_result_tells_what_the_status_was_before(dynamodb: Any) -> None:
    for statuses in (DynamoStatusTable(dynamodb, "status"), FakeStatuses()):
        assert statuses.write_result(reported()) == ResultEffect(written=False, before=None)
        statuses.begin(opened(2))
        first = statuses.write_result(reported(2))
        assert (first.written, first.before and first.before.reported_at) == (True, None)
        stale = statuses.write_result(reported(1))
        assert not stale.written
        assert stale.before is not None
        assert (stale.before.status, stale.before.version) == (Status.APPLIED, edit_version("2"))


def test_reports_are_counted_by_account_and_day(dynamodb: Any) -> None:
    reports = DynamoReportCounts(dynamodb, "status")
    day, next_day = NOW.date(), NOW.date() + timedelta(days=1)
    assert [reports.count(ACCOUNT, day, at_most=2) for _ in range(3)] == [True, True, False]
    assert reports.count("999999999999", day, at_most=2)
    assert reports.count(ACCOUNT, next_day, at_most=2)
    # An event that is late does not begin its day again.
    assert not reports.count(ACCOUNT, day, at_most=2)
    assert list(DynamoStatusTable(dynamodb, "status").all()) == []


def test_a_row_whose_account_is_called_reports_has_a_status_of_its_own(dynamodb: Any) -> None:
    reports, statuses = (
        DynamoReportCounts(dynamodb, "status"),
        DynamoStatusTable(dynamodb, "status"),
    )
    key = BudgetKey(account_id="reports", budget_name=ACCOUNT)
    assert reports.count(ACCOUNT, NOW.date(), at_most=2)
    assert statuses.get(key) is None
    assert statuses.get_many([key]) == {}
    assert statuses.begin(replace(opened(status=Status.REJECTED, error="no"), key=key))
    found = statuses.get(key)
    assert found
    assert (found.status, list(statuses.all())) == (Status.REJECTED, [found])
    assert [one.account_id for one in statuses.outlines()] == ["reports"]
    assert reports.count(ACCOUNT, NOW.date(), at_most=2)
    assert not reports.count(ACCOUNT, NOW.date(), at_most=2)


def test_reports_that_arrive_out_of_order_leave_the_last(statuses: DynamoStatusTable) -> None:
    statuses.begin(opened())
    failed = reported(status=Status.FAILED, error=TransientFailure("x", code="x"))
    assert statuses.write_result(reported(reported_at=NOW + timedelta(seconds=2))).written
    assert not statuses.write_result(failed).written
    found = statuses.get(KEY)
    assert found is not None
    assert found.status is Status.APPLIED


def test_the_status_keeps_whether_the_budget_was_there_before_its_row(
    statuses: DynamoStatusTable,
) -> None:
    def after(version: int, action: str, **result: Any) -> bool:
        statuses.begin(opened(version))
        assert statuses.write_result(reported(version, action=action, **result)).written
        found = statuses.get(KEY)
        assert found
        return found.adopted

    assert after(1, "adopted")
    assert after(2, "updated")
    assert after(3, "left", status=Status.REMOVED, amount="")
    assert not after(4, "created")


def test_the_status_keeps_whose_the_budget_is(statuses: DynamoStatusTable) -> None:
    def after(version: int, owner: Owner | None, **result: Any) -> tuple[bool, bool]:
        statuses.begin(opened(version))
        assert statuses.write_result(reported(version, owner=owner, **result)).written
        found = statuses.get(KEY)
        assert found
        return found.adopted, found.untagged

    assert after(1, Owner.HAND, action="adopted") == (True, False)
    assert after(2, None, action="unchanged") == (True, False)
    assert after(3, None, action="created") == (False, True), "by an older spoke, without a tag"
    assert after(4, None, action="updated") == (False, True)
    assert after(5, Owner.FLOW, action="updated") == (False, False)
    assert after(6, Owner.HAND, action="left", status=Status.REMOVED, amount="") == (True, False)


@pytest.mark.parametrize(
    ("untagged", "adopted", "expected"),
    [
        (None, False, True),
        (True, False, True),
        (False, False, False),
        (None, True, False),
    ],
)
def test_the_status_of_an_older_version_says_by_its_document_whether_there_is_a_tag(
    statuses: DynamoStatusTable, untagged: bool | None, *, adopted: bool, expected: bool
) -> None:
    document = replace(document_for(change("1")), untagged=untagged)
    statuses.begin(opened(1, document=document.encode()))
    assert statuses.get(KEY) == opened(1, document=document.encode(), published=True)
    # As an older version wrote it.
    facts = {"applied_amount": "1.00", "adopted": adopted}
    statuses._update(KEY, facts, "attribute_exists(version)", {})
    found = statuses.get(KEY)
    assert found
    assert found.untagged is expected


def test_the_status_keeps_whether_the_account_may_have_a_budget(
    statuses: DynamoStatusTable,
) -> None:
    def published() -> bool:
        found = statuses.get(KEY)
        assert found
        return found.published

    refused = ConfigurationError("no", code="AccessDenied", step="assume_role")
    statuses.begin(opened(1, document="{}", published=True))
    assert statuses.mark_failed(KEY, edit_version("1"), refused, published=False)
    assert not published()
    statuses.begin(opened(2, status=Status.REJECTED))
    assert not published()
    statuses.begin(opened(3, document="{}", published=True))
    assert published()
    assert statuses.mark_failed(KEY, edit_version("3"), refused)
    statuses.begin(opened(4, status=Status.WAITING))
    assert published()
    statuses.begin(opened(5, document="{}"))
    statuses.write_result(reported(5, status=Status.FAILED, error=refused))
    assert published()
    statuses.write_result(reported(5, status=Status.REMOVED, action="removed", amount=""))
    assert not published()


@pytest.mark.parametrize(
    ("status", "row", "expected"),
    [
        (Status.APPLIED, {"amount": "1"}, True),
        (Status.WAITING, {"amount": "1"}, True),
        (Status.PENDING, None, True),
        (Status.FAILED, None, True),
        (Status.REMOVED, None, False),
        (Status.REJECTED, None, False),
    ],
)
def test_the_status_of_an_older_version_says_by_its_document_whether_there_may_be_one(
    statuses: DynamoStatusTable, status: Status, row: dict[str, str] | None, *, expected: bool
) -> None:
    document = document_for(change("1" if row else None)).encode()
    statuses.begin(opened(1, status=status, document=document))
    found = statuses.get(KEY)
    assert found
    assert found.published is expected


def test_a_rejected_edit_keeps_what_was_applied_and_published(statuses: DynamoStatusTable) -> None:
    statuses.begin(opened(1, document="{}"))
    statuses.write_result(reported(1))
    statuses.begin(opened(2, status=Status.REJECTED, error="no", amount="abc"))
    found = statuses.get(KEY)
    assert found is not None
    assert (found.status, found.amount) == (Status.REJECTED, "abc")
    assert (found.applied_amount, found.document) == ("100.00", "{}")


def test_reads_all_rows_over_pages(dynamodb: Any) -> None:
    for number in range(30):
        dynamodb.put_item(
            TableName="budgets",
            Item={
                "account_id": {"S": f"{number:012d}"},
                "budget_name": {"S": "monthly-total"},
                "amount": {"N": "100.5"},
                "comment": {"S": "x" * 60_000},
            },
        )
    rows = list(DynamoBudgetTable(dynamodb, "budgets").rows())
    assert {row["account_id"] for row in rows} == {f"{number:012d}" for number in range(30)}
    assert rows[0]["amount"] == Decimal("100.5")


def test_many_statuses_are_read_by_their_keys(statuses: DynamoStatusTable) -> None:
    keys = [replace(KEY, budget_name=f"b{number:03d}") for number in range(130)]
    for key in keys[::60]:
        statuses.begin(replace(opened(), key=key))
    assert sorted(statuses.get_many(keys)) == keys[::60]
    assert statuses.get_many([]) == {}


def test_parameters_are_read_listed_and_deleted() -> None:
    with mock_aws():
        client = boto3.client("ssm")
        parameters = SsmParameters(client, PREFIX)
        assert parameters.get("monthly-total") is None
        parameters.delete("monthly-total")
        for number in range(12):
            client.put_parameter(Name=f"{PREFIX}/b{number:02d}", Value="x", Type="String")
        client.put_parameter(Name=f"{PREFIX}/b00", Value="y", Type="String", Overwrite=True)
        stored = parameters.get("b00")
        assert stored is not None
        assert (stored.version, stored.value) == (2, "y")
        assert stored.written_at.tzinfo
        assert parameters.names() == [f"b{number:02d}" for number in range(12)]
        assert parameters.name_of("b00") == f"{PREFIX}/b00"
        parameters.delete("b00")
        assert parameters.get("b00") is None


def test_documents_reach_the_spoke_through_one_role_session_an_account() -> None:
    with mock_aws():
        calls: list[str] = []
        roles = AssumedRoles(
            role_arn=lambda account_id: f"arn:aws:iam::{account_id}:role/spoke",
            external_id="finops",
            session_name="test",
        )
        roles._sts.meta.events.register(
            "provide-client-params.sts.AssumeRole",
            lambda params, **_: calls.append(params["RoleArn"] + params["ExternalId"]),
        )
        spokes = AssumedSpokes(
            roles,
            accounts=ListedAccounts([]),
            prefix=PREFIX,
            role_name="spoke",
            payer_account_id=PAYER,
        )
        for account_id in (ACCOUNT, "333333333333"):
            for sequence in (1, 2):
                spokes.put_document(
                    document_for(change(5, sequence=sequence, account_id=account_id))
                )
            assert list(spokes.documents(account_id)) == ["monthly-total"]
            assert json.loads(spokes.documents(account_id)["monthly-total"])[
                "version"
            ] == edit_version("2")
        assert calls == [
            f"arn:aws:iam::{account}:role/spokefinops" for account in (ACCOUNT, "333333333333")
        ]


def test_one_client_reads_many_accounts_at_once_each_with_its_own_session() -> None:
    with mock_aws():
        roles = AssumedRoles(
            role_arn="arn:aws:iam::{}:role/spoke".format,
            external_id="finops",
            session_name="test",
            retries={"mode": "adaptive", "total_max_attempts": 6},
        )
        spokes = AssumedSpokes(
            roles,
            accounts=ListedAccounts([]),
            prefix=PREFIX,
            role_name="spoke",
            payer_account_id=PAYER,
        )
        accounts = [f"{number:012d}" for number in range(1, 4)]
        for account_id in accounts:
            spokes.put_document(document_for(change(5, account_id=account_id)))

        def read(account_id: str) -> set[str]:
            with roles.shared("ssm", account_id) as client:
                assert client is roles._shared["ssm"]
                # One account's throttling is not to slow down the others.
                assert client.meta.config.retries["mode"] == "standard"
            return {json.loads(one)["account_id"] for one in spokes.documents(account_id).values()}

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(read, accounts * 5)) == [{one} for one in accounts] * 5


def test_only_the_sessions_used_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finops.shared.aws._KEPT_SESSIONS", 2)
    with mock_aws():
        roles = AssumedRoles(
            role_arn="arn:aws:iam::{}:role/spoke".format, external_id="finops", session_name="test"
        )
        for account_id in ("000000000001", "000000000002", "000000000001", "000000000003"):
            with roles.shared("sqs", account_id) as client:
                assert client.list_queues()
            roles.client("sqs", account_id)
        assert list(roles._credentials) == ["000000000001", "000000000003"]
        assert set(roles._locks) == set(roles._credentials)


def test_only_the_clients_used_last_are_kept_and_no_role_is_assumed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("finops.shared.aws._KEPT_CLIENTS", 2)
    with mock_aws():
        calls: list[str] = []
        roles = AssumedRoles(
            role_arn="arn:aws:iam::{}:role/spoke".format,
            external_id="finops",
            session_name="test",
        )
        roles._sts.meta.events.register(
            "provide-client-params.sts.AssumeRole",
            lambda params, **_: calls.append(params["RoleArn"]),
        )
        accounts = [f"{number:012d}" for number in range(1, 5)]
        for account_id in accounts * 2:
            client = roles.client("sqs", account_id)
            assert client.list_queues()
            assert roles.client("sqs", account_id) is client
        assert len(roles._clients) == 2
        assert len(calls) == len(accounts)


def test_an_unknown_account_is_told_apart_from_one_without_a_spoke() -> None:
    sts, organizations = boto3.client("sts"), boto3.client("organizations")
    roles = AssumedRoles(
        role_arn="arn:aws:iam::{}:role/spoke".format,
        external_id="finops",
        session_name="test",
        sts=sts,
    )
    listed = ListedAccounts([ACCOUNT])
    asked = OrganizationAccounts(lambda: organizations)
    member = {"Account": {"Id": ACCOUNT, "State": "ACTIVE"}}

    def fails(accounts: Accounts, account_id: str) -> tuple[str, str, str]:
        spokes = AssumedSpokes(
            roles, accounts=accounts, prefix=PREFIX, role_name="spoke", payer_account_id=PAYER
        )
        document = document_for(change(5, account_id=account_id))
        with Stubber(sts) as refusal:
            refusal.add_client_error("assume_role", "AccessDenied")
            with pytest.raises(ConfigurationError) as failed:
                spokes.put_document(document)
        return failed.value.code, failed.value.step, failed.value.explanation

    assert fails(listed, ACCOUNT)[:2] == ("AccessDenied", "assume_role")
    unknown = fails(listed, "333333333333")
    assert unknown[:2] == ("unknown_account", "assume_role")
    assert "333333333333 is not among the module's spoke_account_ids" in unknown[2]
    with Stubber(organizations) as stub:
        stub.add_response("describe_account", member, {"AccountId": ACCOUNT})
        for _ in range(2):  # asked once
            assert "Deploy modules/budgets_spoke" in fails(asked, ACCOUNT)[2]
        stub.add_client_error("describe_account", "AccountNotFoundException")
        assert "is not in the organization" in fails(asked, "333333333333")[2]
        for told in ("State", "Status"):  # the second one of before September 9, 2026
            closing = {"Account": {"Id": "333333333333", told: "PENDING_CLOSURE"}}
            stub.add_response("describe_account", closing)
            assert "is pending closure" in fails(asked, "333333333333")[2]
        # What an older botocore leaves of an answer.
        stub.add_response("describe_account", {"Account": {"Id": "444444444444"}})
        assert "Deploy modules/budgets_spoke" in fails(asked, "444444444444")[2]
        for code in ("AccessDeniedException", "TooManyRequestsException"):
            stub.add_client_error("describe_account", code)
            assert fails(asked, "333333333333")[0] == "AccessDenied"


def test_deadlines_are_sent_in_batches_of_ten_and_grow_with_what_waits_before_them() -> None:
    with mock_aws():
        client = boto3.client("sqs")
        url = client.create_queue(QueueName="deadlines")["QueueUrl"]
        sent: list[dict[str, Any]] = []
        client.meta.events.register(
            "provide-client-params.sqs.SendMessageBatch",
            lambda params, **_: sent.extend(params["Entries"]),
        )
        SqsDeadlines(client, url, clock=lambda: 7.0).schedule(
            document_for(change(5, sequence=number)) for number in range(23)
        )
        assert [json.loads(one["MessageBody"])["version"] for one in sent] == [
            edit_version(str(number)) for number in range(23)
        ]
        assert [one["DelaySeconds"] for one in sent] == [40 + number // 2 for number in range(23)]


@pytest.fixture
def budgets() -> Iterator[tuple[AwsBudgets, Stubber]]:
    client = boto3.client("budgets")
    with Stubber(client) as stub:
        yield AwsBudgets(client, ACCOUNT), stub
        stub.assert_no_pending_responses()


def test_reads_a_budget_with_its_alerts(budgets: tuple[AwsBudgets, Stubber]) -> None:
    adapter, stub = budgets
    by_hand = ACTUAL_80 | {"ThresholdType": "ABSOLUTE_VALUE", "Threshold": 500.0}
    stub.add_response(
        "describe_budget",
        {
            "Budget": {
                "BudgetName": "monthly-total",
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": "100.0", "Unit": "USD"},
                "CostFilters": {"Service": ["Amazon S3"]},
            }
        },
    )
    stub.add_response(
        "describe_notifications_for_budget",
        {"Notifications": [ACTUAL_80 | {"NotificationState": "ALARM"}, by_hand]},
    )
    for notification in (ACTUAL_80, by_hand):
        stub.add_response(
            "describe_subscribers_for_notification",
            {"Subscribers": [{"SubscriptionType": "SNS", "Address": TOPIC}]},
            {"AccountId": ACCOUNT, "BudgetName": "monthly-total", "Notification": notification},
        )
    found = adapter.get("monthly-total")
    assert found is not None
    assert found.amount == 100
    assert found.settings["cost_filters"] == {"Service": ("Amazon S3",)}
    known, unknown = found.notifications
    assert known.threshold == Threshold(type=NotificationType.ACTUAL, percent=Decimal(80))
    assert known.subscribers == {("SNS", TOPIC)}
    assert unknown.threshold is None


def test_a_budget_that_is_not_there_is_none(budgets: tuple[AwsBudgets, Stubber]) -> None:
    adapter, stub = budgets
    stub.add_client_error("describe_budget", "NotFoundException")
    assert adapter.get("monthly-total") is None
    stub.add_client_error("delete_budget", "NotFoundException")
    adapter.delete("monthly-total")


def test_a_budget_has_tags(
    budgets: tuple[AwsBudgets, Stubber],
) -> None:
    """https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_TagResource.html"""
    adapter, stub = budgets
    where = {"ResourceARN": f"arn:aws:budgets::{ACCOUNT}:budget/team"}
    tags = [{"Key": "finops:adopted", "Value": "true"}]
    other = [{"Key": "team", "Value": "x"}]
    stub.add_response("tag_resource", {}, {**where, "ResourceTags": tags})
    adapter.tag("team", {"finops:adopted": "true"})
    for found, expected in (
        ({"ResourceTags": [*other, *tags]}, {"team": "x", "finops:adopted": "true"}),
        ({}, {}),
    ):
        stub.add_response("list_tags_for_resource", found, where)
        assert adapter.tags("team") == expected
    stub.add_client_error("list_tags_for_resource", "NotFoundException")
    assert adapter.tags("team") == {}
    stub.add_client_error("tag_resource", "NotFoundException")
    with pytest.raises(TransientFailure):
        adapter.tag("team", {"finops:adopted": "true"})


def test_creates_a_budget_and_its_alerts_in_one_call(budgets: tuple[AwsBudgets, Stubber]) -> None:
    adapter, stub = budgets
    wanted = parse_budget(
        change(
            1000,
            time_unit="QUARTERLY",
            cost_types="amortized, no credits",
            thresholds=["ACTUAL:80"],
            emails=["a@example.com"],
            cost_filters={"Region": "eu-west-1"},
        ).row
        or {}
    )
    stub.add_response(
        "create_budget",
        {},
        {
            "AccountId": ACCOUNT,
            "Budget": {
                "BudgetName": "monthly-total",
                "BudgetType": "COST",
                "BudgetLimit": {"Amount": "1000.00", "Unit": "USD"},
                "TimeUnit": "QUARTERLY",
                "CostTypes": {**COST_TYPES, "UseAmortized": True, "IncludeCredit": False},
                "CostFilters": {"Region": ["eu-west-1"]},
            },
            "NotificationsWithSubscribers": [
                {
                    "Notification": ACTUAL_80,
                    "Subscribers": [
                        {"SubscriptionType": "EMAIL", "Address": "a@example.com"},
                        {"SubscriptionType": "SNS", "Address": TOPIC},
                    ],
                }
            ],
            "ResourceTags": [{"Key": "finops:parameter", "Value": f"{PREFIX}/monthly-total"}],
        },
    )
    tags = {"finops:parameter": f"{PREFIX}/monthly-total"}
    adapter.create(wanted, TOPIC, tags)
    stub.add_client_error("create_budget", "DuplicateRecordException")
    with pytest.raises(TransientFailure, match="DuplicateRecordException"):
        adapter.create(wanted, TOPIC, tags)


def described(**settings: Any) -> dict[str, Any]:
    """A budget as AWS describes it, of 100 USD a month."""
    return {
        "BudgetName": "monthly-total",
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "100.0", "Unit": "USD"},
        "CostFilters": {},
        "CostTypes": dict(COST_TYPES),
        "TimePeriod": {"Start": NOW, "End": NO_END},
        "CalculatedSpend": {"ActualSpend": {"Amount": "7", "Unit": "USD"}},
        **settings,
    }


def test_an_update_sends_back_what_it_does_not_change(budgets: tuple[AwsBudgets, Stubber]) -> None:
    adapter, stub = budgets
    view = "arn:aws:billing::222222222222:billingview/primary"
    where = {"AccountId": ACCOUNT, "BudgetName": "monthly-total"}
    stub.add_response(
        "describe_budget",
        {
            "Budget": described(
                BudgetType="USAGE", BillingViewArn=view, TimePeriod={"Start": NOW, "End": NOW}
            )
        },
        {**where, "ShowFilterExpression": True},
    )
    stub.add_response("describe_notifications_for_budget", {"Notifications": []}, where)
    actual = adapter.get("monthly-total")
    assert actual is not None
    sent = described(BillingViewArn=view, BudgetLimit={"Amount": "250.00", "Unit": "USD"})
    del sent["CalculatedSpend"]
    stub.add_response("update_budget", {}, {"AccountId": ACCOUNT, "NewBudget": sent})
    wanted = parse_budget(change(250).row or {})
    adapter.update_settings(wanted, actual)
    quarterly = {**sent, "TimeUnit": "QUARTERLY"}
    del quarterly["TimePeriod"]
    stub.add_response("update_budget", {}, {"AccountId": ACCOUNT, "NewBudget": quarterly})
    adapter.update_settings(replace(wanted, time_unit=TimeUnit.QUARTERLY), actual)


def test_an_update_ends_a_start_to_come_and_a_view_of_other_costs(
    budgets: tuple[AwsBudgets, Stubber],
) -> None:
    adapter, stub = budgets
    actual = actual_budget(
        described(
            BillingViewArn="arn:aws:billing::999999999999:billingview/custom-d3f9c7e4",
            TimePeriod={"Start": NOW + timedelta(days=1), "End": NO_END},
            LastUpdatedTime=NOW,
        ),
        (),
    )
    sent = described(BillingViewArn=f"{VIEWS}/primary")
    sent["BudgetLimit"]["Amount"] = "100.00"
    del sent["CalculatedSpend"]
    sent["TimePeriod"] = {"Start": datetime(2026, 11, 1, tzinfo=UTC), "End": NO_END}
    stub.add_response("update_budget", {}, {"AccountId": ACCOUNT, "NewBudget": sent})
    adapter.update_settings(parse_budget(change(100).row or {}), actual)


VIEWS = "arn:aws:billing::222222222222:billingview"
FILTER = {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Credit", "Refund"]}}}


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, ()),
        ({"BudgetType": "USAGE"}, ("BudgetType",)),
        ({"CostTypes": None}, ()),
        ({"FilterExpression": FILTER, "Metrics": ["UnblendedCost"]}, ()),
        (
            {"CostTypes": None, "FilterExpression": FILTER, "Metrics": ["UnblendedCost"]},
            ("FilterExpression", "Metrics"),
        ),
        ({"CostTypes": None, "Metrics": ["NetUnblendedCost"]}, ("Metrics",)),
        ({"TimePeriod": {"Start": NOW, "End": NOW + timedelta(days=30)}}, ("TimePeriod",)),
        (
            {
                "TimePeriod": {"Start": NOW + timedelta(days=1), "End": NO_END},
                "LastUpdatedTime": NOW,
            },
            ("TimePeriod",),
        ),
        ({"LastUpdatedTime": NOW + timedelta(days=1)}, ()),
        ({"BillingViewArn": f"{VIEWS}/primary"}, ()),
        ({"BillingViewArn": f"{VIEWS}/custom-d3f9c7e4"}, ("BillingViewArn",)),
        ({"AutoAdjustData": {"AutoAdjustType": "FORECAST"}}, ("AutoAdjustData",)),
    ],
)
def test_what_no_row_can_ask_for_is_drift(changed: dict[str, Any], found: tuple[str, ...]) -> None:
    answer = {name: value for name, value in described(**changed).items() if value is not None}
    actual = actual_budget(answer, ())
    assert actual.beyond_rows == found
    assert actual.settings_match(parse_budget(change(100).row or {}), NOW) == (not found)


@pytest.mark.parametrize(
    ("typed", "changed", "matches"),
    [
        ("", {}, True),
        ("", {"UseAmortized": True, "IncludeCredit": False}, False),
        ("", {"IncludeTax": False}, False),
        ("amortized, no credits", {"UseAmortized": True, "IncludeCredit": False}, True),
        ("amortized", {}, False),
        ("blended", {"UseBlended": True, "UseAmortized": True}, False),
    ],
)
def test_cost_types_that_the_row_does_not_ask_for_are_drift(
    typed: str, changed: dict[str, bool], matches: bool
) -> None:
    actual = actual_budget(described(CostTypes={**COST_TYPES, **changed}), ())
    wanted = parse_budget(change(100, cost_types=typed).row or {})
    assert actual.settings_match(wanted, NOW) == matches


def test_the_hub_asks_for_filter_expressions(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("budgets")
    roles = AssumedRoles(role_arn=str, external_id="x", session_name="test")
    monkeypatch.setattr(roles, "shared", lambda *_: nullcontext(client))
    with Stubber(client) as stub:
        stub.add_response(
            "describe_budgets",
            {"Budgets": [described()]},
            {"AccountId": ACCOUNT, "ShowFilterExpression": True},
        )
        found = AssumedSpokes(
            roles,
            accounts=ListedAccounts([]),
            prefix=PREFIX,
            role_name="spoke",
            payer_account_id=PAYER,
        ).budgets(ACCOUNT)
    assert found["monthly-total"].amount == 100


def test_alerts_that_are_not_found_do_not_make_a_budget_missing(
    budgets: tuple[AwsBudgets, Stubber],
) -> None:
    adapter, stub = budgets
    stub.add_response("describe_budget", {"Budget": described()})
    stub.add_client_error("describe_notifications_for_budget", "NotFoundException")
    found = adapter.get("monthly-total")
    assert found is not None
    assert found.notifications == ()
    stub.add_response("describe_budget", {"Budget": described()})
    stub.add_response("describe_notifications_for_budget", {"Notifications": [ACTUAL_80]})
    stub.add_client_error("describe_subscribers_for_notification", "NotFoundException")
    found = adapter.get("monthly-total")
    assert found is not None
    assert [one.subscribers for one in found.notifications] == [frozenset()]


def test_an_account_without_budgets_yet_is_told_what_to_do(
    budgets: tuple[AwsBudgets, Stubber],
) -> None:
    adapter, stub = budgets
    stub.add_client_error(
        "create_budget", "AccessDeniedException", f"Account {ACCOUNT} is a linked account."
    )
    with pytest.raises(ConfigurationError, match="up to 24 hours"):
        adapter.create(parse_budget(change(1).row or {}), TOPIC, {})


def test_an_alert_has_room_for_what_replaces_its_subscribers(
    budgets: tuple[AwsBudgets, Stubber],
) -> None:
    adapter, stub = budgets
    stub.add_response(
        "describe_budget",
        {"Budget": {"BudgetName": "monthly-total", "BudgetType": "COST", "TimeUnit": "MONTHLY"}},
    )
    old = ACTUAL_80 | {"Threshold": 50.0}
    stub.add_response("describe_notifications_for_budget", {"Notifications": [ACTUAL_80, old]})
    old_mail = {"SubscriptionType": "EMAIL", "Address": "old@example.com"}
    for _ in range(2):
        stub.add_response("describe_subscribers_for_notification", {"Subscribers": [old_mail]})
    actual = adapter.get("monthly-total")
    assert actual is not None
    wanted = parse_budget(
        change(5, thresholds=["ACTUAL:80", "ACTUAL:90"], emails=["new@example.com"]).row or {}
    )
    new_mail = {"SubscriptionType": "EMAIL", "Address": "new@example.com"}
    topic = {"SubscriptionType": "SNS", "Address": TOPIC}
    where = {"AccountId": ACCOUNT, "BudgetName": "monthly-total"}
    stub.add_response("delete_notification", {}, {**where, "Notification": old})
    stub.add_response(
        "create_notification",
        {},
        {
            **where,
            "Notification": ACTUAL_80 | {"Threshold": 90.0},
            "Subscribers": [new_mail, topic],
        },
    )
    at_80 = {**where, "Notification": ACTUAL_80}
    stub.add_response(
        "update_subscriber", {}, {**at_80, "OldSubscriber": old_mail, "NewSubscriber": new_mail}
    )
    stub.add_response("create_subscriber", {}, {**at_80, "Subscriber": topic})
    changes = notification_changes(wanted, actual.notifications, TOPIC)
    adapter.change_notifications(wanted, changes)


def test_a_result_survives_the_bus_and_a_refused_entry_is_raised() -> None:
    client = boto3.client("events")
    result = reported(
        status=Status.FAILED,
        error=ConfigurationError("no", code="AccessDenied", step="update_budget", remedy="Allow"),
    )
    with Stubber(client) as stub:
        sent: list[dict[str, Any]] = []
        client.meta.events.register(
            "provide-client-params.events.PutEvents",
            lambda params, **_: sent.extend(params["Entries"]),
        )
        results = EventBridgeResults(client, "arn:aws:events:us-east-1:111111111111:event-bus/b")
        stub.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]})
        results.report([result])
        read = decode_result(json.loads(sent[0]["Detail"]))
        assert (sent[0]["Source"], sent[0]["DetailType"]) == ("finops.budgets", "Budget Result")
        assert str(read.error) == str(result.error)
        assert replace(read, error=None) == replace(result, error=None)
        stub.add_response(
            "put_events",
            {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]},
        )
        with pytest.raises(TransientFailure, match="ThrottlingException"):
            results.report([result])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", TransientFailure),
        ("TooManyUpdates", TransientFailure),
        ("InternalServerError", TransientFailure),
        ("ExpiredTokenException", TransientFailure),
        ("AccessDeniedException", ConfigurationError),
        ("ValidationException", ConfigurationError),
    ],
)
def test_aws_errors_become_ours_by_what_to_do_next(code: str, kind: type[Exception]) -> None:
    client = boto3.client("ssm")
    with Stubber(client) as stub:
        stub.add_client_error("get_parameter", code, "because")
        with (
            pytest.raises(kind, match=f"GetParameter was refused: {code}: because"),
            aws_errors("read_parameter", remedy="Allow it"),
        ):
            client.get_parameter(Name="/x")
