"""The part of Streamlit's icon font that pages need.

Material Symbols by Google, Apache License 2.0: https://github.com/google/material-design-icons
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import streamlit

_FOLDER: Final = Path(__file__).parent
FONT: Final = _FOLDER / "fonts" / "material-symbols.woff2"
#: The font's SHA-256, then the names of its icons.
MANIFEST: Final = _FOLDER / "fonts" / "material-symbols.txt"
_NAME: Final = re.compile(r":material/([a-z0-9_]+)")
_STREAMLIT: Final = Path(streamlit.__file__).parent


def streamlit_font() -> Path:
    """Streamlit's own font, with every icon."""
    (found,) = _STREAMLIT.glob("static/static/media/MaterialSymbols-Rounded.*.woff2")
    return found


def names_needed() -> set[str]:
    """The icons that the console, and Streamlit's own elements, name."""
    files = (
        *_FOLDER.rglob("*.py"),
        *_STREAMLIT.rglob("*.py"),
        *_STREAMLIT.glob("static/static/js/*.js"),
    )
    return {name for file in files for name in _NAME.findall(file.read_text(errors="replace"))}
