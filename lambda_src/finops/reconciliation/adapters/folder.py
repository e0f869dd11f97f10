"""A folder of this machine: reports, and answers of Cost Explorer."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any


class Folder:
    """`ReportFiles` in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self, prefix: str) -> Iterator[str]:
        for path in sorted((self._folder / prefix).rglob("*")):
            if path.is_file():
                yield path.relative_to(self._folder).as_posix()

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        self._whole(name, content, lambda temporary, path: temporary.replace(path))

    def create(self, name: str, content: bytes) -> bool:
        try:
            # A link is made whole, and never over another file.
            self._whole(name, content, lambda temporary, path: path.hardlink_to(temporary))
        except FileExistsError:
            return False
        return True

    def location(self, name: str) -> str:
        return str(self._folder / name)

    def _whole(self, name: str, content: bytes, put: Callable[[Path, Path], Any]) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            put(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


class FolderCache:
    """`AnswerCache` in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._files = Folder(folder)

    def get(self, key: str) -> Mapping[str, Any] | None:
        """A stored answer; one that cannot be read is asked for again."""
        try:
            answer: Mapping[str, Any] = json.loads(self._files.read(f"{key}.json"))
        except (FileNotFoundError, ValueError):
            return None
        return answer

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        self._files.write(f"{key}.json", json.dumps(answer, separators=(",", ":")).encode())
