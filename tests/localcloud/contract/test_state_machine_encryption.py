"""https://docs.aws.amazon.com/step-functions/latest/apireference/API_EncryptionConfiguration.html."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.contract.aws import Account, allow, unique

OWNED = {"type": "AWS_OWNED_KEY"}


def test_a_machines_key_is_kept_and_changed(management: Account) -> None:
    states = management.client("stepfunctions")
    key = management.client("kms").create_key()["KeyMetadata"]["Arn"]
    role = management.role(allow(["states:StartExecution"]), service="states.amazonaws.com")
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    given = {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": key}
    arn = states.create_state_machine(
        name=unique("encrypted"),
        definition=definition,
        roleArn=role,
        encryptionConfiguration=given,
    )["stateMachineArn"]
    try:
        found = states.describe_state_machine(stateMachineArn=arn)["encryptionConfiguration"]
        assert found == {**given, "kmsDataKeyReusePeriodSeconds": 300}
        started = states.start_execution(stateMachineArn=arn)
        assert started["executionArn"]
        with pytest.raises(ClientError, match="definition must be specified"):
            states.update_state_machine(stateMachineArn=arn, encryptionConfiguration=OWNED)
        states.update_state_machine(
            stateMachineArn=arn, definition=definition, encryptionConfiguration=OWNED
        )
        found = states.describe_state_machine(stateMachineArn=arn)["encryptionConfiguration"]
        assert found == OWNED
    finally:
        states.delete_state_machine(stateMachineArn=arn)


def test_a_customers_key_must_be_named(management: Account) -> None:
    role = management.role(allow(["states:StartExecution"]), service="states.amazonaws.com")
    with pytest.raises(ClientError, match="InvalidEncryptionConfiguration"):
        management.client("stepfunctions").create_state_machine(
            name=unique("encrypted"),
            definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
            roleArn=role,
            encryptionConfiguration={"type": "CUSTOMER_MANAGED_KMS_KEY"},
        )
