"""Streams and the positions in them outlive a restart with ``PERSIST_STATE``.

AWS: "DynamoDB Streams" keeps records for 24 hours, whoever reads them
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
MiniStack saves how far each mapping has read, but not the records: after a restart the positions
point past an empty stream, and the next changes are never delivered. Saved with the records, both
stay right, and what was written but not yet processed is delivered after the restart.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ministack.services import dynamodb

from localcloud.extensions._patch import wrap

_SAVED = ("_stream_records", "_stream_trimmed")
_COUNTER = "_stream_seq_counter"


def _get_state(original: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    streams = {name: copy.deepcopy(getattr(dynamodb, name)) for name in _SAVED}
    return {**original(), **streams, _COUNTER: dynamodb._stream_seq_counter}


def _restore_state(original: Callable[[Any], None], data: dict[str, Any] | None) -> None:
    for name in _SAVED:  # before the tables, which readers wait for
        getattr(dynamodb, name).update((data or {}).get(name, {}))
    dynamodb._stream_seq_counter = (data or {}).get(_COUNTER, 0)
    original(data)


def install() -> None:
    """Save and restore the records of the streams."""
    wrap(dynamodb, "get_state", _get_state)
    wrap(dynamodb, "_restore_state", _restore_state)
