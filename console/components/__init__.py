"""Streamlit components: parts of pages that run in the browser."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import streamlit as st

#: Where the session keeps `{"narrow": …}`.
NARROW: Final = "narrow"
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """The result of uploading one file.

    Attributes:
        name: The file's name.
        key: Its key in the bucket; empty where the upload failed.
        version_id: Its version of that key.
        error: Why the upload failed.
    """

    name: str
    key: str = ""
    version_id: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box on a page of a document, in ratios of the page's width and height.

    Attributes:
        title: What was read there.
        sure: Whether it was read with confidence.
    """

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
    apart: bool = False,
) -> list[Uploaded]:
    """Draw where people drop files, which their browser sends directly to S3.

    Args:
        key: The widget's key.
        form: A presigned POST: its URL and fields.
        prefix: How the files' keys begin; the form accepts no others.
        kinds: The accepted file extensions, such as `pdf`.
        largest: The size of the largest accepted file, in bytes.
        label: What to do here.
        hint: What is accepted.
        apart: Whether each file gets a folder of its own, so that none replaces another.

    Returns:
        The files that were just uploaded; empty at every other run of the page.
    """
    data = {
        "form": dict(form),
        "prefix": prefix,
        "apart": apart,
        "kinds": list(kinds),
        "largest": largest,
        "label": label,
        "hint": hint,
    }
    uploaded = _component("upload")(key=key, data=data, on_uploaded_change=lambda: None).uploaded
    return [
        Uploaded(
            name=str(one.get("name", "")),
            key=str(one.get("key", "")),
            version_id=str(one.get("version", "")),
            error=str(one.get("error", "")),
        )
        for one in uploaded or ()
    ]


def document_page(key: str, image: str, *, alt: str, boxes: Sequence[Box]) -> None:
    """Draw a page of a document with boxes on it.

    Args:
        key: The widget's key.
        image: The page as a data URL.
        alt: What the image shows, for screen readers.
        boxes: The boxes.
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
    _component("document")(key=key, data={"image": image, "alt": alt, "boxes": described})


def keys(key: str, keys: Mapping[str, str], *, start: str = "", once: str = "", run: int) -> None:
    """Let keys press buttons and move to fields, while nobody is writing in a field.

    Draw it last. A key works once for each page that is drawn, so that nobody who presses it twice
    decides about what they have not seen.

    Args:
        key: The widget's key.
        keys: By the pressed key, the `key` of a button or of a text field.
        start: The `key` of the text field in which a person starts; not on phones.
        once: They start there once for each of these texts.
        run: Another number each time that the page is drawn.
    """
    data = {"keys": dict(keys), "start": start, "once": once, "run": run}
    _component("keys")(key=key, data=data)


def kept(name: str, person: str, value: Any) -> Any:
    """Keep a value in the browser's tab, which outlasts a restart, a reload and a sign-in.

    Args:
        name: What identifies it in the tab.
        person: Whose it is; nobody else gets it.
        value: What the session holds now, as JSON has it; empty for nothing.

    Returns:
        What the last session of this person held, once and in a new session only; else None. It
        comes from the browser, so it is checked as what people type.
    """
    session = st.session_state.setdefault("kept_session", uuid.uuid4().hex)
    asked = f"kept_{name}_asked"
    data = {
        "name": name,
        "person": person,
        "session": session,
        "value": value or None,
        "asked": st.session_state.get(asked, False),
    }
    found = _component("kept")(key=f"kept-{name}", data=data, on_restored_change=lambda: None)
    if found.restored is not None:
        st.session_state[asked] = True
    return found.restored


def narrow(known: bool) -> None:
    """Have the browser say whether the page is as narrow as a phone, in the session's `NARROW`.

    Args:
        known: What it said last; it says only what is new.
    """
    _component("narrow")(key=NARROW, data={"narrow": known}, on_narrow_change=lambda: None)


@cache
def _component(name: str) -> Any:
    html, css, js = ((_FOLDER / f"{name}.{kind}").read_text() for kind in ("html", "css", "js"))
    return st.components.v2.component(f"finops_{name}", html=html, css=css, js=js)
