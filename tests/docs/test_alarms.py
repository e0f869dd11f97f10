"""`docs/operate.md` says what to do about every alarm of the modules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPERATE = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
COSTS = (ROOT / "docs" / "costs.md").read_text(encoding="utf-8")
#: Alarms of every function are listed once, as `NAME-errors` and so on.
FILES = [
    path
    for path in sorted((ROOT / "modules").glob("*/alarms.tf"))
    if path.parent.name != "lambda_function"
]
#: The queues of which `local.queues` makes alarms; each has a delay and failing messages.
INVOICE_QUEUES = ("files", "extractions")


def alarms(text: str) -> list[str]:
    """Names of alarms without `name_prefix`, such as `billing-files-delay`."""
    (flow,) = re.findall(r'name_prefix = "\$\{var\.name_prefix\}-([a-z]+)"', text)
    names = re.findall(r"^    ([a-z-]+) = \{$", text, re.MULTILINE)
    suffixes = re.findall(r'"\$\{name\}-([a-z]+)" => \{', text)
    made = [f"{queue}-{suffix}" for queue in INVOICE_QUEUES for suffix in suffixes]
    return [f"{flow}-{name}" for name in (*names, *made)]


IMPACTS = [
    *sorted((ROOT / "modules").glob("*/observability.tf")),
    ROOT / "modules" / "observability" / "main.tf",
]
#: Of what name in the module observability a module's output is, where it is not its own.
FLOWS = {"budgets_management": "budgets"}


@pytest.mark.parametrize("path", IMPACTS, ids=lambda path: path.parent.name)
def test_every_impact_says_what_to_do(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    impacts = re.findall(r"^ +([a-z-]+) += \{\n +description = ", text, re.MULTILINE)
    flow = FLOWS.get(path.parent.name, path.parent.name)
    names = [f"finops-{flow}-{one}" for one in impacts if one != "degraded"]
    assert names
    assert [name for name in names if f"`{name}`" not in OPERATE] == []


def test_every_service_level_says_what_to_do() -> None:
    text = (ROOT / "modules" / "observability" / "objectives.tf").read_text(encoding="utf-8")
    flows = re.findall(r'"([a-z]+)" => one \}', text)
    assert len(flows) == 3
    assert [flow for flow in flows if f"`finops-{flow}-late`" not in OPERATE] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_every_alarm_of_a_module_is_listed(path: Path) -> None:
    found = alarms(path.read_text(encoding="utf-8"))
    assert len(found) >= 2
    assert [name for name in found if f"`finops-{name}`" not in OPERATE] == []


def alarms_of_a_function() -> list[str]:
    text = (ROOT / "modules" / "lambda_function" / "alarms.tf").read_text(encoding="utf-8")
    return re.findall(r"^    ([a-z-]+) = \{$", text, re.MULTILINE)


def test_every_alarm_of_functions_is_listed() -> None:
    names = alarms_of_a_function()
    assert len(names) == 4
    assert [name for name in names if f"`NAME-{name}`" not in OPERATE] == []


def test_what_fetching_rates_adds_is_counted_and_listed() -> None:
    folder = ROOT / "modules" / "billing"
    names = alarms((folder / "alarms.tf").read_text(encoding="utf-8"))
    rates = [name for name in names if name.startswith("billing-rates-")]
    assert rates
    said = re.findall(r"^Fetching the ECB's rates .* adds (\d+) to billing's", COSTS, re.MULTILINE)
    assert said == [str(len(alarms_of_a_function()) + len(rates))]
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert [name for name in names if f"| `{name}` |" not in readme] == []
