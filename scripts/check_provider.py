"""Every block, argument and attribute of the modules against the schema of AWS provider 6.

The npm package @cdktf/provider-aws is generated from the provider's schema. Its index.d.ts files
hold every argument, block and attribute by their names in HCL, required or optional. npm fetches it
once into .local. Without npm or a registry the check is skipped, and says so. It does not see
values, types of attributes or deprecations: those need a plan.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import hcl2

ROOT: Final = Path(__file__).parents[1]
VERSION: Final = "21.22.1"
PACKAGE: Final = ROOT / ".local" / f"provider-aws-{VERSION}"
FOLDERS: Final = ("modules", "environments")

_META: Final = {"count", "for_each", "provider", "depends_on", "lifecycle", "provisioner"}
_INTERFACE: Final = re.compile(r"export interface (\w+)[^{]*\{\n(.*?)\n\}", re.DOTALL)
_PROPERTY: Final = re.compile(r"/\*\*(.*?)\*/\s+readonly (\w+)(\??): ([^;]+);", re.DOTALL)
_CLASS: Final = re.compile(r"export declare class (\w+)[^{]*\{\n(.*?)\n\}", re.DOTALL)
_GETTER: Final = re.compile(r"^    get (\w+)\(\): ([^;]+);", re.MULTILINE)
_REFERENCE: Final = re.compile(
    r"(?<![\w.])(data\.)?(aws_[a-z0-9_]+)\.([A-Za-z_][\w-]*)"
    r"((?:\[[^\[\]]*(?:\[[^\]]*\])?[^\[\]]*\]|\.(?:\d+|\*)(?![\w]))*)((?:\.[a-z_]\w*|\[[^\]]*\])*)"
)


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument or nested block; `shape` names the interface of a nested one, else empty."""

    required: bool
    block: bool
    single: bool
    shape: str


class Schema:
    """One resource or data source, as its index.d.ts has it."""

    def __init__(self, text: str) -> None:
        self.shapes = {name: _arguments(body) for name, body in _INTERFACE.findall(text)}
        self.root = next(
            name
            for name in self.shapes
            if f"export interface {name} extends cdktf.TerraformMetaArguments" in text
        )
        self._getters = {name: dict(_GETTER.findall(body)) for name, body in _CLASS.findall(text)}

    def unknown_attribute(self, path: list[str]) -> str | None:
        """The first name of a path of attributes that does not exist, if any."""
        known = self._getters[self.root.removesuffix("Config")]
        for name in path:
            camel = re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)
            kind = known.get(camel) or known.get(f"{camel}Attribute") or known.get(f"{camel}Input")
            if kind is None:
                return name
            nested = re.sub(r"(OutputReference|List|Map)$", "", kind) + "OutputReference"
            if nested not in self._getters:
                return None  # a text or a map of texts: anything may follow
            known = self._getters[nested]
        return None


def _arguments(body: str) -> dict[str, Argument]:
    found = {}
    for comment, _, optional, kind in _PROPERTY.findall(body):
        name = re.findall(r"#(\w+) \w+#(\w+)", comment)[-1][1]
        nested = re.match(r"(?:cdktf\.IResolvable \| )?([A-Z]\w+)", kind)
        found[name] = Argument(
            required=not optional,
            block=bool(re.search(rf"^\s*\*?\s*{name} block\s*$", comment, re.MULTILINE)),
            single="[]" not in kind,
            shape=nested[1] if nested else "",
        )
    return found


@cache
def schema(package: Path, kind: str, *, data: bool) -> Schema | None:
    """The schema of a resource or data source; None when provider 6 has none of that name."""
    folder = ("data-aws-" if data else "") + kind.removeprefix("aws_").replace("_", "-")
    path = package / "lib" / folder / "index.d.ts"
    return Schema(path.read_text()) if path.is_file() else None


def check_text(package: Path, text: str) -> Iterator[str]:
    """What provider 6 does not know in the text of one Terraform file."""
    document: dict[str, Any] = hcl2.loads(text)
    for section in ("resource", "data"):
        for kind, name, body in _declared(document.get(section, [])):
            known = schema(package, kind, data=section == "data")
            if known is None:
                yield f"{kind}.{name}: provider 6 has no such {section}"
            else:
                yield from _check_body(known, known.root, body, f"{kind}.{name}")
    for match in _REFERENCE.finditer(re.sub(r"^\s*(#|//).*$", "", text, flags=re.MULTILINE)):
        data, kind, name, _, rest = match.groups()
        known = schema(package, kind, data=bool(data))
        path = re.findall(r"\.([a-z_]\w*)", rest)
        if known and path and (unknown := known.unknown_attribute(path)):
            yield f"{data or ''}{kind}.{name}{rest}: no attribute {unknown}"


def _declared(entries: list[dict[str, Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for entry in entries:
        for kind, named in entry.items():
            if kind.strip('"').startswith("aws_"):
                for name, body in named.items():
                    if not name.startswith("_"):
                        yield kind.strip('"'), name.strip('"'), body


def _check_body(known: Schema, shape: str, body: dict[str, Any], where: str) -> Iterator[str]:
    arguments = known.shapes[shape]
    blocks, plain = _sorted_out(body, top=where.count(".") == 1)
    for name in sorted(plain):
        if name not in arguments:
            yield f"{where}: no argument {name}"
        elif arguments[name].block:
            yield f"{where}: {name} is a block, not an argument"
    for name, given in blocks.items():
        argument = arguments.get(name)
        if argument is None:
            yield f"{where}: no block {name}"
            continue
        if not argument.block and name != "timeouts":
            yield f"{where}: {name} is an argument, not a block"
        if argument.single and sum(not dynamic for _, dynamic in given) > 1:
            yield f"{where}: more than one block {name}"
        for one, _ in given:
            if argument.shape in known.shapes:
                yield from _check_body(known, argument.shape, one, f"{where}.{name}")
    for name, argument in arguments.items():
        if argument.required and name not in plain and name not in blocks:
            yield f"{where}: {name} is required"


def _sorted_out(
    body: dict[str, Any], *, top: bool
) -> tuple[dict[str, list[tuple[dict[str, Any], bool]]], set[str]]:
    """Blocks by name, each with whether it is dynamic, and the names of arguments."""
    blocks: dict[str, list[tuple[dict[str, Any], bool]]] = {}
    plain = set()
    for name, value in body.items():
        if name.startswith("__") or (top and name in _META):
            continue
        if name == "dynamic":
            for one in value:
                for label, dynamic in one.items():
                    if isinstance(dynamic, dict):
                        content = dynamic["content"][0]
                        blocks.setdefault(label.strip('"'), []).append((content, True))
        elif isinstance(value, list) and value and all(map(_is_block, value)):
            blocks.setdefault(name, []).extend((one, False) for one in value)
        else:
            plain.add(name)
    return blocks, plain


def _is_block(value: object) -> bool:
    return isinstance(value, dict) and bool(value.get("__is_block__"))


def fetch() -> str:
    """Fetch the package unless it is there. Returns why that is not possible, else nothing."""
    if (PACKAGE / "package.json").is_file():
        return ""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    PACKAGE.parent.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(
        [npm, "pack", "--silent", "--fetch-retries=0", f"@cdktf/provider-aws@{VERSION}"],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if packed.returncode:
        return "npm cannot reach the package"
    archive = PACKAGE.parent / packed.stdout.split()[-1]
    with tarfile.open(archive) as files:
        wanted = [one for one in files if one.name.endswith(("index.d.ts", "package.json"))]
        files.extractall(PACKAGE.with_suffix(".part"), members=wanted, filter="data")
    (PACKAGE.with_suffix(".part") / "package").rename(PACKAGE)
    PACKAGE.with_suffix(".part").rmdir()
    archive.unlink()
    return ""


def main() -> int:
    """Check every Terraform file; 1 where provider 6 does not know something."""
    if reason := fetch():
        print(f"skipped: {reason}")
        return 0
    manifest = json.loads((PACKAGE / "package.json").read_text())
    files = [
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.tf"))
        if ".terraform" not in path.parts
    ]
    findings = [
        f"{path.relative_to(ROOT)}: {finding}"
        for path in files
        for finding in check_text(PACKAGE, path.read_text())
    ]
    for finding in findings:
        print(finding)
    print(f"provider {manifest['cdktf']['provider']['version']}: {len(files)} files")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
