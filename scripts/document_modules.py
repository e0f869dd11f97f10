"""Write each module's reference into its README, in terraform-docs' layout.

    python scripts/document_modules.py [--check] [MODULE…]

The layout is that of `terraform-docs markdown table` with the settings of `.terraform-docs.yml`,
between its markers (https://terraform-docs.io/reference/markdown-table/): who has the tool may run
it. It is a program in Go that no registry of ours holds, so lint does not depend on it.

`--check` writes nothing, and fails when a README does not say what the module's files say. A
variable or output without a description fails either way.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hcl2

MODULES = Path(__file__).resolve().parent.parent / "modules"
BEGIN = "<!-- BEGIN_TF_DOCS -->"
END = "<!-- END_TF_DOCS -->"
REGISTRY = "https://registry.terraform.io/providers/hashicorp"

_AS_WRITTEN = hcl2.SerializationOptions(
    strip_string_quotes=True, preserve_heredocs=False, explicit_blocks=False, with_comments=False
)
_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


class UndocumentedError(Exception):
    """A module cannot be documented as it stands; the text says why."""


def reference(module: Path) -> str:
    """Return what a module needs, makes, takes and gives, as Markdown tables.

    Raises:
        UndocumentedError: A variable or an output has no description.
    """
    files = [_loaded(path) for path in sorted(module.glob("*.tf"))]
    types = _types(module)
    resources = sorted(_resources(files))
    versions = dict(_requirements(files))
    used = sorted({kind.partition("_")[0] for _, kind, _ in resources})
    inputs = [
        (
            name,
            _described(module, name, of),
            _code(types.get(name, "any")),
            _code(json.dumps(of["default"], indent=2, sort_keys=True))
            if "default" in of
            else "n/a",
            "no" if "default" in of else "yes",
        )
        for name, of in sorted(_blocks(files, "variable"))
    ]
    outputs = [
        (name, _described(module, name, of)) for name, of in sorted(_blocks(files, "output"))
    ]
    modules = [(name, of["source"], "n/a") for name, of in sorted(_blocks(files, "module"))]
    providers = [(name, versions.get(name, "n/a")) for name in used]
    sections = (
        ("Requirements", ("Name", "Version"), list(versions.items())),
        ("Providers", ("Name", "Version"), providers),
        ("Modules", ("Name", "Source", "Version"), modules),
        ("Resources", ("Name", "Type"), [_linked(*one) for one in resources]),
        ("Inputs", ("Name", "Description", "Type", "Default", "Required"), inputs),
        ("Outputs", ("Name", "Description"), outputs),
    )
    return "\n\n".join(
        f"## {title}\n\n{_table(head, rows) if rows else f'No {title.lower()}.'}"
        for title, head, rows in sections
    )


def documented(readme: str, tables: str) -> str:
    """Return a README with the part between its markers replaced.

    Raises:
        UndocumentedError: The README lacks a marker.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UndocumentedError(f"lacks the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{tables}\n{END}{after}"


def _loaded(path: Path) -> Mapping[str, Any]:
    with path.open() as file:
        content: Mapping[str, Any] = hcl2.load(file, serialization_options=_AS_WRITTEN)
    return content


def _blocks(files: Iterable[Mapping[str, Any]], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for content in files:
        for block in content.get(kind, []):
            yield from block.items()


def _requirements(files: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Terraform and the providers, with the versions that the module asks for."""
    for content in files:
        for block in content.get("terraform", []):
            yield "terraform", block["required_version"]
            for providers in block.get("required_providers", []):
                yield from ((name, of["version"]) for name, of in sorted(providers.items()))


def _resources(files: Iterable[Mapping[str, Any]]) -> Iterator[tuple[bool, str, str]]:
    """Whether it is a data source, type and name of each."""
    for is_data, keyword in ((False, "resource"), (True, "data")):
        for kind, named in _blocks(files, keyword):
            yield from ((is_data, kind, name) for name in named)


def _linked(is_data: bool, kind: str, name: str) -> tuple[str, str]:
    provider, _, page = kind.partition("_")
    folder, told = ("data-sources", "data source") if is_data else ("resources", "resource")
    return f"[{kind}.{name}]({REGISTRY}/{provider}/latest/docs/{folder}/{page})", told


def _types(module: Path) -> dict[str, str]:
    """Types of variables as they are written, which a parser would not keep."""
    found = {}
    for path in module.glob("*.tf"):
        for name, body in re.findall(
            r'^variable "(\w+)" \{\n(.*?)^\}', path.read_text(), re.MULTILINE | re.DOTALL
        ):
            if start := re.search(r"^  type\s+= ", body, re.MULTILINE):
                found[name] = _expression(body[start.end() :])
    return found


def _expression(text: str) -> str:
    """An expression's text: up to the first end of a line outside all brackets."""
    depth = 0
    for end, character in enumerate(text):
        depth += _BRACKETS.get(character, 0)
        if character == "\n" and depth == 0:
            return text[:end]
    return text


def _described(module: Path, name: str, block: Mapping[str, Any]) -> str:
    text = str(block.get("description", "")).replace('\\"', '"').strip()
    if not text:
        raise UndocumentedError(f"{module.name}: {name} has no description")
    lines = [line.strip() for line in text.splitlines()]
    return "<br/>".join(lines).replace("|", "\\|")


def _default(variable: Mapping[str, Any]) -> str:
    if "default" not in variable:
        return "n/a"
    return _code(json.dumps(variable["default"], indent=2, sort_keys=True))


def _code(expression: str) -> str:
    """An expression in a cell: one line as code, several preformatted."""
    if "\n" not in expression:
        return f"`{expression}`".replace("|", "\\|")
    return f"<pre>{expression.replace(chr(10), '<br/>')}</pre>".replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    rule = tuple(":------:" if cell == "Required" else "-" * len(cell) for cell in head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def main(arguments: list[str] | None = None) -> int:
    """Write or check the READMEs, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("modules", nargs="*", type=Path, help="module folders (default: all)")
    options = parser.parse_args(arguments)
    complaints = []
    for module in options.modules or sorted(path.parent for path in MODULES.glob("*/versions.tf")):
        readme = module / "README.md"
        try:
            text = readme.read_text() if readme.exists() else ""
            wanted = documented(text, reference(module))
        except UndocumentedError as error:
            complaints.append(f"{readme}: {error}")
            continue
        if options.check and wanted != text:
            complaints.append(f"{readme}: run python scripts/document_modules.py")
        elif wanted != text:
            readme.write_text(wanted)
    print("\n".join(complaints), file=sys.stderr, end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
