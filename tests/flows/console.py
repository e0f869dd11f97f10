"""The console in a browser, used as people use it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    FilePayload,
    Locator,
    Page,
    expect,
    sync_playwright,
)
from playwright.sync_api import Error as PlaywrightError

from localcloud.settings import REPOSITORY
from tests.flows.deployment import eventually

# Without a graphics card, a page that moves takes half a core.
_STILL = """
addEventListener("DOMContentLoaded", () => {
  const style = document.createElement("style");
  style.textContent =
    "*, ::before, ::after { animation: none !important; transition: none !important }";
  document.head.append(style);
});
"""
# Milliseconds between looks at a page; at each frame, otherwise.
_LOOKS = 100

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Milliseconds that a page may take.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)
_HEADER, _ROW = 36, 35


def free_address() -> str:
    """A free local address for a console."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@contextmanager
def running_console(
    endpoint_url: str, folder: Path, *, url: str = "", **variables: str
) -> Iterator[str]:
    """The console of the local cloud at this endpoint; gives its address."""
    url = url or free_address()
    environment = os.environ | {
        "AWS_ENDPOINT_URL": endpoint_url,
        "CONSOLE_PORT": url.rpartition(":")[2],
        "FINOPS_ENV": "local",
        **variables,
    }
    with (folder / "console.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "console"],
            cwd=REPOSITORY,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: _answers(f"{url}/_stcore/health"), every=0.1, what=f"console at {url}")
        yield url
    finally:
        server.terminate()
        server.wait(120)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:
            return bool(answer.status == 200)
    except URLError:
        return False


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert program, f"none of {', '.join(BROWSERS)} is installed: scripts/bootstrap browser"
    with sync_playwright() as playwright:
        # Containers run tests as root, for whom Chromium has no sandbox.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def click_until(control: Locator, wanted: Locator, **options: Any) -> None:
    """Click until what the click leads to is there.

    A page that is being drawn can lose a click, and one that is still being left can undo it.
    """

    def is_there() -> bool:
        with suppress(PlaywrightError):
            control.click(timeout=PATIENCE / 4, **options)
        with suppress(AssertionError):
            expect(wanted).to_be_attached(timeout=PATIENCE / 4)
        return wanted.count() > 0

    eventually(is_there, within=3 * PATIENCE / 1000, what=f"{wanted} after a click on {control}")


def choose_until(area: Locator, files: list[FilePayload]) -> None:
    """Choose files in an upload area until their names are there.

    A page that is being drawn can lose them.
    """
    last = area.page.get_by_text(files[-1]["name"]).filter(visible=True).first

    def is_there() -> bool:
        area.set_input_files(files)
        with suppress(AssertionError):
            expect(last).to_be_visible(timeout=PATIENCE / 4)
        return last.is_visible()

    eventually(is_there, within=3 * PATIENCE / 1000, what=f"{files[-1]['name']} in {area}")


@dataclass
class Visitor:
    """A person with a browser of their own.

    Attributes:
        page: The tab.
        problems: Errors of the pages' scripts.
    """

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)

    @classmethod
    def come(
        cls, browser: Browser, url: str, *, name: str, role: str, path: str = "", **settings: Any
    ) -> Visitor:
        """Open the console at a path, and sign in."""
        tab = browser.new_context(locale="en-GB", **settings).new_page()
        tab.add_init_script(_STILL)
        visitor = cls(tab, url)
        visitor.page.set_default_timeout(PATIENCE)
        visitor.page.on("pageerror", lambda error: visitor.problems.append(str(error)))
        visitor.page.on("console", visitor.hear)
        visitor.page.goto(f"{url}/{path}")
        visitor.sign_in(name, role)
        return visitor

    def sign_in(self, name: str, role: str) -> None:
        """Choose who one is, on the local cloud."""
        self.page.get_by_role("textbox", name="Name").fill(name)
        self.page.get_by_text(role, exact=True).click()
        click_until(
            self.page.get_by_role("button", name="Sign in"),
            self.page.get_by_text("All times are UTC"),
        )
        self.settle()

    def hear(self, message: ConsoleMessage) -> None:
        """Keep what the browser says of a page that does what its own policy forbids."""
        if "Content Security Policy" in message.text:
            self.problems.append(message.text)

    def go(self, title: str) -> None:
        """Open a page by the menu."""
        click_until(
            self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=title),
            self.page.get_by_role("heading", name=title, level=1),
        )
        self.settle()

    def settle(self) -> None:
        """Wait until the page has been drawn."""
        self.page.wait_for_function(
            "document.querySelector('[data-testid=stApp]')"
            ".getAttribute('data-test-script-state') === 'notRunning'"
            " && !document.querySelector('[data-testid=stSkeleton]')",
            polling=_LOOKS,
        )

    def violations(self) -> str:
        """What axe finds that people with disabilities cannot use; empty for nothing.

        Parts of a page that are being drawn again are faint for a moment: what counts lasts.
        """
        for _ in range(5):
            found = Axe().run(self.page)
            if not found.violations_count:
                return ""
            self.page.wait_for_timeout(1000)
        return str(found.generate_report())

    def drop(self, **files: bytes) -> None:
        """Choose files in the page's first upload area; `__` in a name stands for a dot."""
        chosen: list[FilePayload] = [
            {
                "name": name.replace("__", "."),
                "mimeType": "application/octet-stream",
                "buffer": content,
            }
            for name, content in files.items()
        ]
        self.page.locator(".zone input").first.set_input_files(chosen)

    def sees(self, text: str) -> None:
        """The text is, or comes, on the page."""
        # Tables repeat their text for screen readers, where it is not visible.
        found = self.page.get_by_text(text).filter(visible=True)
        expect(found.first).to_be_visible()

    def press(self, name: str, *, then: str | Locator) -> None:
        """Press a button until the text or element is there."""
        if isinstance(then, str):
            then = self.page.get_by_text(then).filter(visible=True).first
        click_until(self.button(name), then)

    def sees_rows(self, count: int, text: str = "") -> None:
        """The page's first table has, or gets, so many rows; the text is in one of them."""
        grid = self.page.get_by_test_id("stDataFrame").first.locator("[role=grid]")
        expect(grid).to_contain_text(text)
        expect(grid).to_have_attribute("aria-rowcount", str(count + 1))
        self.settle()

    def sees_no(self, text: str) -> None:
        """The text is not on the page."""
        expect(self.page.get_by_text(text)).to_have_count(0)

    def button(self, name: str) -> Locator:
        """A button by its label."""
        return self.page.get_by_role("button", name=name, exact=True)

    def field(self, name: str) -> Locator:
        """A text field by the start of its label."""
        return self.page.get_by_role("textbox", name=re.compile(f"^{name}( |$)"))

    def enter(self, name: str, text: str) -> None:
        """Type into a field, and press Enter."""
        self.field(name).fill(text)
        self.page.keyboard.press("Enter")

    def choose_row(self, *, then: str) -> None:
        """Tick the box to the left of the first row in the page's first table."""
        grid = self.page.get_by_test_id("stDataFrame").first
        # Tables are painted: there is no element to click.
        seen = self.page.get_by_text(then).filter(visible=True).first
        click_until(grid, seen, position={"x": 16, "y": _HEADER + _ROW * 0.5})
        self.settle()

    def has_cell(self, column: int, text: str, row: int = 0) -> None:
        """A cell of the page's first table holds, or gets, this text; counted from 0."""
        grid = self.page.get_by_test_id("stDataFrame").first
        expect(grid.get_by_test_id(f"glide-cell-{column}-{row}")).to_have_text(text)

    def type_into(self, column: int, text: str, row: int = 0) -> None:
        """Type into a cell of the page's first table, whose columns are counted from 0."""
        grid = self.page.get_by_test_id("stDataFrame").first
        editor = self.page.locator(".gdg-input")

        def is_open() -> bool:
            # A table that is drawn anew meanwhile loses what was selected.
            with suppress(PlaywrightError, AssertionError):
                grid.click(position={"x": 40, "y": _HEADER + _ROW * (row + 0.5)})
                for at in range(column + 1):
                    if at:
                        self.page.keyboard.press("ArrowRight")
                    cell = grid.get_by_test_id(f"glide-cell-{at}-{row}")
                    expect(cell).to_have_attribute("aria-selected", "true", timeout=PATIENCE / 4)
                self.page.keyboard.press("Enter")
                expect(editor).to_be_visible(timeout=PATIENCE / 4)
            return editor.is_visible()

        eventually(is_open, within=3 * PATIENCE / 1000, what=f"the field of cell {column}, {row}")
        editor.fill(text)
        self.page.keyboard.press("Enter")

    def download(self, name: str) -> bytes:
        """The file that a button downloads."""
        with self.page.expect_download() as given:
            self.page.get_by_role("button", name=name).click()
        return Path(given.value.path()).read_bytes()

    def leave(self) -> None:
        """Close the browser's tab; fails if a script of a page has failed."""
        self.page.context.close()
        assert not self.problems
