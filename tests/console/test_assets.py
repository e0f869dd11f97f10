"""What a first visit loads: one font, with the icons that pages use."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest
import streamlit
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse

from console.assets import LightFonts
from console.icons import FONT, MANIFEST, names_needed, streamlit_font
from tests.console.test_server import get
from tests.console.test_server import streamlit as answering

PAGE = Path(streamlit.__file__).parent / "static" / "index.html"


def test_the_font_has_every_icon_that_pages_name() -> None:
    digest, *known = MANIFEST.read_text().split()
    remedy = "python scripts/subset_icons.py"
    assert hashlib.sha256(FONT.read_bytes()).hexdigest() == digest, remedy
    # The last two are examples in Streamlit's documentation strings.
    assert names_needed() - set(known) <= {"icon_name", "star_filled"}, (
        "python scripts/subset_icons.py"
    )


def test_the_small_font_answers_where_pages_ask_for_streamlits() -> None:
    app = LightFonts(answering(lambda _: PlainTextResponse("the large one")))
    answer = get(app, f"http://127.0.0.1/static/media/{streamlit_font().name}")
    assert (answer.content, answer.headers["Content-Type"]) == (FONT.read_bytes(), "font/woff2")
    assert "max-age" in answer.headers["Cache-Control"]
    assert len(answer.content) < streamlit_font().stat().st_size / 10
    assert get(app, "http://127.0.0.1/static/media/other.woff2").text == "the large one"


def test_streamlits_page_asks_for_no_font_that_the_theme_does_not_use() -> None:
    before = PAGE.read_text()
    answer = get(LightFonts(answering(lambda _: FileResponse(PAGE))), "http://127.0.0.1/")
    assert 'as="font"' in before, "Streamlit asks no more: LightFonts can be simpler"
    assert 'as="font"' not in answer.text
    assert len(before) - len(answer.text) < 250, "nothing else is taken out"
    assert int(answer.headers["Content-Length"]) == len(answer.content)


@pytest.mark.parametrize("status", [404, 200])
def test_other_answers_stay_as_they_are(status: int) -> None:
    text = '<link rel="preload" href="x" as="font">'
    kind = HTMLResponse if status == 404 else PlainTextResponse
    answer: httpx.Response = get(
        LightFonts(answering(lambda _: kind(text, status_code=status))), "http://127.0.0.1/"
    )
    assert (answer.status_code, answer.text) == (status, text)
