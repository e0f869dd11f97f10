"""What containers are made of is pinned by digest: a tag is whatever somebody pushes to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localcloud.settings import REPOSITORY

_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE | re.MULTILINE)
_PINNED = re.compile(r".+@sha256:[0-9a-f]{64}")
DOCKERFILES = sorted(
    path
    for pattern in ("*Dockerfile", "*/*Dockerfile", "*/*/*Dockerfile")
    for path in REPOSITORY.glob(pattern)
    if not path.relative_to(REPOSITORY).parts[0].startswith(".")
)


def unpinned(text: str) -> list[str]:
    """The base images without a digest; earlier stages and `scratch` have none."""
    stages = {"scratch"}
    found = []
    for image, stage in _FROM.findall(text):
        if image not in stages and not _PINNED.fullmatch(image):
            found.append(image)
        stages.add(stage)
    return found


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_base_images_are_pinned(path: Path) -> None:
    assert unpinned(path.read_text(encoding="utf-8")) == []


def test_the_consoles_image_is_among_them() -> None:
    assert REPOSITORY / "console" / "Dockerfile" in DOCKERFILES


def test_an_image_that_is_not_pinned_is_named() -> None:
    digest = f"sha256:{'0' * 64}"
    text = f"""
        FROM python:3.13 AS build
        from --platform=linux/arm64 python@{digest} AS run
        FROM build
        FROM python@{digest[:-1]}
        FROM $BASE
    """
    assert unpinned(text) == ["python:3.13", f"python@{digest[:-1]}", "$BASE"]
    assert unpinned(f"FROM python:3.13-slim@{digest} AS one\nFROM one\nFROM scratch\n") == []
