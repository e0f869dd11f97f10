"""The stack set takes what the Terraform spoke takes, and refuses the same in the same words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import hcl2
import pytest

from localcloud.settings import REPOSITORY

#: What the spoke's functions check for it: the arguments of lambda_function by the spoke's.
OF_FUNCTIONS = {
    "packages": ("package", "packages.code"),
    "function_settings": ("settings", "function_settings"),
    "drift_schedule": ("schedule", "drift_schedule"),
}
#: Objects in S3 instead of files, and a boundary's name instead of its ARN.
OTHER_FORM = {"packages", "function_settings"}


def variables(module: str) -> dict[str, dict[str, Any]]:
    with (REPOSITORY / "modules" / module / "variables.tf").open() as file:
        found = hcl2.load(file)["variable"]
    return {name.strip('"'): block for one in found for name, block in one.items()}


SPOKE, STACK_SET, FUNCTION = map(
    variables, ("budgets_spoke", "budgets_spoke_stackset", "lambda_function")
)
SHARED = sorted(SPOKE.keys() & STACK_SET.keys())


def rules(block: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["condition"], one["error_message"]) for one in block.get("validation", ())}


def rules_of_functions(name: str) -> Iterator[tuple[str, str]]:
    """Those of lambda_function, as the argument is called here; of what it can hold here."""
    theirs, ours = OF_FUNCTIONS[name]
    for condition, message in rules(FUNCTION[theirs]):
        attributes = re.findall(rf"var\.{theirs}\.(\w+)", condition)
        if name == "drift_schedule":
            yield (
                condition.replace("var.schedule == null || ", "").replace(
                    "var.schedule.expression", "var.drift_schedule"
                ),
                message.replace("schedule.expression", "drift_schedule"),
            )
        elif all(re.search(rf"\b{one}\b", str(STACK_SET[name]["type"])) for one in attributes):
            yield (
                condition.replace(f"var.{theirs}.", f"var.{ours}."),
                message.replace(f"var.{theirs}.", f"var.{ours}.").replace(
                    f'"{theirs}.', f'"{ours}.'
                ),
            )


@pytest.mark.parametrize("name", SHARED)
def test_both_forms_of_a_spoke_refuse_the_same_in_the_same_words(name: str) -> None:
    checked = set(rules_of_functions(name)) if name in OF_FUNCTIONS else set()
    assert rules(STACK_SET[name]) == rules(SPOKE[name]) | checked


@pytest.mark.parametrize("name", sorted(set(SHARED) - OTHER_FORM))
def test_both_forms_of_a_spoke_take_the_same(name: str) -> None:
    assert STACK_SET[name]["type"] == SPOKE[name]["type"]
    # A parameter of CloudFormation is empty where a variable of Terraform is null.
    unset = (None, '""')
    defaults = [one[name].get("default") for one in (STACK_SET, SPOKE)]
    assert defaults[0] == defaults[1] or all(one in unset for one in defaults)


def test_a_function_checks_what_both_forms_pass_to_it() -> None:
    assert [len(set(rules_of_functions(name))) for name in OF_FUNCTIONS] == [2, 2, 1]
