"""The workflows of GitHub: what runs in a container may read its checkout, whoever owns it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from build_lambdas import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
TRUSTED = 'git config --global --add safe.directory "$GITHUB_WORKSPACE"'

_AWS_VERSION = re.compile(r'(source\s+= "hashicorp/aws"\s+version\s+= )"[^"]+"')


def jobs(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items():
        yield f"{path.stem}: {name}", job


JOBS = dict(one for path in WORKFLOWS for one in jobs(path))


@pytest.mark.parametrize("name", JOBS)
def test_git_may_read_the_checkout_of_a_container(name: str) -> None:
    """GitHub checks out as its runner, and a container's steps run as root:
    https://github.com/actions/checkout/issues/760.
    """
    job = JOBS[name]
    steps = [one.get("uses", one.get("run", "")).partition("@")[0] for one in job["steps"]]
    after = steps[steps.index("actions/checkout") + 1] if "container" in job else TRUSTED
    assert after == TRUSTED


def providers() -> list[str]:
    matrix = JOBS["ci: check"]["strategy"]["matrix"]
    return sorted({*matrix["provider"], *(one["provider"] for one in matrix["include"])})


@pytest.mark.parametrize("provider", providers())
def test_a_narrowed_checkout_passes_lint(provider: str, tmp_path: Path) -> None:
    """What the job does to its checkout before `make lint`: READMEs name the range too."""
    for pattern in ("scripts/document_modules.py", "modules/*/*.*", "environments/**/*.tf"):
        for path in REPOSITORY.glob(pattern):
            copy = tmp_path / path.relative_to(REPOSITORY)
            if path.is_file() and ".terraform" not in copy.parts:
                copy.parent.mkdir(parents=True, exist_ok=True)
                # This checkout may be one that the job has narrowed.
                text = re.sub(_AWS_VERSION, r'\1">= 5.100, < 7.0"', path.read_text())
                copy.write_text(text)
    steps = JOBS["ci: check"]["steps"]
    (narrow,) = (one for one in steps if one.get("name") == "Narrow the range of AWS providers")
    assert steps.index(narrow) < steps.index({"run": "make lint"})
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    document = "python scripts/document_modules.py"
    for command in (document, narrow["run"], f"{document} --check"):
        ended = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", command],
            cwd=tmp_path,
            env={"PATH": programs, "PROVIDER": provider},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    narrowed = [
        *tmp_path.glob("modules/*/versions.tf"),
        *tmp_path.glob("environments/**/versions.tf"),
    ]
    assert len(narrowed) > 20
    assert all(f'version = "{provider}"' in path.read_text() for path in narrowed)


def test_logs_of_hidden_folders_are_kept() -> None:
    """https://github.com/actions/upload-artifact#uploading-hidden-files"""
    for job in JOBS.values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/upload-artifact@"):
                given = step["with"]
                hidden = any(part.startswith(".") for part in given["path"].split("/"))
                assert given.get("include-hidden-files", False) is hidden


def test_a_release_is_published_after_all_other_jobs_and_not_cancelled() -> None:
    document = yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text())
    assert document["concurrency"]["cancel-in-progress"] is False
    others = set(document["jobs"]) - {"publish"}
    assert set(document["jobs"]["publish"]["needs"]) == others
    assert {"gate", "engines", "upgrade"} <= others


@pytest.mark.parametrize("check", ["links", "phrases", "secrets"])
def test_checks_read_a_checkout_that_another_user_owns(check: str, tmp_path: Path) -> None:
    """git takes the owner for another one with this variable, as its own tests do."""
    ended = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / f"check_{check}.py"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
