"""`make plan` and `make apply` on AWS: plain Terraform, with the backend that its user names."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "deploy.sh"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A copy of the script, and a fake Terraform that records its calls."""
    (tmp_path / "scripts").mkdir()
    shutil.copy2(SCRIPT, tmp_path / "scripts")
    (tmp_path / "environments" / "dev" / "management").mkdir(parents=True)
    fake = tmp_path / "bin" / "terraform"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "$@" >> "$CALLS"\n')
    fake.chmod(0o755)
    return tmp_path


def deploy(work: Path, *arguments: str) -> tuple[int, str, list[str]]:
    calls = work / "calls"
    calls.write_text("")
    ended = subprocess.run(
        [work / "scripts" / "deploy.sh", *arguments],
        env={"PATH": f"{work / 'bin'}:/usr/bin:/bin", "CALLS": str(calls)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stderr, calls.read_text().splitlines()


def test_an_apply_is_terraforms_own_with_the_backend_of_the_environment(work: Path) -> None:
    root = work / "environments" / "dev" / "management"
    (root / "backend.hcl").touch()
    assert deploy(work, "apply", "dev/management", "-target=module.audit") == (
        0,
        "",
        [
            f"-chdir={root} init -input=false -backend-config=backend.hcl",
            f"-chdir={root} apply -target=module.audit",
        ],
    )


def test_each_payer_has_a_state_of_its_own_and_no_state_is_moved(work: Path) -> None:
    root = work / "environments" / "dev" / "payer"
    root.mkdir()
    (root / "backend.hcl").touch()
    code, _, calls = deploy(work, "plan", "dev/payer")
    init = f"-chdir={root} init -input=false -backend-config=backend.hcl -reconfigure"
    assert (code, calls) == (0, [init, f"-chdir={root} plan"])


def test_without_a_backend_nothing_runs_and_the_remedy_is_named(work: Path) -> None:
    code, said, calls = deploy(work, "plan", "dev/management")
    assert (code, calls) == (2, [])
    assert "copy backend.hcl.example" in said


@pytest.mark.parametrize("arguments", [["plan", "nowhere"], ["destroi", "dev/management"], []])
def test_wrong_usage_is_explained(work: Path, arguments: list[str]) -> None:
    code, said, calls = deploy(work, *arguments)
    assert (code, calls) == (2, [])
    assert "scripts/deploy.sh plan|apply|destroy" in said
