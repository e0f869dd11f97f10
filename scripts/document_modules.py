"""Write each module's inputs and outputs into its README, between two markers.

    python scripts/document_modules.py [--check] [MODULE…]

`--check` writes nothing, and fails when a README does not say what the module's files say. A
variable or output without a description fails either way.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hcl2

MODULES = Path(__file__).resolve().parent.parent / "modules"
BEGIN = "<!-- inputs and outputs: written by scripts/document_modules.py -->"
END = "<!-- end of inputs and outputs -->"

_AS_WRITTEN = hcl2.SerializationOptions(
    strip_string_quotes=True, preserve_heredocs=False, explicit_blocks=False, with_comments=False
)


class UndocumentedError(Exception):
    """A module cannot be documented as it stands; the text says why."""


def reference(module: Path) -> str:
    """Return the inputs and outputs of a module as Markdown tables.

    Raises:
        UndocumentedError: A variable or an output has no description.
    """
    inputs = [
        (f"`{name}`", _described(module, name, of), _code(of.get("type", "any")), _default(of))
        for name, of in sorted(_blocks(module, "variable"), key=lambda block: "default" in block[1])
    ]
    outputs = [
        (f"`{name}`", _described(module, name, of)) for name, of in _blocks(module, "output")
    ]
    return "\n\n".join(
        [
            "## Inputs",
            _table(("name", "what it is", "type", "default"), inputs),
            "## Outputs",
            _table(("name", "what it is"), outputs),
        ]
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
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def _blocks(module: Path, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path in sorted(module.glob("*.tf")):
        with path.open() as file:
            content = hcl2.load(file, serialization_options=_AS_WRITTEN)
        for block in content.get(kind, []):
            yield from block.items()


def _described(module: Path, name: str, block: Mapping[str, Any]) -> str:
    text = " ".join(str(block.get("description", "")).replace('\\"', '"').split())
    if not text:
        raise UndocumentedError(f"{module.name}: {name} has no description")
    return text.replace("|", "\\|")


def _default(variable: Mapping[str, Any]) -> str:
    return _code(json.dumps(variable["default"])) if "default" in variable else "**required**"


def _code(expression: str) -> str:
    text = expression.removeprefix("${").removesuffix("}") if "${" in expression else expression
    return f"`{text}`".replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


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
