"""Which interpreter LocalStack gets: pip installs it on any, and it runs on 3.13 and newer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import second_engines


def interpreter(folder: Path, name: str, *, is_new: bool) -> Path:
    """A program that says what Python says when it is asked for its version."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    answer = "echo new" if is_new else "true"
    path.write_text(f'#!/bin/sh\n[ "$1" = -c ] && {answer} || echo "$0" > {folder}/made\n')
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_engines, "LOCALSTACK", tmp_path / "venv")
    monkeypatch.setattr(sys, "executable", "/nowhere/python3.11")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("FINOPS_LOCALSTACK_PYTHON", raising=False)
    interpreter(tmp_path / "bin", "python3.13", is_new=False)


def test_localstack_is_skipped_by_name_where_every_python_is_too_old() -> None:
    with pytest.raises(second_engines.Missing, match=r"no Python 3\.13"):
        second_engines.localstack()


def test_localstack_gets_an_interpreter_that_it_runs_on(tmp_path: Path) -> None:
    newer = interpreter(tmp_path / "bin", "python3.14", is_new=True)
    with pytest.raises(FileNotFoundError):  # this interpreter makes no environment
        second_engines.localstack()
    assert (tmp_path / "bin" / "made").read_text().strip() == str(newer)
