"""Names of a deployment: one rule of `name_prefix` everywhere, and room for what follows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localcloud.settings import REPOSITORY

#: The alarms of one module, whose prefix that module makes.
MADE_OF_ANOTHER = {"metric_alarms"}
LONGEST = 20


def rules() -> dict[str, str]:
    """The validations of each module's `name_prefix`."""
    found = {}
    for path in sorted((REPOSITORY / "modules").glob("*/variables.tf")):
        variable = re.search(
            r'^variable "name_prefix" \{\n(.*?)^\}', path.read_text(), re.MULTILINE | re.DOTALL
        )
        if variable and path.parent.name not in MADE_OF_ANOTHER:
            found[path.parent.name] = variable[1].partition("  validation {")[2]
    return found


def test_every_module_has_the_same_rule() -> None:
    found = rules()
    assert len(found) >= 12
    (rule,) = set(found.values())
    assert f"length(var.name_prefix) <= {LONGEST}" in rule
    assert "(aws|ssm)" in rule


@pytest.mark.parametrize(
    ("prefix", "taken"),
    [
        *((one, True) for one in ("finops", "finops-dev", "x1", "a-b-c", "finops2", "f" * LONGEST)),
        *((one, False) for one in ("x", "dev-", "-dev", "a--b", "1x", "Fin", "a_b", "f" * 21, "")),
    ],
)
def test_the_rule_leaves_out_what_a_service_would_refuse(prefix: str, taken: bool) -> None:
    """RDS takes no two hyphens in a row and none at the end:
    https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBCluster.html.
    """
    (rule,) = set(rules().values())
    form = re.search(r'can\(regex\("([^"]+)", var\.name_prefix\)\)$', rule, re.MULTILINE)
    assert form
    assert bool(re.search(form[1], prefix) and 2 <= len(prefix) <= LONGEST) == taken


def test_spokes_that_a_template_makes_have_room_for_their_names() -> None:
    template = Path(REPOSITORY / "modules/budgets_spoke_stackset/budgets_spoke.yaml").read_text()
    names = re.findall(r"(?:FunctionName|RoleName): !Sub \$\{NamePrefix\}(\S+)", template)
    assert len(names) >= 3
    assert [name for name in names if LONGEST + len(name) > 64] == []
