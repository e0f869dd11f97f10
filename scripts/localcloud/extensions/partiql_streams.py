"""What PartiQL statements write reaches the stream of its table.

AWS: "DynamoDB Streams captures a time-ordered sequence of item-level modifications in any
DynamoDB table", whichever operation makes them
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html
MiniStack's statements write items, and no records.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.services import dynamodb

from localcloud.extensions._patch import Operation, Request, Response, wrap

#: Table, item before and item after of each write of a request.
_writes: ContextVar[list[tuple[str, Any, Any]]] = ContextVar("writes")


def _written(
    original: Callable[..., Response], table: Any, parsed: dict[str, Any], *rest: Any
) -> Response:
    if "item" in parsed:
        item = parsed["item"].get("M", parsed["item"])
        key = [dynamodb._extract_key_val(item.get(table["pk_name"]))]
        sort = table["sk_name"]
        key.append(dynamodb._extract_key_val(item.get(sort)) if sort else "__no_sort__")
    else:
        key = list(dynamodb._partiql_key_target(table, parsed)[:2])

    def found() -> Any:
        return copy.deepcopy(table["items"].get(key[0], {}).get(key[1]))

    before = found()
    answer = original(table, parsed, *rest)
    if answer[0] == 200 and (after := found()) != before:
        _writes.get().append((table["TableName"], before, after))
    return answer


def _told(original: Operation, data: Request) -> Response:
    writes: list[tuple[str, Any, Any]] = []
    token = _writes.set(writes)
    try:
        answer = original(data)
    finally:
        _writes.reset(token)
    if answer[0] == 200:  # a transaction that fails has written nothing
        for table, before, after in writes:
            event = "REMOVE" if after is None else "MODIFY" if before else "INSERT"
            dynamodb._emit_stream_event(table, event, before, after)
    return answer


def install() -> None:
    """Add the records of statements, and of transactions of statements."""
    for name in ("_partiql_insert", "_partiql_update", "_partiql_delete"):
        wrap(dynamodb, name, _written)
    for name in ("_execute_statement", "_execute_transaction"):
        wrap(dynamodb, name, _told)
