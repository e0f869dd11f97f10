"""https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeStateMachine.html."""

from __future__ import annotations

import json

import pytest

from tests.localcloud.contract.aws import Account, allow, unique

pytestmark = pytest.mark.needs("state_machine_tracing")


def test_the_tracing_configuration_is_kept_and_changed(management: Account) -> None:
    states = management.client("stepfunctions")
    definition = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    arn = states.create_state_machine(
        name=unique("traced"),
        definition=json.dumps(definition),
        roleArn=management.role(
            allow(["s3:GetObject", "states:StartExecution"]), service="states.amazonaws.com"
        ),
        tracingConfiguration={"enabled": True},
    )["stateMachineArn"]
    try:
        found = states.describe_state_machine(stateMachineArn=arn)
        assert found["tracingConfiguration"] == {"enabled": True}
        states.update_state_machine(stateMachineArn=arn, tracingConfiguration={"enabled": False})
        found = states.describe_state_machine(stateMachineArn=arn)
        assert found["tracingConfiguration"] == {"enabled": False}
    finally:
        states.delete_state_machine(stateMachineArn=arn)
