"""Keep of Streamlit's icon font what the console shows: 16 KB instead of 375 KB for a first visit.

Run it again after another version of Streamlit, or for a new icon; tests/console/test_assets.py
says when. WOFF2 needs Brotli: `.venv/bin/pip install brotli`.
"""

from __future__ import annotations

import hashlib
from io import BytesIO

from fontTools import subset
from fontTools.ttLib import TTFont

from console.icons import FONT, MANIFEST, names_needed, streamlit_font

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"


def ligatures(font: TTFont) -> dict[str, str]:
    """The glyph of each icon by the letters that stand for it."""
    letters = {glyph: chr(code) for code, glyph in font.getBestCmap().items()}
    return {
        "".join(letters.get(one, "?") for one in (first, *found.Component)): found.LigGlyph
        for lookup in font["GSUB"].table.LookupList.Lookup
        for table in lookup.SubTable
        for first, ligatures in getattr(table, "ExtSubTable", table).ligatures.items()
        for found in ligatures
    }


def main() -> None:
    """Write the font, and a file with its digest and the names of its icons."""
    font = TTFont(streamlit_font())
    known = ligatures(font)
    names = sorted(name for name in names_needed() if name in known)
    # Without closure: the letters alone would keep every icon.
    options = subset.Options(layout_closure=False, layout_features=["*"], notdef_outline=True)
    chosen = subset.Subsetter(options)
    chosen.populate(glyphs=[known[name] for name in names], text=_LETTERS)
    chosen.subset(font)
    font.flavor = "woff2"
    written = BytesIO()
    font.save(written)
    FONT.write_bytes(written.getvalue())
    digest = hashlib.sha256(written.getvalue()).hexdigest()
    MANIFEST.write_text("\n".join((digest, *names)) + "\n")
    print(f"{FONT}: {len(names)} icons, {len(written.getvalue()):,} bytes")


if __name__ == "__main__":
    main()
