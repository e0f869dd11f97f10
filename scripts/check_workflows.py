"""Both state machines by tools that are not ours: asl-validator, and the reference JSONata.

Terraform itself renders the definitions. asl-validator knows AWS's States Language, and JSONata's
reference implementation is what AWS's own behaves as. npm fetches both once into .local. Without
npm or a registry the check is skipped, and says so. Whether paths end as they should is tested by
`make engines` and the flows.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("asl-validator@4.0.0", "jsonata@2.2.2")
FOLDER: Final = ROOT / ".local" / "-".join(PACKAGES).replace("@", "-")

#: Where the definition of each state machine is, and the settings that its text needs.
WORKFLOWS: Final[Mapping[str, tuple[Path, dict[str, Any]]]] = {
    "billing": (
        ROOT / "modules" / "billing" / "main.tf",
        {"loading": {"chunk_concurrency": 10}},
    ),
    "invoices": (
        ROOT / "modules" / "invoices" / "workflow.tf",
        {"extraction": {"timeout_seconds": 3600}, "review": {"days": 14}},
    ),
}

_CHECK: Final = r"""
const fs = require('fs');
const validate = require('asl-validator');
const jsonata = require('jsonata');
const found = [];
const walk = (value, path) => {
  if (typeof value === 'string' && value.startsWith('{%')) {
    try { jsonata(value.slice(2, -2)); } catch (error) { found.push(`${path}: ${error.message}`); }
  } else if (value && typeof value === 'object') {
    for (const key in value) walk(value[key], `${path}.${key}`);
  }
};
const definition = JSON.parse(fs.readFileSync(0));
const { isValid, errors } = validate(definition, { checkPaths: true, checkArn: true });
if (!isValid) found.push(...errors.map(one => JSON.stringify(one)));
walk(definition, 'definition');
process.stdout.write(JSON.stringify(found));
"""


def fetch() -> str:
    """Fetch the npm packages unless they are there. Returns why that is not possible, if so."""
    if (FOLDER / "ready").is_file():
        return ""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return "npm is not installed"
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    command += ["--no-save", "--no-package-lock", "--fetch-retries=0", f"--prefix={FOLDER}"]
    done = subprocess.run([*command, *PACKAGES], capture_output=True, check=False, timeout=300)
    if done.returncode:
        return "npm cannot reach the packages"
    (FOLDER / "ready").touch()
    return ""


def definition(name: str) -> dict[str, Any]:
    """The definition of one state machine, rendered by Terraform with invented functions."""
    path, variables = WORKFLOWS[name]
    text = path.read_text(encoding="utf-8")
    template = re.search(r'templatefile\("\$\{path\.module\}/([^"]+)"', text)
    assert template
    asl = path.parent / template[1]
    names = set(re.findall(r'module\.function\["([a-z-]+)"\]', text))
    names |= {
        one.replace("_", "-")
        for one in re.findall(r'functions\["(\w+)"\]', asl.read_text(encoding="utf-8"))
    }
    arn = "arn:aws:lambda:eu-west-1:111111111111:function:finops-"
    needed = {
        "function": {one: {"function_arn": arn + one} for one in sorted(names)},
        "var": variables,
    }
    expression = _call(text, text.index("templatefile("))
    own_locals = _call(text, text.index("locals {")) if "local." in expression else ""
    for reference in ("module.function", "var."):
        stubbed = reference.replace("module.", "local.").replace("var.", "local.var.")
        expression = expression.replace(reference, stubbed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copy(asl, root)
        (root / "needed.tf.json").write_text(json.dumps({"locals": needed}), encoding="utf-8")
        rendered = f"locals {{\n  rendered = {expression}\n}}\n"
        (root / "main.tf").write_text(own_locals + "\n" + rendered, encoding="utf-8")
        environment = os.environ | {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
        done = subprocess.run(
            ["terraform", "console"],
            input="local.rendered\n",
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise ValueError(f"{asl.relative_to(ROOT)} cannot be rendered: {done.stderr}")
    return dict(json.loads(done.stdout[done.stdout.index("{") : done.stdout.rindex("}") + 1]))


def _call(text: str, start: int) -> str:
    """The text from `start` to the bracket that closes the first one after it."""
    depth = 0
    for index in range(text.index("(" if text[start] == "t" else "{", start), len(text)):
        depth += (text[index] in "({[") - (text[index] in ")}]")
        if depth == 0:
            return text[start : index + 1]
    raise ValueError("a bracket is not closed")


def findings(states: Mapping[str, Any]) -> list[str]:
    """What the two tools find in a definition."""
    done = subprocess.run(
        ["node", "-e", _CHECK],
        input=json.dumps(states),
        env=os.environ | {"NODE_PATH": str(FOLDER / "node_modules")},
        capture_output=True,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


def expressions(value: object) -> Iterator[str]:
    """Every JSONata expression of a definition."""
    if isinstance(value, str) and value.startswith("{%"):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from expressions(one)
    elif isinstance(value, list):
        for one in value:
            yield from expressions(one)


def main() -> int:
    """Check both state machines; 1 where a tool finds something."""
    if reason := fetch():
        print(f"skipped: {reason}")
        return 0
    failed = False
    for name in WORKFLOWS:
        states = definition(name)
        for finding in findings(states):
            print(f"{name}: {finding}")
            failed = True
        print(f"{name}: {len(states['States'])} states, {len([*expressions(states)])} expressions")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
