"""Processes that read documents, for an emulator that must import none of what they need."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from localcloud.textract.errors import TextractError


class Readers:
    """A few processes of `localcloud.textract.reader`, started when they are needed."""

    def __init__(self, python: str, path: str, count: int = 2) -> None:
        self._command = [python, "-m", "localcloud.textract.reader"]
        self._environment = {**os.environ, "PYTHONPATH": path}
        self._idle: queue.Queue[subprocess.Popen[bytes] | None] = queue.Queue()
        for _ in range(count):
            self._idle.put(None)

    def read(self, content: bytes, *, synchronous: bool) -> dict[str, Any]:
        """The answer to a document; waits for a process that has nothing to do.

        Raises:
            TextractError: Textract would refuse it.
        """
        process = self._idle.get()
        try:
            if process is None or process.poll() is not None:
                process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=self._environment,
                )
            said = _ask(process, content, synchronous=synchronous)
        finally:
            self._idle.put(process)
        if "error" in said:
            raise TextractError(said["error"], said["message"])
        return dict(said["answer"])


def _ask(process: subprocess.Popen[bytes], content: bytes, *, synchronous: bool) -> dict[str, Any]:
    assert process.stdin
    assert process.stdout
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "document"
        path.write_bytes(content)
        request = {"path": str(path), "synchronous": synchronous}
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = b""
    if not line:
        process.kill()
        return {"error": "InternalServerError", "message": "the reader died"}
    return dict(json.loads(line))
