"""Build the Lambda packages: one small code package, and layers of what it imports.

The same sources give the same bytes wherever and whenever they are built, so that Terraform sees
a change only where there is one: names are sorted, dates and modes fixed, and nothing that an
installer or an interpreter leaves behind is packed. Entries are stored, not deflated, because
zlib's output differs between its versions and forks; functions start no slower for it.

A layer is a file `requirements/layer-NAME.txt` of pinned and hashed requirements. The core layer
also holds the models of young AWS services as this project's pinned botocore has them. The code of
boto3 is the runtime's, and reads them from AWS_DATA_PATH
(docs/decisions/0017-boto3-is-the-runtimes.md).

    python scripts/build_lambdas.py --target lambda

writes `build/lambda/finops.zip`, `build/lambda/layers/NAME.zip`, and `build/lambda/packages.json`
with the path (from the root of the repository) and hash of each, which Terraform reads, and how it
is uploaded to Lambda: `direct`, or through `s3` when it is too big for that. `lambda` is for arm64;
`lambda-x86_64` builds the same for the other processor. `scripts/release.py` builds both.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import as_file
from importlib.resources import files as resources
from io import BytesIO
from pathlib import Path
from typing import Literal

REPOSITORY = Path(__file__).resolve().parent.parent
CODE = REPOSITORY / "lambda_src" / "finops"
NOT_FOR_LAMBDA = {"cli", "deployment"}

#: The largest zip that CreateFunction and PublishLayerVersion take as an upload
#: (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
LARGEST_UPLOAD = 50 * 1024 * 1024

#: The most that a function and its layers may hold together, unpacked (same page). Entries are
#: stored, so a zip is as large as its content.
LARGEST_UNPACKED = 250 * 1024 * 1024

#: Data of a library that no function serves: 40% of the core layer.
UNUSED_FOLDERS = {"swagger_ui"}

#: What of a distribution's metadata is worth shipping: its version, and its license.
KEPT_METADATA = ("METADATA", "LICENSE", "LICENCE", "COPYING", "NOTICE", "licenses")


#: Services whose operations are younger than the boto3 of some runtime. Only these: an older
#: botocore need not understand the newer model of a service.
YOUNG_SERVICES = ("budgets", "invoicing")

#: Where the core layer holds their models; Lambda unpacks it as /opt/python.
AWS_MODELS = "aws_models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where packages run: decides which wheels a layer holds."""

    name: str
    #: As Lambda calls the processor.
    architecture: Literal["arm64", "x86_64"]
    runtime: str
    uv_options: tuple[str, ...] = (f"--python={sys.executable}",)


def lambda_target(
    name: str, architecture: Literal["arm64", "x86_64"], machine: Literal["aarch64", "x86_64"]
) -> Target:
    """Return a target on Lambda; Python's wheels have other names for a processor."""
    return Target(
        name=name,
        architecture=architecture,
        runtime=f"cp313 linux {machine}",
        uv_options=(
            "--python-version=3.13",
            f"--python-platform={machine}-manylinux_2_28",  # Amazon Linux 2023 has glibc 2.34
        ),
    )


TARGETS = {
    target.name: target
    for target in (
        lambda_target("lambda", "arm64", "aarch64"),
        lambda_target("lambda-x86_64", "x86_64", "x86_64"),
        Target(
            name="local",
            architecture="arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64",
            runtime=f"{sys.implementation.cache_tag} {sys.platform} {platform.machine()}",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A zip on disk, and whether this run had to write it."""

    path: Path
    sha256: bytes
    size: int
    rebuilt: bool

    @property
    def upload(self) -> str:
        """How the zip reaches Lambda: `direct`, or `s3`, where Terraform uploads it first."""
        return "direct" if self.size <= LARGEST_UPLOAD else "s3"

    def describe(self) -> str:
        """Return one line for a person: what, how big, and whether it is new."""
        state = "built" if self.rebuilt else "unchanged"
        return f"{state:9} {relative_to_repository(self.path)} ({self.size / 1024:,.0f} KiB)"


def relative_to_repository(path: Path) -> str:
    """Return `path` relative to the root of the repository, with forward slashes."""
    return Path(os.path.relpath(path, REPOSITORY)).as_posix()


def source_files(folder: Path) -> Iterator[Path]:
    """Yield the files below `folder` that belong in a package, in no particular order."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(p == "__pycache__" or p.startswith(".") for p in parts):
            yield path


def layer_files(site_packages: Path) -> Iterator[Path]:
    """Yield what functions import from an installed layer, and the licenses that go with it."""
    for path in source_files(site_packages):
        top, *rest = path.relative_to(site_packages).parts
        if top == "bin" or path.suffix == ".pyi" or UNUSED_FOLDERS.intersection(rest):
            continue
        if top.endswith(".dist-info") and not (rest and rest[0].startswith(KEPT_METADATA)):
            continue
        yield path


def archive(files: Iterable[Path], *, base: Path, prefix: str) -> bytes:
    """Return a zip of `files`, each named from `base` and under `prefix`."""
    named = sorted((prefix + path.relative_to(base).as_posix(), path) for path in files)
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", compression=zipfile.ZIP_STORED) as package:
        for name, path in named:
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, also when built elsewhere
            entry.external_attr = 0o100644 << 16
            package.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` in one step, since a deployment may be reading it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_package(path: Path, content: bytes) -> Package:
    """Write a zip unless the same one is there already, byte for byte."""
    if len(content) > LARGEST_UNPACKED:
        sys.exit(f"{relative_to_repository(path)}: {len(content):,} bytes is too big for Lambda")
    rebuilt = not path.exists() or path.read_bytes() != content
    if rebuilt:
        write_atomically(path, content)
    digest = hashlib.sha256(content).digest()
    return Package(path=path, sha256=digest, size=len(content), rebuilt=rebuilt)


def build_code(source: Path, path: Path) -> Package:
    """Pack the `finops` package without the command line."""
    files = (
        file
        for file in source_files(source)
        if file.relative_to(source).parts[0] not in NOT_FOR_LAMBDA
    )
    return write_package(path, archive(files, base=source.parent, prefix=""))


def build_layer(requirements: Path, target: Target, path: Path) -> Package:
    """Pack the wheels that `requirements` name for `target`.

    Fetching them takes seconds, so the inputs' hash is kept beside the zip and an unchanged layer
    is left alone.
    """
    stamp = path.with_suffix(".inputs")
    recipe = [requirements.read_bytes(), target.runtime.encode(), Path(__file__).read_bytes()]
    recipe.append(version("botocore").encode())
    inputs = hashlib.sha256(b"\0".join(recipe)).hexdigest()
    if path.exists():
        content = path.read_bytes()
        digest = hashlib.sha256(content)
        if stamp.exists() and stamp.read_text() == f"{inputs} {digest.hexdigest()}":
            return Package(path=path, sha256=digest.digest(), size=len(content), rebuilt=False)

    with tempfile.TemporaryDirectory() as folder:
        install(requirements, target, Path(folder))
        if path.stem == "core":
            copy_models(Path(folder) / AWS_MODELS)
        content = archive(layer_files(Path(folder)), base=Path(folder), prefix="python/")
    package = write_package(path, content)
    write_atomically(stamp, f"{inputs} {package.sha256.hex()}".encode())
    return package


def copy_models(folder: Path) -> None:
    """Copy models from botocore, in the folders in which it looks for them."""
    for service in YOUNG_SERVICES:
        with as_file(resources("botocore") / "data" / service) as models:
            shutil.copytree(models, folder / service)


def install(requirements: Path, target: Target, folder: Path) -> None:
    """Unpack the wheels that `requirements` name into `folder`."""
    print(f"fetching  {requirements.name} for {target.runtime} ...", file=sys.stderr)
    subprocess.run([REPOSITORY / "scripts" / "bootstrap", "uv"], check=True)
    uv = REPOSITORY / ".local" / "uv-venv" / "bin" / "uv"
    command = [str(uv), "pip", "install", "--quiet"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:", *target.uv_options]
    command += [f"--target={folder}", f"--requirement={requirements}"]
    subprocess.run(command, check=True)


def build(target: Target, output: Path, *, source: Path = CODE) -> list[Package]:
    """Build every package for `target` below `output`, and the list that Terraform reads."""
    folder = output / target.name
    code = build_code(source, folder / "finops.zip")
    layers = {
        requirements.stem.removeprefix("layer-"): build_layer(
            requirements,
            target,
            folder / "layers" / f"{requirements.stem.removeprefix('layer-')}.zip",
        )
        for requirements in sorted((REPOSITORY / "requirements").glob("layer-*.txt"))
    }
    listing = {
        "code": reference(code) | {"architecture": target.architecture},
        "layers": {name: reference(package) for name, package in layers.items()},
    }
    write_atomically(folder / "packages.json", (json.dumps(listing, indent=2) + "\n").encode())
    return [code, *layers.values()]


def reference(package: Package) -> dict[str, str]:
    """Return a package's path, its hash as Lambda reports it, and how it is uploaded."""
    return {
        "path": relative_to_repository(package.path),
        "sha256_base64": base64.b64encode(package.sha256).decode(),
        "upload": package.upload,
    }


def main() -> None:
    """Build for one target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--target", choices=sorted(TARGETS), required=True)
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build", metavar="FOLDER")
    parser.add_argument("--quiet", action="store_true", help="say only what was built")
    arguments = parser.parse_args()
    try:
        packages = build(TARGETS[arguments.target], arguments.output.resolve())
    except subprocess.CalledProcessError as error:
        sys.exit(f"uv could not fetch the wheels of a layer (exit {error.returncode})")
    for package in packages:
        if package.rebuilt or not arguments.quiet:
            print(package.describe(), file=sys.stderr)


if __name__ == "__main__":
    main()
