"""What the console's server adds to Streamlit's answers, and what it refuses."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable, Mapping

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from console.assets import CompressedAssets
from console.protection import HEALTH_PATH, Protection, content_security_policy, hosts

SCRIPT = b"let somewhat = 'long';\n" * 100
ON_AWS = {"CONSOLE_URL": "https://console.example.com"}


def streamlit(answer: Callable[[Request], Response]) -> ASGIApp:
    """An application that answers so."""

    async def app(scope, receive, send):  # type: ignore[no-untyped-def]
        await answer(Request(scope))(scope, receive, send)

    return app


def get(app: ASGIApp, url: str, **headers: str) -> httpx.Response:
    async def visit() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as browser:
            return await browser.get(url, headers=headers)

    # Playwright's loop may be running in this thread.
    with start_blocking_portal() as portal:
        return portal.call(visit)


@pytest.mark.parametrize(
    ("variables", "url", "status"),
    [
        ({}, "http://127.0.0.1:8501/", 200),
        ({}, "http://localhost:8501/budgets", 200),
        ({}, "http://rebound.example.com:8501/", 400),
        ({}, "http://10.0.0.7:8501/", 400),
        (ON_AWS, "https://console.example.com/", 200),
        (ON_AWS, "https://localhost/", 400),
        (ON_AWS, "https://console.example.com.evil.example.com/", 400),
        (ON_AWS, f"http://10.0.0.7:8501{HEALTH_PATH}", 200),
        (ON_AWS, "https://console.example.com/_stcore/metrics", 404),
        (ON_AWS, "https://console.example.com/_stcore/agent/openapi.json", 404),
    ],
)
def test_only_its_own_hosts_and_open_paths_are_answered(
    variables: Mapping[str, str], url: str, status: int
) -> None:
    app = Protection(streamlit(lambda _: PlainTextResponse("page")), variables)
    answer = get(app, url)
    assert answer.status_code == status
    assert (answer.text == "page") is (status == 200)


def test_every_answer_tells_browsers_what_they_may_do() -> None:
    app = Protection(streamlit(lambda _: PlainTextResponse("page")), ON_AWS)
    for url in ("https://console.example.com/", "https://evil.example.com/"):
        headers = get(app, url).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_pages_connect_to_the_console_and_to_where_files_are_uploaded() -> None:
    assert "connect-src 'self' https://*.amazonaws.com;" in content_security_policy(ON_AWS)
    local = content_security_policy({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"})
    assert "connect-src 'self' http://127.0.0.1:4566;" in local
    assert hosts({}) == ("127.0.0.1", "localhost")


def test_scripts_are_compressed_once_and_are_what_they_were() -> None:
    asked = []

    def answer(request: Request) -> Response:
        asked.append(request.url.path)
        return Response(SCRIPT, headers={"Cache-Control": "immutable", "ETag": '"one"'})

    app = CompressedAssets(streamlit(answer))
    for _ in range(2):
        found = get(app, "http://localhost/static/js/index.js", **{"Accept-Encoding": "gzip"})
        assert found.content == SCRIPT
        assert int(found.headers["content-length"]) == len(gzip.compress(SCRIPT))
        assert found.headers["vary"] == "Accept-Encoding"
        assert found.headers["cache-control"] == "immutable"
        assert "etag" not in found.headers
    assert asked == ["/static/js/index.js"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/static/js/index.js", {"Accept-Encoding": "identity"}),
        ("/static/js/index.js", {"Accept-Encoding": "gzip", "Range": "bytes=0-9"}),
        ("/static/media/font.woff2", {"Accept-Encoding": "gzip"}),
        ("/media/invoice.pdf", {"Accept-Encoding": "gzip"}),
    ],
)
def test_everything_else_passes_as_it_is(path: str, headers: Mapping[str, str]) -> None:
    app = CompressedAssets(streamlit(lambda _: Response(SCRIPT)))
    found = get(app, f"http://localhost{path}", **headers)
    assert found.content == SCRIPT
    assert "content-encoding" not in found.headers


def test_what_is_not_there_is_not_kept() -> None:
    answers = iter([Response("Not found", 404), Response(SCRIPT)])
    app = CompressedAssets(streamlit(lambda _: next(answers)))
    url, headers = "http://localhost/static/js/a.js", {"Accept-Encoding": "gzip"}
    assert get(app, url, **headers).status_code == 404
    assert get(app, url, **headers).content == SCRIPT


def test_whoever_comes_first_waits_for_no_imports() -> None:
    code = """
import sys
import console.server
before = set(sys.modules)
from console.pages import PAGES
print(sorted(set(sys.modules) - before), len(PAGES))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[] 9\n"
