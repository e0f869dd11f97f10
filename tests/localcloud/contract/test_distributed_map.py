"""https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, allow, eventually, unique

pytestmark = pytest.mark.needs("distributed_map")

DEFINITION = {
    "QueryLanguage": "JSONata",
    "StartAt": "Each",
    "States": {
        "Each": {
            "Type": "Map",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSON"},
                "Arguments": {
                    "Bucket": "{% $states.input.bucket %}",
                    "Key": "{% $states.input.key %}",
                },
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "One",
                "States": {"One": {"Type": "Pass", "End": True}},
            },
            "Output": {
                "count": "{% $count($states.result) %}",
                "bucket": "{% $states.input.bucket %}",
            },
            "End": True,
        }
    },
}


def test_a_map_reads_the_object_that_its_input_names(management: Account) -> None:
    s3, states = management.client("s3"), management.client("stepfunctions")
    bucket = unique("plans").lower()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a/plan.json", Body=json.dumps([{"n": 1}, {"n": 2}]))
    machine = states.create_state_machine(
        name=unique("map"),
        definition=json.dumps(DEFINITION),
        roleArn=management.role(
            allow(["s3:GetObject", "states:StartExecution"]), service="states.amazonaws.com"
        ),
    )["stateMachineArn"]
    execution = states.start_execution(
        stateMachineArn=machine, input=json.dumps({"bucket": bucket, "key": "a/plan.json"})
    )["executionArn"]
    found: dict[str, Any] = {}

    def ended() -> bool:
        found.update(states.describe_execution(executionArn=execution))
        return bool(found["status"] != "RUNNING")

    eventually(ended)
    assert found["status"] == "SUCCEEDED", found
    assert json.loads(found["output"]) == {"count": 2, "bucket": bucket}
    states.delete_state_machine(stateMachineArn=machine)
