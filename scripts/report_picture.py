"""Draw the beginning of a reconciliation report as a picture.

    scripts/report_picture.py docs/images/report.png [--report REPORT.html]

Without --report it is of the sample report that the tests render. It needs Chromium, as the tests
of the console do.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from browser_picture import draw
from finops.reconciliation.rendering import render

_REPOSITORY = Path(__file__).resolve().parents[1]


def main() -> int:
    """Draw it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("--report", type=Path, help="an HTML report")
    parser.add_argument("--size", type=int, nargs=2, default=(1000, 850), help="in pixels")
    options = parser.parse_args()
    html = options.report.read_text(encoding="utf-8") if options.report else sample()
    width, height = options.size
    try:
        draw(html, options.picture, width=width, height=height)
    except FileNotFoundError as error:
        parser.error(str(error))
    print(options.picture)
    return 0


def sample() -> str:
    """The sample report of a closed month."""
    sys.path.insert(0, str(_REPOSITORY))
    made = importlib.import_module("tests.reconciliation.sample_report").sample_report()
    return render(made, "html").decode()


if __name__ == "__main__":
    raise SystemExit(main())
