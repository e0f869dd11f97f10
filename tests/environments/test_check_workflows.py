"""The check of the state machines finds what AWS or JSONata would refuse."""

from __future__ import annotations

from typing import Any

import pytest

import check_workflows

TASK = "arn:aws:states:::lambda:invoke"


def machine(**changes: Any) -> dict[str, Any]:
    load = {
        "Type": "Task",
        "Resource": TASK,
        "Arguments": {"FunctionName": "f", "Payload": "{% $states.input.rows[0] %}"},
        "Next": "End",
    }
    end = {"Type": "Succeed"}
    states = {"Load": {**load, **changes}, "End": end}
    return {"QueryLanguage": "JSONata", "StartAt": "Load", "States": states}


def test_a_seeded_fault_is_found_and_nothing_else() -> None:
    if reason := check_workflows.fetch():
        pytest.skip(reason)
    assert check_workflows.findings(machine()) == []
    assert "Finish" in " ".join(check_workflows.findings(machine(Next="Finish")))
    broken = check_workflows.findings(machine(Output="{% $states.result.[ %}"))
    assert any(one.startswith("definition.States.Load.Output: ") for one in broken)


def test_a_definition_is_rendered_with_what_terraform_makes_of_it() -> None:
    rendered = check_workflows.definition("invoices")["States"]
    arn = rendered["ExtractInvoice"]["Arguments"]["FunctionName"]
    assert arn.endswith(":function:finops-extract-invoice")
    assert rendered["ReviewInvoice"]["TimeoutSeconds"] == 14 * 86400
    assert rendered["ExtractInvoice"]["Retry"][0]["MaxAttempts"] == 30
