"""Make the files of a release: all that is deployed, for whoever has no clone.

    python scripts/release.py VERSION [--output FOLDER]

writes to `build/release`, each name with the version:

    finops-V.zip                 the functions' code
    layer-NAME-ARCHITECTURE-V.zip
    terraform_aws_finops-V-….whl  the command line
    console-V.tar                what `docker build` needs to make the console's image
    lambda-V.cdx.json, console-V.cdx.json
                                 what the layers and the image contain (CycloneDX)
    packages.json                for each architecture the value of the variable `packages`,
                                 with paths from this folder
    SHA256SUMS                   as sha256sum writes it

The same sources give the same bytes. `finops packages publish` checks the sums and uploads.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

from build_lambdas import REPOSITORY, TARGETS, archive, build, source_files

#: Of every file in the wheel and in the bill of materials; zip knows no earlier day.
EPOCH = "315532800"  # 1980-01-01
ON_LAMBDA = ("lambda", "lambda-x86_64")
CONSOLE = ("console", "lambda_src/finops", "requirements/console.txt")
#: What names the version that is released: patterns of files, and what in them says it.
_REF = r"//modules/\w+\?ref=v([^\"]+)\""
VERSIONED = {
    "pyproject.toml": r'^version = "([^"]+)"$',
    "lambda_src/finops/__init__.py": r'^__version__ = "([^"]+)"$',
    "modules/*/variables.tf": r'(?:\.release == "|modules are of release )(\d[\w.+-]*\w)',
    "modules/*/README.md": _REF,
    "examples/**/*.tf": _REF,
}


def named_versions(root: Path = REPOSITORY) -> dict[str, set[str]]:
    """What each file that names the version says, by its path from the root."""
    found = {
        path.relative_to(root).as_posix(): set(
            re.findall(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
        )
        for files, pattern in VERSIONED.items()
        for path in sorted(root.glob(files))
        if ".terraform" not in path.parts
    }
    return {path: versions for path, versions in found.items() if versions}


def project_version() -> str:
    """Return the version that pyproject.toml declares."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def release(version: str, output: Path, targets: Iterable[str] = ON_LAMBDA) -> list[Path]:
    """Write every file of a release to `output`, which is replaced, and return them."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    packages = {
        TARGETS[target].architecture: copy_packages(target, version, output) for target in targets
    }
    write_json(output / "packages.json", packages)
    build_wheel(output)
    write_console(output / f"console-{version}.tar")
    layers = sorted((REPOSITORY / "requirements").glob("layer-*.txt"))
    write_bill_of_materials(layers, output / f"lambda-{version}.cdx.json")
    console = [REPOSITORY / "requirements" / "console.txt"]
    write_bill_of_materials(console, output / f"console-{version}.cdx.json")
    files = sorted(output.iterdir())
    sums = "".join(f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files)
    (output / "SHA256SUMS").write_text(sums)
    return [*files, output / "SHA256SUMS"]


def copy_packages(target: str, version: str, output: Path) -> dict[str, Any]:
    """Copy a target's zips under the names of a release, and return what modules take for them."""
    build(TARGETS[target], REPOSITORY / "build")
    built = json.loads((REPOSITORY / "build" / target / "packages.json").read_text())
    architecture = built["code"]["architecture"]
    code = copied(built["code"], output / f"finops-{version}.zip") | {"release": version}
    layers = {
        name: copied(layer, output / f"layer-{name}-{architecture}-{version}.zip")
        for name, layer in built["layers"].items()
    }
    return {"code": code, "layers": layers}


def copied(package: dict[str, str], path: Path) -> dict[str, str]:
    """Copy a package, and return its reference with the new name."""
    shutil.copyfile(REPOSITORY / package["path"], path)
    return package | {"path": path.name}


def build_wheel(output: Path) -> None:
    """Build from a copy, since setuptools writes beside the sources; then pack as zips are here."""
    with tempfile.TemporaryDirectory() as folder:
        source, built = Path(folder, "source"), Path(folder, "built")
        package = REPOSITORY / "lambda_src" / "finops"
        for path in source_files(package):
            copy = source / "lambda_src" / "finops" / path.relative_to(package)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copyfile(REPOSITORY / name, source / name)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
        subprocess.run(
            [*command, "--no-build-isolation", "--wheel-dir", str(built), str(source)],
            check=True,
            env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
        )
        (wheel,) = built.glob("*.whl")
        unpacked = Path(folder, "unpacked")
        zipfile.ZipFile(wheel).extractall(unpacked)
        files = (path for path in unpacked.rglob("*") if path.is_file())
        (output / wheel.name).write_bytes(archive(files, base=unpacked, prefix=""))


def write_console(path: Path) -> None:
    """Write the context of the console's image as a tar, from the root of the repository."""
    files: list[Path] = []
    for name in CONSOLE:
        found = REPOSITORY / name
        files += source_files(found) if found.is_dir() else [found]
    path.write_bytes(tar(sorted(files)))


def tar(files: Iterable[Path]) -> bytes:
    """Return a tar of files of the repository, with fixed dates, modes and owners."""
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as package:
        for path in files:
            entry = tarfile.TarInfo(path.relative_to(REPOSITORY).as_posix())
            entry.size, entry.mtime, entry.mode = path.stat().st_size, int(EPOCH), 0o644
            package.addfile(entry, BytesIO(path.read_bytes()))
    return buffer.getvalue()


def write_bill_of_materials(requirements: Iterable[Path], path: Path) -> None:
    """Write a CycloneDX document of what the requirements pin, each of them once."""
    pinned = {
        line
        for file in requirements
        for line in file.read_text().replace("\\\n", " ").splitlines()
        if line and not line.startswith("#")
    }
    tool = REPOSITORY / ".local" / "release-venv" / "bin" / "cyclonedx-py"
    subprocess.run(
        [tool, "requirements", "--output-reproducible", "--output-file", path, "-"],
        input="\n".join(sorted(pinned)),
        text=True,
        check=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
    )


def write_json(path: Path, document: Any) -> None:
    """Write a document as people can read it."""
    path.write_text(json.dumps(document, indent=2) + "\n")


def main() -> None:
    """Make a release, unless the version is not the one that code and modules have."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("version", help="as pyproject.toml has it, such as 1.2.3")
    parser.add_argument(
        "--output", type=Path, default=REPOSITORY / "build" / "release", metavar="FOLDER"
    )
    arguments = parser.parse_args()
    others = {
        path: versions - {arguments.version}
        for path, versions in named_versions().items()
        if versions != {arguments.version}
    }
    if others:
        listed = "\n".join(f"  {path} names {', '.join(sorted(v))}" for path, v in others.items())
        sys.exit(f"You asked for release {arguments.version}, but\n{listed}\nSet all alike.")
    for path in release(arguments.version, arguments.output.resolve()):
        print(f"{path.stat().st_size / 1024:>9,.0f} KiB  {path.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
