"""Reconciliation needs each statement of its policies, as budgets do."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from finops.shared.periods import Month
from tests.flows.audit import is_recorded
from tests.flows.billing import BillingFlow
from tests.flows.deployment import Deployment
from tests.flows.privileges import (
    HUB,
    Once,
    deployed,
    failure_is_kept,
    flow_of,
    forget_sessions,
    happens,
    is_needed,
    log_is_written,
    one_a_role,
    policies,
    schedule,
    undelivered_is_kept,
    without,
)
from tests.flows.reconciliation import (
    FUNCTION,
    PAYER_ROLE,
    PAYERS,
    ReconciliationFlow,
    as_parquet,
    focus_export,
    months_ago,
)

pytestmark = [
    pytest.mark.flow,
    pytest.mark.needs("service_permissions", "costs"),
]

Probe = Callable[[ReconciliationFlow], bool]
MONTH = months_ago(6)
EXPORTED = Month.parse("2024-08")
SCHEDULE = f"{FUNCTION}-schedule"


def is_reconciled(flow: ReconciliationFlow) -> bool:
    """Reconciles from cached answers."""
    return "errorMessage" not in flow.run(MONTH)


def is_asked_anew(flow: ReconciliationFlow) -> bool:
    """Reconciles with new role sessions and an empty cache."""
    forget_sessions(flow.deployment, FUNCTION)
    flow.forget("cache/")
    return is_reconciled(flow)


def is_notified(flow: ReconciliationFlow) -> bool:
    with flow.reopened(MONTH):
        return "errorMessage" not in flow.run(MONTH, close=True)


def is_audited(flow: ReconciliationFlow) -> bool:
    """Reconciles, and has an audit entry of its own: identical events are recorded once."""
    month = next(flow_months)
    flow.run(month)
    return happens(
        lambda: is_recorded(flow.deployment, "reconciliation", str(month), "month.reconciled")
    )


def is_read_by_athena(flow: ReconciliationFlow) -> bool:
    """Reconciles an export that Athena sums up anew."""
    flow.forget("cache/athena/")
    forget_sessions(flow.deployment, FUNCTION)
    with TemporaryDirectory() as folder:
        content = as_parquet(focus_export(EXPORTED, "121212121212"), Path(folder))
    flow.deliver(EXPORTED, content)
    return "errorMessage" not in flow.answer(month=str(EXPORTED), source="athena")


flow_months = iter([months_ago(number) for number in (7, 8, 9, 10)])


def schedule_fires(flow: ReconciliationFlow) -> bool:
    running = months_ago(0)
    flow.forget(f"provisional/{running}/")
    with schedule(flow.deployment, FUNCTION, HUB):
        return happens(lambda: flow.keys(f"provisional/{running}/"))


def of_deployment(probe: Callable[[Deployment, str], bool]) -> Probe:
    return lambda flow: probe(flow.deployment, "")


#: (account, role, statement) → what cannot work without it.
NEEDED: dict[tuple[str, str, str], Probe] = {
    (HUB, FUNCTION, "AssumePayerRoles"): is_asked_anew,
    (HUB, FUNCTION, "ReadOwnCosts"): is_asked_anew,
    (HUB, FUNCTION, "ReadConfiguration"): is_reconciled,
    (HUB, FUNCTION, "KeepReports"): is_reconciled,
    (HUB, FUNCTION, "ListReports"): is_reconciled,
    (HUB, FUNCTION, "ReadBudgets"): is_reconciled,
    (HUB, FUNCTION, "ReadInheritedBudgets"): is_reconciled,
    (HUB, FUNCTION, "ReadInvoices"): is_reconciled,
    (HUB, FUNCTION, "ReadLedger"): is_reconciled,
    (HUB, FUNCTION, "ReadDatabaseSecret"): is_reconciled,
    (HUB, FUNCTION, "QueryExports"): is_read_by_athena,
    (HUB, FUNCTION, "ReadTables"): is_read_by_athena,
    (HUB, FUNCTION, "UseQueryBuckets"): is_read_by_athena,
    (HUB, FUNCTION, "ReadExports"): is_read_by_athena,
    (HUB, FUNCTION, "ListExports0"): is_read_by_athena,
    (HUB, FUNCTION, "TellSubscribers"): is_notified,
    (HUB, FUNCTION, "MailReports"): is_notified,
    (HUB, FUNCTION, "RecordAuditEntries"): is_audited,
    (HUB, FUNCTION, "SendFailures"): of_deployment(failure_is_kept(FUNCTION, HUB)),
    (HUB, FUNCTION, "WriteLogs"): of_deployment(log_is_written(FUNCTION, HUB)),
    (HUB, SCHEDULE, "InvokeFunction"): schedule_fires,
    (HUB, SCHEDULE, "SendUndelivered"): of_deployment(undelivered_is_kept(FUNCTION, HUB)),
    **{(payer, PAYER_ROLE, "ReadCosts"): is_asked_anew for payer in PAYERS[1:]},
}


def test_reconciliation_cannot_change_the_ledger(
    reconciliation: ReconciliationFlow, billing: BillingFlow
) -> None:
    """Whoever has taken the function over, and may do what its role may."""
    d = reconciliation.deployment
    ((_, _, document),) = [one for one in policies(d, HUB) if one[0] == FUNCTION]
    iam, name = d.client("iam"), f"taken-over-{uuid.uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": HUB}}
    role = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(document))
    keys = d.client("sts").assume_role(RoleArn=role, RoleSessionName="attacker")["Credentials"]
    attacker = boto3.client(
        "rds-data",
        endpoint_url=d.url,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )

    def run(secret: str, sql: str) -> dict[str, Any]:
        answer: dict[str, Any] = attacker.execute_statement(
            resourceArn=billing.outputs["database_arn"],
            database=billing.outputs["database_name"],
            secretArn=secret,
            sql=sql,
        )
        return answer

    own = reconciliation.outputs["environment"]["DATABASE_SECRET_ARN"]
    assert run(own, "SELECT COUNT(*) FROM billing_files")["records"]
    forged = "UPDATE billing_files SET rows_read = 0"
    with pytest.raises(ClientError, match="command denied"):
        run(own, forged)
    for other in ("database_secret_arn", "loader_secret_arn"):
        with pytest.raises(ClientError, match="AccessDenied"):
            run(billing.outputs[other], forged)


def test_every_statement_that_is_deployed_is_needed_by_something(
    reconciliation: ReconciliationFlow,
) -> None:
    d = reconciliation.deployment
    found = {one for one in deployed(d) if flow_of(one[1]) == "reconciliation"}
    found |= {
        (payer, role, statement["Sid"])
        for payer in PAYERS[1:]
        for role, _, document in policies(d, payer)
        for statement in document["Statement"]
    }
    assert found == set(NEEDED)


@pytest.mark.needs("needed_statements")
@pytest.mark.parametrize(
    ("account_id", "role", "sid"),
    sorted(NEEDED),
    ids=[f"{account}-{role}-{sid}" for account, role, sid in sorted(NEEDED)],
)
def test_no_statement_grants_what_nothing_asks_for(
    reconciliation: ReconciliationFlow, once: Once, account_id: str, role: str, sid: str
) -> None:
    assert once.works(NEEDED[(account_id, role, sid)], reconciliation)
    assert is_needed(reconciliation.deployment, account_id, role, sid)


@pytest.mark.parametrize(("account_id", "role", "sid"), one_a_role(NEEDED))
def test_without_one_statement_something_fails(
    reconciliation: ReconciliationFlow, account_id: str, role: str, sid: str
) -> None:
    works = NEEDED[(account_id, role, sid)]
    with without(reconciliation.deployment, account_id, role, sid):
        assert not works(reconciliation)
    assert works(reconciliation)
