"""Archives of layers are saved as files, each once, as those of functions are.

MiniStack saves them as text within its state, once for each layer that has the same one: 260 MB for
this project's deployment, which each copy of it would rewrite and parse when it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ministack.services import lambda_svc

from localcloud.extensions._patch import wrap

_ARCHIVE = "_zip_data"


def _versions(layers: Any) -> Iterator[dict[str, Any]]:
    """Every version of every layer, in all accounts."""
    for layer in getattr(layers, "_data", {}).values():
        yield from layer["versions"]


def _prune(original: Callable[[set[str]], None], referenced: set[str]) -> None:
    archives = (version[_ARCHIVE] for version in _versions(lambda_svc._layers))
    original(referenced | {lambda_svc._write_code_blob(one) for one in archives if one})


def _get_state(original: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    state = original()
    for version in _versions(state["layers"]):
        if archive := version[_ARCHIVE]:
            saved = lambda_svc._write_code_blob(archive)
            version[_ARCHIVE] = {lambda_svc._BLOB_REF_KEY: saved}
    return state


def _restore_state(original: Callable[[Any], None], data: dict[str, Any] | None) -> None:
    found: dict[str, bytes | None] = {}
    for version in _versions((data or {}).get("layers")):
        if isinstance(version[_ARCHIVE], dict):
            name = version[_ARCHIVE][lambda_svc._BLOB_REF_KEY]
            if name not in found:
                found[name] = lambda_svc._read_code_blob(name)
            version[_ARCHIVE] = found[name]
    original(data)


def install() -> None:
    """Keep archives of layers out of the saved state."""
    wrap(lambda_svc, "_prune_orphan_code_blobs", _prune)
    wrap(lambda_svc, "get_state", _get_state)
    wrap(lambda_svc, "_restore_state", _restore_state)
