"""The flow has no permission that it does not need, and nobody else has access.

For each statement of each deployed policy, something in the flow makes a request that no other
statement allows. One statement of each role is taken away: what needs it must then fail, and work
again once the statement is back.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.flows.audit import is_recorded
from tests.flows.conftest import FURTHER_SPOKES
from tests.flows.deployment import OTHER_SPOKE, SPOKE, Deployment, eventually, refused
from tests.flows.privileges import (
    HUB,
    Once,
    answers,
    deployed,
    failure_is_kept,
    failures_queue,
    flow_of,
    forget_sessions,
    happens,
    is_needed,
    log_is_written,
    one_a_role,
    schedule,
    undelivered_is_kept,
    without,
)

pytestmark = [
    pytest.mark.flow,
    pytest.mark.needs("service_permissions", "cross_account_bus"),
]


def applied(d: Deployment, name: str) -> None:
    d.edit(SPOKE, 10, name)
    d.await_status(SPOKE, "APPLIED", name)


def edit_is_applied(d: Deployment, name: str) -> bool:
    d.edit(SPOKE, 11, name)
    return happens(
        lambda: d.status(SPOKE, name).get("status") == "APPLIED" and d.amount(SPOKE, name) == 11
    )


def delayed(d: Deployment) -> int:
    found = d.client("sqs").get_queue_attributes(
        QueueUrl=d.outputs["deadline_queue_url"], AttributeNames=["All"]
    )
    return int(found["Attributes"]["ApproximateNumberOfMessagesDelayed"])


def edit_sets_a_deadline(d: Deployment, name: str) -> bool:
    d.client("sqs").purge_queue(QueueUrl=d.outputs["deadline_queue_url"])
    d.edit(SPOKE, 12, name)
    return happens(lambda: delayed(d))


def drift_is_repaired(d: Deployment, name: str) -> bool:
    applied(d, name)
    d.client("budgets", SPOKE).delete_budget(AccountId=SPOKE, BudgetName=name)
    d.client("sqs").purge_queue(QueueUrl=d.outputs["deadline_queue_url"])
    return (
        answers(d, "finops-repair-budget-drift", {"repair": True, "account_id": SPOKE})
        and happens(lambda: d.amount(SPOKE, name) == 10)
        and happens(lambda: delayed(d))
    )


def all_accounts_are_compared(d: Deployment, name: str) -> bool:
    applied(d, name)
    return answers(d, "finops-repair-budget-drift", {"repair": False})


def all_accounts_are_repaired(d: Deployment, name: str) -> bool:
    applied(d, name)
    d.client("budgets", SPOKE).delete_budget(AccountId=SPOKE, BudgetName=name)
    return answers(d, REPAIR, {"all_accounts": True}) and happens(
        lambda: d.amount(SPOKE, name) == 10
    )


def removal_is_published(d: Deployment, name: str) -> bool:
    applied(d, name)
    d.remove(SPOKE, name)
    return happens(lambda: d.status(SPOKE, name)["status"] == "REMOVED")


def default_is_handed_on(d: Deployment, name: str) -> bool:
    d.edit("*", 13, name)
    try:
        return happens(lambda: d.amount(OTHER_SPOKE, name) == 13)
    finally:
        d.remove("*", name)


def spoke_finds_its_drift(d: Deployment, name: str) -> bool:
    applied(d, name)
    d.client("budgets", SPOKE).delete_budget(AccountId=SPOKE, BudgetName=name)
    return answers(d, "finops-apply-budget", {"source": "finops.drift"}, SPOKE) and happens(
        lambda: d.amount(SPOKE, name) == 10
    )


def spoke_is_deployed_again(d: Deployment, name: str) -> bool:
    return answers(d, APPLY, {"tf": {"action": "create"}}, SPOKE)


def payers_spoke_is_deployed_again(d: Deployment, name: str) -> bool:
    return answers(d, APPLY, {"tf": {"action": "create"}})


def payer_has_applied(d: Deployment, name: str, amount: int) -> bool:
    d.edit(LONE, amount, name, delivery="payer")
    return happens(
        lambda: (
            d.status(LONE, name).get("applied_amount") == f"{amount}.00"
            and d.amount(HUB, f"{LONE}/{name}") == amount
        )
    )


def payer_applies(d: Deployment, name: str) -> bool:
    return payer_has_applied(d, name, 11)


def payer_is_repaired(d: Deployment, name: str) -> bool:
    if not payer_has_applied(d, name, 12):
        return False
    d.client("budgets").delete_budget(AccountId=HUB, BudgetName=f"{LONE}/{name}")
    return answers(d, REPAIR, {"repair": True, "account_id": LONE}) and happens(
        lambda: d.amount(HUB, f"{LONE}/{name}") == 12
    )


def payer_finds_its_drift(d: Deployment, name: str) -> bool:
    if not payer_has_applied(d, name, 13):
        return False
    d.client("budgets").delete_budget(AccountId=HUB, BudgetName=f"{LONE}/{name}")
    return answers(d, APPLY, {"source": "finops.drift"}) and happens(
        lambda: d.amount(HUB, f"{LONE}/{name}") == 13
    )


def payers_schedule_fires(d: Deployment, name: str) -> bool:
    if not payer_has_applied(d, name, 14):
        return False
    d.client("budgets").delete_budget(AccountId=HUB, BudgetName=f"{LONE}/{name}")
    with schedule(d, APPLY, HUB):
        return happens(lambda: d.amount(HUB, f"{LONE}/{name}") == 14)


def silence_is_noticed(d: Deployment, name: str) -> bool:
    key = {"account_id": {"S": SPOKE}, "budget_name": {"S": name}}
    pending = {"version": {"S": "1"}, "status": {"S": "PENDING"}}
    d.client("dynamodb").put_item(TableName=d.outputs["status_table"], Item=key | pending)
    d.client("sqs").send_message(
        QueueUrl=d.outputs["deadline_queue_url"],
        MessageBody=json.dumps({"account_id": SPOKE, "budget_name": name, "version": "1"}),
    )
    return happens(lambda: d.status(SPOKE, name)["status"] == "FAILED")


def is_audited(d: Deployment, name: str, action: str) -> bool:
    return happens(lambda: is_recorded(d, "budgets", f"{SPOKE}/{name}", action))


def edit_is_audited(d: Deployment, name: str) -> bool:
    applied(d, name)
    return is_audited(d, name, "budget.published")


def result_is_audited(d: Deployment, name: str) -> bool:
    applied(d, name)
    return is_audited(d, name, "budget.applied")


def silence_is_audited(d: Deployment, name: str) -> bool:
    return silence_is_noticed(d, name) and is_audited(d, name, "budget.failed")


def repair_is_audited(d: Deployment, name: str) -> bool:
    return drift_is_repaired(d, name) and is_audited(d, name, "drift.repaired")


def schedule_fires(function: str, account_id: str) -> Callable[[Deployment, str], bool]:
    def probe(d: Deployment, name: str) -> bool:
        applied(d, name)
        d.client("budgets", SPOKE).delete_budget(AccountId=SPOKE, BudgetName=name)
        with schedule(d, function, account_id):
            return happens(lambda: d.amount(SPOKE, name) == 10)

    return probe


#: An account without a spoke.
LONE = FURTHER_SPOKES[4]
PUBLISH, RECORD = "finops-publish-budget", "finops-record-budget-result"
EXPIRE, REPAIR = "finops-expire-pending-budget", "finops-repair-budget-drift"
APPLY, ROLE = "finops-apply-budget", "finops-budgets-spoke"

#: (account, role, statement) → what cannot work without it.
NEEDED: dict[tuple[str, str, str], Callable[[Deployment, str], bool]] = {
    (HUB, PUBLISH, "AssumeSpokeRoles"): edit_is_applied,
    (HUB, PUBLISH, "HandOnDefaults"): default_is_handed_on,
    (HUB, PUBLISH, "ReadBudgetStream"): edit_is_applied,
    (HUB, PUBLISH, "ReadDefaults"): removal_is_published,
    (HUB, PUBLISH, "SetDeadlines"): edit_sets_a_deadline,
    (HUB, PUBLISH, "WriteBudgetStatus"): edit_is_applied,
    (HUB, RECORD, "WriteBudgetStatus"): edit_is_applied,
    (HUB, EXPIRE, "ConsumeDeadlines"): silence_is_noticed,
    (HUB, EXPIRE, "WriteBudgetStatus"): silence_is_noticed,
    (HUB, REPAIR, "AssumeSpokeRoles"): drift_is_repaired,
    (HUB, REPAIR, "ReadBudgets"): all_accounts_are_compared,
    (HUB, REPAIR, "SetDeadlines"): drift_is_repaired,
    (HUB, REPAIR, "WorkThroughAccounts"): all_accounts_are_repaired,
    (HUB, REPAIR, "WriteBudgetStatus"): drift_is_repaired,
    (HUB, PUBLISH, "RecordAuditEntries"): edit_is_audited,
    (HUB, RECORD, "RecordAuditEntries"): result_is_audited,
    (HUB, EXPIRE, "RecordAuditEntries"): silence_is_audited,
    (HUB, REPAIR, "RecordAuditEntries"): repair_is_audited,
    (HUB, f"{REPAIR}-schedule", "InvokeFunction"): schedule_fires(REPAIR, HUB),
    (HUB, f"{REPAIR}-schedule", "SendUndelivered"): undelivered_is_kept(REPAIR, HUB),
    (HUB, APPLY, "ListBudgetParameters"): payer_finds_its_drift,
    (HUB, APPLY, "ManageBudgets"): payer_applies,
    (HUB, APPLY, "ReadBudgetParameters"): payer_applies,
    (HUB, APPLY, "ReportResults"): payer_applies,
    (HUB, APPLY, "WriteFirstBudget"): payers_spoke_is_deployed_again,
    (HUB, f"{APPLY}-schedule", "InvokeFunction"): payers_schedule_fires,
    (HUB, f"{APPLY}-schedule", "SendUndelivered"): undelivered_is_kept(APPLY, HUB),
    (HUB, ROLE, "ListBudgetParameters"): payer_is_repaired,
    (HUB, ROLE, "ReadBudgets"): payer_is_repaired,
    (HUB, ROLE, "WriteBudgetParameters"): payer_applies,
    (SPOKE, APPLY, "ListBudgetParameters"): spoke_finds_its_drift,
    (SPOKE, APPLY, "ManageBudgets"): edit_is_applied,
    (SPOKE, APPLY, "ReadBudgetParameters"): edit_is_applied,
    (SPOKE, APPLY, "ReportResults"): edit_is_applied,
    (SPOKE, APPLY, "WriteFirstBudget"): spoke_is_deployed_again,
    (SPOKE, f"{APPLY}-schedule", "InvokeFunction"): schedule_fires(APPLY, SPOKE),
    (SPOKE, f"{APPLY}-schedule", "SendUndelivered"): undelivered_is_kept(APPLY, SPOKE),
    (SPOKE, ROLE, "ListBudgetParameters"): drift_is_repaired,
    (SPOKE, ROLE, "ReadBudgets"): drift_is_repaired,
    (SPOKE, ROLE, "WriteBudgetParameters"): edit_is_applied,
    **{
        (account_id, function, "SendFailures"): failure_is_kept(function, account_id)
        for account_id, function in (
            (HUB, PUBLISH),
            (HUB, RECORD),
            (HUB, EXPIRE),
            (HUB, REPAIR),
            (HUB, APPLY),
            (SPOKE, APPLY),
        )
    },
    **{
        (account_id, function, "WriteLogs"): log_is_written(function, account_id)
        for account_id, function in (
            (HUB, PUBLISH),
            (HUB, RECORD),
            (HUB, EXPIRE),
            (HUB, REPAIR),
            (HUB, APPLY),
            (SPOKE, APPLY),
        )
    },
}


@pytest.fixture
def name(deployment: Deployment) -> Iterator[str]:
    """A budget name that no other probe has seen."""
    names = f"privilege-{uuid.uuid4().hex[:8]}"
    yield names
    for suffix in ("", "-again"):
        deployment.remove(SPOKE, names + suffix)
        deployment.remove(LONE, names + suffix)


def test_every_statement_that_is_deployed_is_needed_by_something(deployment: Deployment) -> None:
    assert {one for one in deployed(deployment) if flow_of(one[1]) == "budgets"} == set(NEEDED)


@pytest.mark.needs("needed_statements")
@pytest.mark.parametrize(
    ("account_id", "role", "sid"), sorted(NEEDED), ids=[f"{r}-{s}" for _, r, s in sorted(NEEDED)]
)
def test_no_statement_grants_what_nothing_asks_for(
    deployment: Deployment, once: Once, name: str, account_id: str, role: str, sid: str
) -> None:
    assert once.works(NEEDED[(account_id, role, sid)], deployment, name)
    assert is_needed(deployment, account_id, role, sid)


@pytest.mark.parametrize(("account_id", "role", "sid"), one_a_role(NEEDED))
def test_without_one_statement_something_fails(
    deployment: Deployment, name: str, account_id: str, role: str, sid: str
) -> None:
    works = NEEDED[(account_id, role, sid)]
    with without(deployment, account_id, role, sid):
        assert not works(deployment, name)
    assert works(deployment, f"{name}-again")


def untrusted_role(d: Deployment, account_id: str) -> dict[str, str]:
    """Credentials of a role that may assume any role, but that the spokes do not trust."""
    iam, role = d.client("iam", account_id), f"bystander-{uuid.uuid4().hex[:8]}"
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account_id}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(
        RoleName=role,
        PolicyName="everything",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
            }
        ),
    )
    return credentials(d.client("sts", account_id).assume_role(RoleArn=arn, RoleSessionName="test"))


def credentials(answer: Any) -> dict[str, str]:
    found = answer["Credentials"]
    return {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }


def client_of(d: Deployment, keys: dict[str, str], service: str) -> Any:
    return boto3.client(service, endpoint_url=d.url, region_name="us-east-1", **keys)


def spoke_role(account_id: str = SPOKE) -> str:
    return f"arn:aws:iam::{account_id}:role/finops-budgets-spoke"


@pytest.mark.parametrize("account_id", [OTHER_SPOKE, "999999999999", HUB])
def test_only_the_hub_can_assume_the_spokes_role(deployment: Deployment, account_id: str) -> None:
    sts = client_of(deployment, untrusted_role(deployment, account_id), "sts")
    assert (
        refused(
            lambda: sts.assume_role(
                RoleArn=spoke_role(),
                RoleSessionName="test",
                ExternalId=deployment.outputs["external_id"],
            )
        )
        == "AccessDenied"
    )


@pytest.fixture
def hub(deployment: Deployment) -> Iterator[dict[str, str]]:
    """Credentials of the publisher, which a change of its trust lends to the test."""
    iam = deployment.client("iam")
    trust = iam.get_role(RoleName=PUBLISH)["Role"]["AssumeRolePolicyDocument"]
    open_trust = json.loads(json.dumps(trust))
    open_trust["Statement"][0]["Principal"]["AWS"] = f"arn:aws:iam::{HUB}:root"
    iam.update_assume_role_policy(RoleName=PUBLISH, PolicyDocument=json.dumps(open_trust))
    try:
        yield credentials(
            deployment.client("sts").assume_role(
                RoleArn=f"arn:aws:iam::{HUB}:role/{PUBLISH}", RoleSessionName="test"
            )
        )
    finally:
        iam.update_assume_role_policy(RoleName=PUBLISH, PolicyDocument=json.dumps(trust))


def test_the_hub_needs_the_external_id_and_gets_no_further(
    deployment: Deployment, hub: dict[str, str]
) -> None:
    sts = client_of(deployment, hub, "sts")

    def assume(**given: str) -> Any:
        return sts.assume_role(RoleArn=spoke_role(), RoleSessionName="test", **given)

    assert refused(assume) == "AccessDenied"
    assert refused(lambda: assume(ExternalId="another")) == "AccessDenied"
    keys = credentials(assume(ExternalId=deployment.outputs["external_id"]))
    ssm = client_of(deployment, keys, "ssm")
    for path in ("/finops/other", "/finops/budgets"):
        call = partial(ssm.put_parameter, Name=path, Value="x", Type="String")
        assert "AccessDenied" in refused(call)
    budgets = client_of(deployment, keys, "budgets")
    assert "AccessDenied" in refused(
        lambda: budgets.delete_budget(AccountId=SPOKE, BudgetName="monthly-total")
    )


def test_a_wrong_external_id_fails_the_edit_with_what_to_do(
    deployment: Deployment, name: str
) -> None:
    before = forget_sessions(deployment, PUBLISH, EXTERNAL_ID="another")
    try:
        deployment.edit(SPOKE, 5, name)
        status = deployment.await_status(SPOKE, "FAILED", name)
        assert status["error_step"] == "assume_role"
        assert "external id" in status["error"]
    finally:
        forget_sessions(deployment, PUBLISH, **before)
    deployment.edit(SPOKE, 6, name)
    deployment.await_status(SPOKE, "APPLIED", name)


def entry(d: Deployment, detail: dict[str, Any], **changes: str) -> dict[str, str]:
    return {
        "EventBusName": d.outputs["result_bus_arn"],
        "Source": "finops.budgets",
        "DetailType": "Budget Result",
        "Detail": json.dumps(detail),
    } | changes


def is_taken(d: Deployment, account_id: str, one: dict[str, str]) -> bool:
    events = d.client("events", account_id)
    with suppress(ClientError):
        return bool(events.put_events(Entries=[one])["FailedEntryCount"] == 0)
    return False


def test_the_bus_accepts_results_of_spokes_and_nothing_else(deployment: Deployment) -> None:
    assert is_taken(deployment, SPOKE, entry(deployment, {}))
    assert not is_taken(deployment, SPOKE, entry(deployment, {}, Source="finops.other"))
    assert not is_taken(deployment, SPOKE, entry(deployment, {}, DetailType="Other"))
    assert not is_taken(deployment, "999999999999", entry(deployment, {}))


def test_a_spoke_that_reports_for_another_is_rejected_into_the_failure_queue(
    deployment: Deployment, name: str
) -> None:
    deployment.edit(OTHER_SPOKE, 5, name)
    version = deployment.await_status(OTHER_SPOKE, "APPLIED", name)["version"]
    forged = {
        "account_id": OTHER_SPOKE,
        "budget_name": name,
        "version": version,
        "request_id": "forged",
        "status": "REMOVED",
        "action": "removed",
        "amount": "",
        "reported_at": "2099-01-01T00:00:00.000000+00:00",
        "latency_ms": None,
        "error": None,
    }
    assert is_taken(deployment, SPOKE, entry(deployment, forged))
    queue = failures_queue(deployment, RECORD, HUB)
    eventually(
        lambda: any("forged" in one for one in deployment.messages(queue)), what="the refusal"
    )
    assert deployment.status(OTHER_SPOKE, name)["status"] == "APPLIED"
    deployment.remove(OTHER_SPOKE, name)
