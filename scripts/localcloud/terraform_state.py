"""Terraform's state over HTTP, for deployments that nobody needs when they fail.

The local backend writes the whole state after each change: with 490 resources, more than half of
the processor time of a destruction. The http backend writes it every 20 seconds, and at the end.
https://developer.hashicorp.com/terraform/language/backend/http
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree

from localcloud.settings import REPOSITORY
from localcloud.terraform import ADDRESS_OF_STATE, Terraform


@contextmanager
def over_http(terraform: Terraform) -> Iterator[Terraform]:
    """The same root, variables and state file, which is behind by up to 20 seconds meanwhile.

    Args:
        terraform: Of a root in a folder of `environments/`; to be initialised again afterwards.
    """
    top = terraform.folder / "over-http"
    root = top / terraform.root.relative_to(REPOSITORY)
    rmtree(top, ignore_errors=True)
    copytree(terraform.root, root, ignore=ignore_patterns(".terraform*"))
    for folder in ("modules", "build"):
        (top / folder).symlink_to(REPOSITORY / folder)
    (root / "backend_override.tf").write_text('terraform {\n  backend "http" {}\n}\n')
    with _served(terraform.state) as address:
        environ = {**terraform.environ, ADDRESS_OF_STATE: address}
        made = replace(terraform, root=root, environ=environ)
        made.init()
        yield made


@contextmanager
def _served(state: Path) -> Iterator[str]:
    """The address of a state file while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(state.read_bytes() if state.exists() else b"")

        def do_POST(self) -> None:
            written = state.with_suffix(".new")
            written.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            written.replace(state)
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200 if body else 204)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Terraform says itself what it does."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
