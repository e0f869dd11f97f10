"""Draws HTML as a picture, by Chromium."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")


def draw(html: str, picture: Path, *, width: int, height: int) -> None:
    """Write a PNG of the page's beginning.

    Args:
        html: The page, whole in itself.
        picture: Where to.
        width: In pixels.
        height: In pixels; what is below is left out.

    Raises:
        FileNotFoundError: there is no Chromium.
    """
    browser = next((found for one in _BROWSERS if (found := shutil.which(one))), None)
    if browser is None:
        raise FileNotFoundError("there is no Chromium: scripts/bootstrap browser")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(html, encoding="utf-8")
        subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu"),
                f"--window-size={width},{height}",
                f"--screenshot={picture.resolve()}",
                file.as_uri(),
            ],
            check=True,
            capture_output=True,
        )
