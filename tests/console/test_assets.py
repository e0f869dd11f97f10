"""What a first visit loads: a font with the icons that pages use."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pyarrow as pa
import pytest
import streamlit as installed
from anyio.from_thread import start_blocking_portal
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from console.assets import CompressedAssets, LightIcons, LightPages
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


def test_streamlits_page_loads_no_font_that_the_theme_does_not_use() -> None:
    page = Path(installed.__file__).parent / "static" / "index.html"
    assert b'rel="preload"' in page.read_bytes()
    answer = get(LightPages(answering(lambda _: FileResponse(page))), "http://127.0.0.1/budgets")
    assert "SourceSans" not in answer.text
    assert 'rel="preload"' not in answer.text
    assert answer.text.endswith("</html>\n")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    left = page.read_text().count("<link") - answer.text.count("<link")
    assert left == 1


def test_streamlits_styles_declare_no_such_font() -> None:
    (styles,) = (Path(installed.__file__).parent / "static" / "static" / "css").glob("index.*.css")
    app = CompressedAssets(answering(lambda _: FileResponse(styles)))
    url = f"http://127.0.0.1/static/css/{styles.name}"
    answer = get(app, url, **{"Accept-Encoding": "gzip"})
    assert "SourceSans" not in answer.text
    before, after = (one.split("@font-face{") for one in (styles.read_text("utf-8"), answer.text))
    gone = [one for one in before if one not in after]
    assert len(before) - len(after) == len(gone) == 2
    assert all("font-family:Source Sans;" in one for one in gone)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip, deflate, br, zstd", "br"), ("gzip, deflate", "gzip"), ("br", "br"), ("zstd", None)],
)
def test_scripts_are_compressed_as_the_browser_accepts(accepted: str, coding: str | None) -> None:
    script = b"export const one = 1;\n" * 1000
    app = CompressedAssets(answering(lambda _: Response(script, media_type="text/javascript")))

    async def visit() -> tuple[httpx.Headers, bytes]:
        headers = {"Accept-Encoding": accepted}
        transport = httpx.ASGITransport(app)
        async with (
            httpx.AsyncClient(transport=transport) as browser,
            browser.stream("GET", "http://localhost/static/js/a.js", headers=headers) as answer,
        ):
            return answer.headers, b"".join([one async for one in answer.aiter_raw()])

    for _ in range(2):  # made, and kept
        with start_blocking_portal() as portal:
            headers, sent = portal.call(visit)
        assert headers.get("Content-Encoding") == coding
        assert int(headers["Content-Length"]) == len(sent)
        if coding:
            assert headers["Vary"] == "Accept-Encoding"
            assert len(sent) < len(script) / 10
            codec = pa.Codec({"br": "brotli"}.get(coding, coding))
            sent = codec.decompress(sent, len(script), asbytes=True)
        assert sent == script


@pytest.mark.parametrize(
    "sent",
    [
        HTMLResponse("<p>no such link</p>"),
        PlainTextResponse('<link rel="preload" href="SourceSans.woff2">'),
        HTMLResponse(status_code=304),
        Response(b"\x00", media_type="font/woff2"),
    ],
)
def test_every_other_answer_passes_as_it_is(sent: Response) -> None:
    answer = get(LightPages(answering(lambda _: sent)), "http://127.0.0.1/")
    assert (answer.status_code, answer.content) == (sent.status_code, sent.body)
    assert answer.headers.get("Content-Length") == sent.headers.get("Content-Length")
