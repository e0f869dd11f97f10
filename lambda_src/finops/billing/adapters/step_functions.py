"""The workflow of large files in Step Functions."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from finops.billing.domain import FileEntry, FileStatus
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError


class StepFunctionsWorkflow:
    """`Workflow` as a Step Functions state machine."""

    def __init__(self, states: Any, workflow_arn: str) -> None:
        self._states = states
        self._arn = workflow_arn

    def is_running(self, entry: FileEntry) -> bool:
        if entry.status is not FileStatus.LOADING or not entry.execution:
            return False
        arn = self._arn.replace(":stateMachine:", ":execution:")
        try:
            with aws_errors("describe_execution"):
                found = self._states.describe_execution(
                    executionArn=f"{arn}:{_execution_name(entry, entry.execution)}"
                )
        except FinOpsError as error:
            # AWS keeps an execution for 90 days:
            # https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
            if error.code == "ExecutionDoesNotExist":
                return False
            raise
        return str(found["status"]) == "RUNNING"

    def start(self, entry: FileEntry, execution: int) -> None:
        try:
            with aws_errors("start_execution"):
                self._states.start_execution(
                    stateMachineArn=self._arn,
                    name=_execution_name(entry, execution),
                    input=json.dumps({"load_id": entry.load_id, "object": entry.source.uri}),
                )
        except Exception as error:
            said = error.__cause__
            # Another delivery of the same event has started it.
            if (
                isinstance(said, ClientError)
                and said.response["Error"]["Code"] == "ExecutionAlreadyExists"
            ):
                return
            raise


def _execution_name(entry: FileEntry, execution: int) -> str:
    return f"{entry.source.file_id}-{execution}"
