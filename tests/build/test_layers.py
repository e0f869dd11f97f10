"""Every module has a layer, so that import-linter holds it to what it may import."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: May use AWS: what adapters, handlers, the command line and deployments consist of.
EDGES = (
    *("finops.*.adapters", "finops.*.handlers", "finops.cli", "finops.deployment"),
    *("finops.audit.recorder", "finops.billing.database", "finops.billing.schema_migrations"),
    *("finops.reconciliation.composition", "finops.shared.aws", "finops.shared.data_api"),
    *("finops.shared.events", "finops.shared.object_lock", "finops.shared.observability"),
    *("finops.shared.public_web", "finops.shared.webhook"),
)
LAYERS = ("Domain and ports are pure", "Services know ports, not AWS")


def modules() -> set[str]:
    source = ROOT / "lambda_src"
    paths = (source / "finops").rglob("*.py")
    return {
        ".".join(path.relative_to(source).with_suffix("").parts)
        for path in paths
        if path.name != "__init__.py"
    }


def layered() -> set[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    return {name for one in contracts if one["name"] in LAYERS for name in one["source_modules"]}


def is_one_of(module: str, patterns: set[str] | tuple[str, ...]) -> bool:
    return any(fnmatch(module, one) or fnmatch(module, f"{one}.*") for one in patterns)


def test_every_module_has_a_layer_or_is_an_edge() -> None:
    known = layered() | set(EDGES)
    assert sorted(one for one in modules() if not is_one_of(one, tuple(known))) == []


def test_no_layer_and_no_edge_is_left_over_from_a_module_that_has_moved() -> None:
    found = modules()
    patterns = layered() | set(EDGES)
    assert sorted(one for one in patterns if not any(is_one_of(m, (one,)) for m in found)) == []
