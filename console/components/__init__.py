"""Parts of pages that run in the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What became of a file that somebody chose.

    Attributes:
        key: Where it lies in the bucket; empty where it was refused.
        version_id: Which version of that key it is.
        error: Why it was refused.
    """

    name: str
    key: str = ""
    version_id: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A place on a page, as ratios of its width and height, and what was found there."""

    title: str
    sure: bool
    left: float
    top: float
    width: float
    height: float


def upload(
    key: str,
    form: Mapping[str, Any],
    *,
    prefix: str,
    kinds: Sequence[str],
    largest: int,
    label: str,
    hint: str,
) -> list[Uploaded]:
    """Where people drop files that their browser sends to S3 itself.

    Args:
        key: The widget's.
        form: Address and fields that were signed.
        prefix: How the files' keys begin; the form takes no others.
        kinds: Endings that are taken, such as `pdf`.
        largest: Bytes of a file.
        label: What to do here.
        hint: What is taken.

    Returns:
        What became of the files that were just dropped; empty at every other run.
    """
    data = {
        "form": dict(form),
        "prefix": prefix,
        "kinds": list(kinds),
        "largest": largest,
        "label": label,
        "hint": hint,
    }
    ended = _part("upload")(key=key, data=data, on_ended_change=lambda: None).ended
    return [
        Uploaded(
            name=str(one.get("name", "")),
            key=str(one.get("key", "")),
            version_id=str(one.get("version", "")),
            error=str(one.get("error", "")),
        )
        for one in ended or ()
    ]


def document_page(key: str, image: str, *, alt: str, boxes: Sequence[Box]) -> None:
    """A page of a document, with what was found on it.

    Args:
        key: The widget's.
        image: The page as a data URL.
        alt: What the image shows.
        boxes: Where something was found.
    """
    described = [
        {
            "title": one.title,
            "level": "sure" if one.sure else "unsure",
            "left": one.left,
            "top": one.top,
            "width": one.width,
            "height": one.height,
        }
        for one in boxes
    ]
    _part("document")(key=key, data={"image": image, "alt": alt, "boxes": described})


@cache
def _part(name: str) -> Any:
    html, css, js = ((_FOLDER / f"{name}.{kind}").read_text() for kind in ("html", "css", "js"))
    return st.components.v2.component(f"finops_{name}", html=html, css=css, js=js)
