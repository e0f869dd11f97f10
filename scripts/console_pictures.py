"""Draw the console's pictures: the overview, a review in dark mode, and one on a phone.

    scripts/console_pictures.py docs/images

It starts a console of the local cloud, as `make demo` leaves it, and signs in as an approver. It
needs Chromium, as the tests of the console do.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from finops.deployment.environment import LOCAL, named_environment

_REPOSITORY: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture of a page.

    Attributes:
        shows: Text of the page that comes last.
        width: Of the browser's window, in pixels, as the height.
    """

    name: str
    path: str
    shows: str
    width: int
    height: int
    scheme: str = "light"


PICTURES: Final = (
    Picture(
        name="console-overview", path="", shows="so far have no budget", width=1400, height=900
    ),
    Picture(
        name="console-review",
        path="invoice",
        shows="In the document",
        width=1400,
        height=900,
        scheme="dark",
    ),
    Picture(name="console-phone", path="invoice", shows="In the document", width=390, height=844),
)


def main() -> int:
    """Draw them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(_REPOSITORY))
    console = importlib.import_module("tests.flows.console")
    endpoint = named_environment(LOCAL).endpoint_url
    with (
        tempfile.TemporaryDirectory() as logs,
        console.running_console(endpoint, Path(logs)) as url,
        console.running_browser() as browser,
    ):
        for one in PICTURES:
            visitor = console.Visitor.come(
                browser,
                url,
                name="anna",
                role="Approver",
                path=one.path,
                color_scheme=one.scheme,
                viewport={"width": one.width, "height": one.height},
            )
            file = options.folder / f"{one.name}.png"
            visitor.sees(one.shows)
            visitor.page.wait_for_load_state("networkidle")
            visitor.settle()
            # What is still drawn again is faint.
            visitor.page.wait_for_function("!document.querySelector('[data-stale=true]')")
            visitor.page.screenshot(path=file)
            visitor.leave()
            print(file)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
