"""The wheel, alone in an environment: `finops` works without this clone and its local cloud."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.installed import install

REPOSITORY = Path(__file__).parents[2]
#: One charge of a FOCUS export.
EXPORT = """\
BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingAccountId,SubAccountId,\
ServiceName,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,BillingPeriodStart,BillingPeriodEnd
10.00,10.00,10.00,10.00,USD,111111111111,222222222222,\
Amazon S3,Usage,2026-01-05T00:00:00Z,2026-01-06T00:00:00Z,2026-01-01T00:00:00Z,2026-02-01T00:00:00Z
"""
CONFIGURATION = "payer_accounts:\n  - {id: '111111111111', name: Holding, business_unit: IT}\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since setuptools writes beside the sources."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(
        REPOSITORY / "lambda_src",
        source / "lambda_src",
        ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(REPOSITORY / name, source)
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*command, "--no-build-isolation", "--wheel-dir", str(folder), str(source)],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel."""
    return install(wheel, tmp_path_factory.mktemp("venv"))


def finops(installed: Path, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """The command in a folder of its own, with no variable of this process."""
    ended = subprocess.run(
        [installed.with_name("finops"), *arguments],
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_the_wheel_holds_the_product_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"finops"}
    for source in (REPOSITORY / "lambda_src" / "finops").rglob("*"):
        if source.suffix in {".py", ".j2", ".sql", ".json", ".css"}:
            assert source.relative_to(REPOSITORY / "lambda_src").as_posix() in names


def test_what_the_product_imports_is_what_the_wheel_requires() -> None:
    """The environment above has every package of this clone, and would not miss one."""
    imported = set()
    for source in (REPOSITORY / "lambda_src" / "finops").rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_bytes())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    foreign = imported - sys.stdlib_module_names - {"finops"}
    distributions = packages_distributions()
    needed = {re.sub(r"[-_.]+", "-", distributions[one][0]).lower() for one in foreign}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    # boto3 brings these.
    assert needed - {"botocore", "python-dateutil", "urllib3"} == set(project["dependencies"])


def test_the_local_cloud_is_not_there(installed: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        [installed, "-c", "import finops.cli.main, localcloud"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No module named 'localcloud'" in ended.stderr


def test_a_command_that_needs_a_cloud_says_so(installed: Path, tmp_path: Path) -> None:
    code, _, said = finops(installed, tmp_path, "budgets", "list")
    assert code == 3
    assert said.startswith("error: no local cloud answers at http://127.0.0.1:1.")
    assert said.count("\n") == 1


def test_a_command_that_needs_none_works(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "reconciliation.yaml").write_text(CONFIGURATION)
    code, out, said = finops(installed, tmp_path, "reconcile", "check", "reconciliation.yaml")
    assert code == 0, said
    assert "Holding" in out
    code, out, _ = finops(installed, tmp_path, "--version")
    assert code == 0
    assert "version" in out


def test_an_export_is_reconciled_without_a_cloud(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "export.csv").write_text(EXPORT)
    code, out, said = finops(
        installed, tmp_path, *("reconcile", "--month", "2026-01", "--source", "focus"),
        *("--input", "export.csv", "--output", "reports", "--json"),
    )  # fmt: skip
    assert code == 0, said
    assert "Nothing is deployed" in said
    report = json.loads(out)
    assert report["totals"]["actual"] == "10.00"
    assert sorted(report["reports"]) == ["csv", "html", "json", "xlsx"]
