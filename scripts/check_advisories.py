"""No pinned package has a vulnerability that its index knows of.

    scripts/check_advisories.py

Exits with 77 where the index can't be reached, or is a mirror that knows no vulnerabilities.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
#: Everything that runs in Lambda, beside it and in the console is pinned to versions of the first.
FILES: Final = ("dev.txt", "emulator.txt")
_SKIPPED: Final = 77


def audited(requirements: str) -> list[dict[str, Any]] | None:
    """What the index says about each package of a requirements file; None if it says nothing."""
    command = [
        *(
            str(ROOT / ".local/scanners-venv/bin/pip-audit"),
            "--disable-pip",
            "--no-deps",
            "--timeout",
            "5",
        ),
        *("--progress-spinner", "off", "--format", "json", "--requirement", "/dev/stdin"),
    ]
    done = subprocess.run(command, input=requirements, capture_output=True, text=True, check=False)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None
    return None if all("skip_reason" in one for one in found) else found


def main() -> int:
    """Print each vulnerability; 1 if there are any."""
    pins = sorted(
        {
            line.split()[0]
            for name in FILES
            for line in (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
            if "==" in line and not line.startswith(("#", " "))
        }
    )
    # One package tells whether the rest is worth asking for.
    found = audited("urllib3==2.0.0\n") and audited("\n".join(pins))
    if found is None:
        print("the package index can't be reached, or knows no vulnerabilities")
        return _SKIPPED
    complaints = [
        f"{one['name']} {one['version']}: {', '.join([known['id'], *known['aliases']])}"
        f" (fixed in {', '.join(known['fix_versions']) or 'no version yet'})"
        for one in found
        for known in one.get("vulns", ())
    ]
    print("\n".join(complaints), end="\n" if complaints else "")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
