"""What a first visit loads: a font with the icons that pages use."""

from __future__ import annotations

import hashlib

from starlette.responses import PlainTextResponse

from console.assets import LightIcons
from console.icons import FONT, MANIFEST, names_needed, streamlit_font
from tests.console.test_server import get
from tests.console.test_server import streamlit as answering


def test_the_font_has_every_icon_that_pages_name() -> None:
    digest, *known = MANIFEST.read_text().split()
    remedy = "python scripts/subset_icons.py"
    assert hashlib.sha256(FONT.read_bytes()).hexdigest() == digest, remedy
    # The last two are examples in Streamlit's documentation strings.
    assert names_needed() - set(known) <= {"icon_name", "star_filled"}, (
        "python scripts/subset_icons.py"
    )


def test_the_small_font_answers_where_pages_ask_for_streamlits() -> None:
    app = LightIcons(answering(lambda _: PlainTextResponse("the large one")))
    answer = get(app, f"http://127.0.0.1/static/media/{streamlit_font().name}")
    assert (answer.content, answer.headers["Content-Type"]) == (FONT.read_bytes(), "font/woff2")
    assert "max-age" in answer.headers["Cache-Control"]
    assert len(answer.content) < streamlit_font().stat().st_size / 10
    assert get(app, "http://127.0.0.1/static/media/other.woff2").text == "the large one"
