"""A release: whole, the same bytes each time, and what `finops packages publish` takes."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from build_lambdas import REPOSITORY
from finops.deployment.packages import checked_release
from release import named_versions, project_version, release
from release_notes import notes
from tracked import tracked_files

VERSION = project_version()
REQUIREMENTS = REPOSITORY / "requirements"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "files"
    release(VERSION, folder)
    return folder


def pinned(*files: Path) -> set[str]:
    return {
        f"{name}@{version}"
        for file in files
        for name, version in re.findall(
            r"^([\w.-]+)==(\S+)", file.read_text().lower(), re.MULTILINE
        )
    }


def listed(document: Path) -> set[str]:
    components: list[dict[str, Any]] = json.loads(document.read_text())["components"]
    return {f"{one['name'].lower()}@{one['version']}" for one in components}


def test_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    release(VERSION, tmp_path / "again")
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name
    assert len(list((tmp_path / "again").iterdir())) == len(list(folder.iterdir()))


def test_what_is_published_is_what_was_released(folder: Path) -> None:
    for architecture in ("arm64", "x86_64"):
        found = checked_release(folder, architecture)
        assert (found.version, found.architecture) == (VERSION, architecture)
        layers = {path.stem.removeprefix("layer-") for path in REQUIREMENTS.glob("layer-*.in")}
        assert {package.layer for package in found.packages} == {None, *layers}


def test_sums_name_every_other_file(folder: Path) -> None:
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    names = {line.partition(":")[0] for line in checked.stdout.splitlines()}
    assert names == {path.name for path in folder.iterdir()} - {"SHA256SUMS"}


def test_bills_of_materials_list_what_is_pinned(folder: Path) -> None:
    layers = pinned(*REQUIREMENTS.glob("layer-*.txt"))
    assert listed(folder / f"lambda-{VERSION}.cdx.json") == layers
    console = pinned(REQUIREMENTS / "console.txt")
    assert listed(folder / f"console-{VERSION}.cdx.json") == console
    assert layers


def test_the_wheel_is_whole(folder: Path) -> None:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        assert files.testzip() is None
        names = files.namelist()
        assert "finops/cli/packages.py" in names
        record = files.read(f"terraform_aws_finops-{VERSION}.dist-info/RECORD").decode()
    assert {line.partition(",")[0] for line in record.splitlines()} == set(names)


def test_the_consoles_image_is_made_from_the_tar_alone(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(folder / f"console-{VERSION}.tar") as context:
        context.extractall(tmp_path, filter="data")
    dockerfile = (tmp_path / "console" / "Dockerfile").read_text()
    for source in re.findall(r"^COPY (\S+) ", dockerfile, re.MULTILINE):
        assert (tmp_path / source).exists()
    assert not list(tmp_path.rglob("__pycache__"))


def test_every_file_that_names_the_version_names_the_one_that_is_released() -> None:
    found = named_versions()
    assert {path: versions for path, versions in found.items() if versions != {VERSION}} == {}
    modules = {f"modules/{path.parent.name}" for path in REPOSITORY.glob("modules/*/versions.tf")}
    assert {path.removesuffix("/README.md") for path in found} >= modules
    assert {
        "pyproject.toml",
        "lambda_src/finops/__init__.py",
        "modules/lambda_function/variables.tf",
        "modules/budgets_spoke_stackset/variables.tf",
        "examples/account-factory/finops-spoke/terraform/main.tf",
    } <= found.keys()


def test_no_other_file_of_the_modules_and_the_product_names_the_version() -> None:
    """What a new version would leave behind is in `VERSIONED`."""
    named = re.compile(rf"(?<![\w.]){re.escape(VERSION)}(?![\w.]\w)")
    others = [
        name
        for path in tracked_files(suffixes=(".tf", ".py", ".yaml", ".json", ".toml", ".md"))
        if (name := path.relative_to(REPOSITORY).as_posix())
        and name.startswith(("modules/", "examples/", "environments/", "lambda_src/", "console/"))
        and named.search(path.read_text(encoding="utf-8"))
    ]
    assert set(others) <= named_versions().keys()


@pytest.mark.parametrize("forgotten", sorted(named_versions()))
def test_a_file_that_a_new_version_forgets_is_named(forgotten: str, tmp_path: Path) -> None:
    for path in named_versions():
        copy = tmp_path / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = (REPOSITORY / path).read_text(encoding="utf-8")
        copy.write_text(text if path == forgotten else text.replace(VERSION, "9.9.9"))
    wrong = {path for path, found in named_versions(tmp_path).items() if found != {"9.9.9"}}
    assert wrong == {forgotten}


def test_another_version_is_refused(tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "scripts/release.py", "9.9.9", "--output", tmp_path / "release"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert f"pyproject.toml names {VERSION}" in refused.stderr
    assert f"modules/budgets_spoke_stackset/variables.tf names {VERSION}" in refused.stderr
    assert not (tmp_path / "release").exists()


CHANGELOG = """\
# Changelog

## [Unreleased]

- Later.

## [1.2.3] - 2026-11-29

- This.

## [1.2.2] - 2026-11-01

## [1.2.1] - 2026-13-01

- Before.
"""


def test_the_notes_of_a_release_are_what_the_changelog_says_of_it() -> None:
    assert notes(CHANGELOG, "1.2.3") == "- This.\n"


@pytest.mark.parametrize("version", ["1.2", "1.2.2", "1.2.1", "2.0.0", "Unreleased"])
def test_a_version_without_dated_notes_is_not_released(version: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of three kinds
        notes(CHANGELOG, version)


@pytest.mark.parametrize(
    ("architecture", "machine", "elf_machine"),
    [("arm64", "aarch64", 183), ("x86_64", "x86_64", 62)],  # EM_AARCH64, EM_X86_64
)
def test_layers_hold_only_wheels_for_python_3_13_on_their_processor(
    folder: Path, architecture: str, machine: str, elf_machine: int
) -> None:
    native = [
        (name, package.read(name))
        for package in map(zipfile.ZipFile, folder.glob(f"layer-*-{architecture}-*.zip"))
        for name in package.namelist()
        if package.read(name)[:4] == b"\x7fELF"
    ]
    assert native
    for name, content in native:
        # Libraries that wheels bundle have no tag.
        assert ".cpython-" not in name or f".cpython-313-{machine}-linux-gnu." in name
        assert content[:5] == b"\x7fELF\x02"
        assert int.from_bytes(content[18:20], "little") == elf_machine


def test_layers_can_be_imported_on_their_processor(folder: Path, tmp_path: Path) -> None:
    """Compiled packages above all: those for this machine's, with a Python as Lambda has it."""
    architecture = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    python = python_of_lambda()
    if not python:
        pytest.skip(f"no Python 3.13 for Linux on {architecture} here")
    for layer in folder.glob(f"layer-*-{architecture}-{VERSION}.zip"):
        zipfile.ZipFile(layer).extractall(tmp_path)
    program = f"""
import sys
sys.path[:0] = [{str(tmp_path / "python")!r}]
import decimal, duckdb, msgspec, PIL.Image, pypdfium2, yaml
assert duckdb.connect().execute("SELECT sum(i) FROM range(10) t(i)").fetchone() == (45,)
assert msgspec.json.decode(b'[1]') == [1]
assert len(pypdfium2.PdfDocument.new()) == 0
assert PIL.Image.new("L", (1, 1)).tobytes() == b"\\0"
"""
    ran = subprocess.run(
        [python, "-I", "-S", "-B", "-c", program], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def python_of_lambda() -> str | None:
    """A Python 3.13 on Linux, if there is one (pyenv hides inactive versions)."""
    which = "import sys; print(*sys.version_info[:2], sys.platform)"
    inactive = Path.home().glob(".pyenv/versions/3.13.*/bin/python3.13")
    for candidate in ("python3.13", *map(str, sorted(inactive))):
        try:
            found = subprocess.run(
                [candidate, "-c", which], capture_output=True, text=True, check=False
            )
        except OSError:
            continue
        if found.stdout.split() == ["3", "13", "linux"]:
            return candidate
    return None
