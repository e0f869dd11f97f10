"""Names of errors that a Fail state may raise.

https://states-language.net/spec.html#errors, which AWS refers to: names that do not belong to the
language "MUST NOT begin with the prefix "States."".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, eventually, unique

WORKFLOW = Path(__file__).parents[3] / "modules/billing/load_large_billing_file.asl.json"

pytestmark = pytest.mark.needs("state_machine_errors")


@pytest.mark.parametrize(
    ("raised", "reported"),
    [("BillingWorkflow.Timeout", "BillingWorkflow.Timeout"), ("States.Timeout", "States.Runtime")],
)
def test_a_fail_state_may_not_raise_a_name_of_the_language(
    management: Account, raised: str, reported: str
) -> None:
    fail = {"Type": "Fail", "Error": "{% $states.input.error %}", "Cause": "c"}
    assert failed(management, {"Fail": fail}, raised) == reported


@pytest.mark.parametrize(
    ("caught", "raised"),
    [
        ("States.DataLimitExceeded", "BillingWorkflow.DataLimitExceeded"),
        ("ChunksMissing", "ChunksMissing"),
        ("Of.States.Own", "Of.States.Own"),
    ],
)
def test_the_billing_workflow_raises_names_of_its_own(
    management: Account, caught: str, raised: str
) -> None:
    text = WORKFLOW.read_text(encoding="utf-8").replace("${retry}", "[]")
    fail = json.loads(text.replace("${maximum_concurrency}", "1"))["States"]["Failed"]
    keep = {"Type": "Pass", "Assign": {"failure": "{% $states.input %}"}, "Next": "Failed"}
    assert failed(management, {"Keep": keep, "Failed": fail}, caught) == raised


def failed(account: Account, steps: dict[str, Any], error: str) -> str:
    """The error with which a state machine of these states ends."""
    states = account.client("stepfunctions")
    machine = states.create_state_machine(
        name=unique("fail"),
        definition=json.dumps(
            {"QueryLanguage": "JSONata", "StartAt": next(iter(steps)), "States": steps}
        ),
        roleArn=account.role(service="states.amazonaws.com"),
    )["stateMachineArn"]
    execution = states.start_execution(
        stateMachineArn=machine, input=json.dumps({"error": error, "cause": "c"})
    )["executionArn"]

    def ended() -> dict[str, Any] | None:
        found = dict(states.describe_execution(executionArn=execution))
        return None if found["status"] == "RUNNING" else found

    found = eventually(ended) or {}
    assert found["status"] == "FAILED"
    return str(found["error"])
