"""Reading chains from the bucket, the newest entry first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from finops.audit.domain import GENESIS, Link, chain_prefix, key_sequence, last_link
from finops.audit.ports import StoredObject, TrailStore
from finops.audit.verification import ChainCheck

#: Calls to the bucket at once.
CALLS: Final = 16


def walk(store: TrailStore, stream: str, check: ChainCheck) -> Iterator[list[dict[str, Any]]]:
    """Check a chain as far back as needed. Yields the valid entries of each object."""
    for found, body in bodies(store, chain_prefix(stream)):
        yield check.check(found, body)
        if check.is_done:
            break
    check.close()


def bodies(store: TrailStore, prefix: str) -> Iterator[tuple[StoredObject, bytes]]:
    """Objects with their content, in order; some are read ahead."""
    pool = ThreadPoolExecutor(CALLS, thread_name_prefix="audit-reader")
    try:
        waiting: deque[tuple[StoredObject, Future[bytes]]] = deque()
        for found in store.objects(prefix):
            waiting.append((found, pool.submit(store.read, found)))
            if len(waiting) > 2 * CALLS:
                first, body = waiting.popleft()
                yield first, body.result()
        for found, body in waiting:
            yield found, body.result()
    finally:
        pool.shutdown(cancel_futures=True)


def chain_end(store: TrailStore, stream: str) -> Link:
    """Where a chain ends, by its newest object."""
    found = newest_object(store, stream)
    if found is None:
        return GENESIS
    return last_link(key_sequence(stream, found.key) or 1, store.read(found))


def newest_object(store: TrailStore, stream: str) -> StoredObject | None:
    """The chain's newest object; objects that do not belong to the chain are skipped."""
    for found in store.objects(chain_prefix(stream), page_size=10):
        if key_sequence(stream, found.key):
            return found
    return None


def first_version(store: TrailStore, key: str) -> bytes | None:
    """The first version of the object under a key, or None."""
    for found in store.objects(key, page_size=10):
        if found.key == key:
            return store.read(found)
    return None
