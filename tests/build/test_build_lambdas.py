"""The Lambda packages: complete, and the same bytes on every machine."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from botocore.loaders import Loader

import build_lambdas
from build_lambdas import (
    AWS_MODELS,
    CODE,
    LARGEST_UNPACKED,
    LARGEST_UPLOAD,
    REPOSITORY,
    TARGETS,
    YOUNG_SERVICES,
    build,
    build_code,
)

#: The same code builds `lambda-x86_64`, of which test_release.py looks at the bytes.
BUILT = ("lambda", "local")
HANDLERS = sorted(
    ".".join(path.relative_to(CODE.parent).with_suffix("").parts)
    for path in CODE.glob("*/handlers.py")
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("build")
    for name in BUILT:
        build(TARGETS[name], folder)
    return {name: folder / name for name in BUILT}


@pytest.fixture(params=BUILT)
def output(request: pytest.FixtureRequest, outputs: dict[str, Path]) -> Path:
    return outputs[str(request.param)]


def zips(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.zip")}


def copy_with_other_circumstances(source: Path, destination: Path) -> None:
    """Copy as another checkout would be: with other dates, modes, order and leftover files."""
    files = sorted((path for path in source.rglob("*") if path.is_file()), reverse=True)
    for number, path in enumerate(files):
        if "__pycache__" in path.parts:
            continue
        copy = destination / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        os.utime(copy, (number * 86_400, number * 86_400 + 10**9))
        copy.chmod(0o600 if number % 2 else 0o755)
    cache = destination / "__pycache__"
    cache.mkdir()
    (cache / "left.cpython-311.pyc").write_bytes(b"over")


def test_rebuilds_nothing_when_nothing_changed(output: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.zip")}
    packages = build(TARGETS[output.name], output.parent)
    assert not any(package.rebuilt for package in packages)
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.zip")} == before


def test_gives_the_same_bytes_in_another_folder_under_another_umask(
    output: Path, tmp_path: Path
) -> None:
    source = tmp_path / "checkout" / "finops"
    copy_with_other_circumstances(CODE, source)
    umask = os.umask(0o077)
    try:
        build(TARGETS[output.name], tmp_path, source=source)
    finally:
        os.umask(umask)
    assert zips(tmp_path / output.name) == zips(output)


def test_changes_only_the_code_when_a_source_file_changes(output: Path, tmp_path: Path) -> None:
    copy = tmp_path / "build" / output.name
    shutil.copytree(output, copy)
    source = tmp_path / "finops"
    copy_with_other_circumstances(CODE, source)
    touched = source / "shared" / "errors.py"
    touched.write_text(touched.read_text() + "# touched\n")

    packages = build(TARGETS[output.name], copy.parent, source=source)

    assert [package.path.name for package in packages if package.rebuilt] == ["finops.zip"]
    before, after = (json.loads((f / "packages.json").read_text()) for f in (output, copy))
    assert before["code"]["sha256_base64"] != after["code"]["sha256_base64"]
    hashes = [{n: x["sha256_base64"] for n, x in y["layers"].items()} for y in (before, after)]
    assert hashes[0] == hashes[1]


def test_replaces_a_damaged_layer(output: Path, tmp_path: Path) -> None:
    copy = tmp_path / output.name
    shutil.copytree(output, copy)
    (copy / "layers" / "core.zip").write_bytes(b"damaged")
    build(TARGETS[output.name], tmp_path)
    assert zips(copy) == zips(output)


def test_lists_each_package_with_its_path_and_hash(output: Path) -> None:
    listing = json.loads((output / "packages.json").read_text())
    assert list(listing["layers"]) == [
        "billing",
        "core",
        "documents",
        "duckdb",
        "invoices",
        "reports",
    ]
    for package in (listing["code"], *listing["layers"].values()):
        content = (REPOSITORY / package["path"]).read_bytes()
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        assert package["sha256_base64"] == digest


def test_uploads_large_packages_through_s3(output: Path) -> None:
    listing = json.loads((output / "packages.json").read_text())
    packages = {"code": listing["code"], **listing["layers"]}
    through_s3 = {name for name, package in packages.items() if package["upload"] == "s3"}
    assert through_s3 == {"duckdb"}
    for name, package in packages.items():
        size = (REPOSITORY / package["path"]).stat().st_size
        assert (size > LARGEST_UPLOAD) == (name in through_s3)


def test_the_heaviest_function_stays_below_what_lambda_unpacks(output: Path) -> None:
    zips = [output / "finops.zip"]
    zips += [output / "layers" / f"{name}.zip" for name in ("core", "reports", "duckdb")]
    unpacked = sum(e.file_size for path in zips for e in zipfile.ZipFile(path).infolist())
    assert unpacked < LARGEST_UNPACKED / 2


def test_entries_are_sorted_with_fixed_dates_and_modes(output: Path) -> None:
    for path in output.rglob("*.zip"):
        entries = zipfile.ZipFile(path).infolist()
        names = [entry.filename for entry in entries]
        assert names == sorted(names)
        assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
        assert not [
            n for n in names if re.search(r"__pycache__|\.pyc$|RECORD|INSTALLER|direct_url", n)
        ]


def test_code_package_leaves_the_command_line_out(tmp_path: Path) -> None:
    names = zipfile.ZipFile(build_code(CODE, tmp_path / "code.zip").path).namelist()
    assert "finops/shared/errors.py" in names
    assert not [name for name in names if name.startswith(("finops/cli/", "finops/deployment/"))]


def test_the_core_layer_has_the_models_of_young_services(output: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(output / "layers" / "core.zip") as layer:
        layer.extractall(tmp_path)
    models = Loader(
        extra_search_paths=[str(tmp_path / "python" / AWS_MODELS)],
        include_default_search_paths=False,
    )
    assert (
        "ListInvoiceSummaries" in models.load_service_model("invoicing", "service-2")["operations"]
    )
    shapes = models.load_service_model("budgets", "service-2")["shapes"]
    assert "ShowFilterExpression" in shapes["DescribeBudgetRequest"]["members"]
    for service in YOUNG_SERVICES:
        assert models.load_service_model(service, "endpoint-rule-set-1")


def test_layers_leave_boto3_to_the_runtime(output: Path) -> None:
    for path in (output / "layers").glob("*.zip"):
        tops = {name.split("/")[1] for name in zipfile.ZipFile(path).namelist()}
        assert tops.isdisjoint({"boto3", "botocore", "s3transfer", "urllib3"})


def test_packages_tell_their_processor(outputs: dict[str, Path]) -> None:
    told = {
        name: json.loads((folder / "packages.json").read_text())["code"]["architecture"]
        for name, folder in outputs.items()
    }
    assert told["lambda"] == "arm64"
    assert told["local"] in {"arm64", "x86_64"}


def test_the_code_is_the_same_for_every_processor(outputs: dict[str, Path]) -> None:
    assert len({(folder / "finops.zip").read_bytes() for folder in outputs.values()}) == 1


def test_refuses_a_package_that_lambda_would_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_lambdas, "LARGEST_UNPACKED", 1000)
    with pytest.raises(SystemExit, match="too big for Lambda"):
        build_code(CODE, tmp_path / "code.zip")


@pytest.fixture(scope="module")
def runtime(outputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folders that a function sees: its code, its layers, and the boto3 of the runtime."""
    folder = tmp_path_factory.mktemp("runtime")
    for path in outputs["local"].rglob("*.zip"):
        zipfile.ZipFile(path).extractall(folder)
    provided = folder / "runtime"
    provided.mkdir()
    for name in (
        "boto3",
        "botocore",
        "jmespath",
        "python-dateutil",
        "s3transfer",
        "six",
        "urllib3",
    ):
        package = distribution(name)
        for top in {file.parts[0] for file in package.files or [] if file.parts[0] != ".."}:
            if top != "__pycache__":
                (provided / top).symlink_to(Path(str(package.locate_file(top))))
    return [folder, folder / "python", provided]


@pytest.mark.parametrize("module", HANDLERS)
def test_handlers_import_with_nothing_but_code_layers_and_boto3(
    module: str, runtime: list[Path]
) -> None:
    program = f"import sys; sys.path[:0] = {[str(path) for path in runtime]}; import {module}"
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program],
        env={"AWS_DEFAULT_REGION": "us-east-1", "AWS_LAMBDA_FUNCTION_NAME": "finops"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
