"""The workflow as a Step Functions state machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError, RejectedInput

#: Answers about a task token that nothing waits for any more.
_NOT_WAITING: Final = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})


class StepFunctionsWorkflow:
    """`Workflow` as a Step Functions state machine."""

    def __init__(self, states: Any, workflow_arn: str) -> None:
        self._states = states
        self._arn = workflow_arn

    def start(self, name: str, request: Mapping[str, Any]) -> None:
        try:
            with aws_errors("start_execution"):
                self._states.start_execution(
                    stateMachineArn=self._arn, name=name, input=json.dumps(request)
                )
        except FinOpsError as error:
            if error.code != "ExecutionAlreadyExists":
                raise

    def resume(self, task_token: str, output: Mapping[str, Any]) -> bool:
        try:
            with aws_errors("resume_workflow"):
                self._states.send_task_success(taskToken=task_token, output=json.dumps(output))
        except FinOpsError as error:
            if error.code in _NOT_WAITING:
                return False
            raise
        return True

    def redrive(self, name: str) -> None:
        arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
        try:
            with aws_errors("redrive_execution"):
                self._states.redrive_execution(executionArn=arn)
        except FinOpsError as error:
            if error.code in {"ExecutionNotRedrivable", "ExecutionDoesNotExist"}:
                raise RejectedInput(
                    f"the workflow of {name} cannot be redriven: {error.__cause__}",
                    code="not_redrivable",
                    remedy="Drop the file again",
                ) from error
            raise
