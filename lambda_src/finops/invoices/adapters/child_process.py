"""Reading hostile files in a child process with bounded memory and time.

A PDF of 1 KB can unpack to gigabytes, or keep its reader busy for hours. The child gets the file
piece by piece from its parent, which alone holds connections, and answers in JSON: whatever happens
to the child, its parent goes on.
"""

from __future__ import annotations

import faulthandler
import io
import os
import resource
import select
import signal
import socket
import struct
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, BinaryIO, Final, TypeVar

import msgspec

from finops.invoices.adapters.range_file import RangeFile
from finops.shared.errors import RejectedInput

T = TypeVar("T")
_MIB: Final = 1 << 20
_READ, _ANSWER, _REFUSED, _FAILED = b"r", b"a", b"x", b"f"
_HEAD: Final = struct.Struct("!cQ")
_RANGE: Final = struct.Struct("!QQ")
#: How many times as long as it may work a child may take.
_WAITING: Final = 4
#: The most that a child can answer.
_LARGEST_ANSWER: Final = 512 * _MIB


def in_child(
    work: Callable[[BinaryIO], T],
    file: BinaryIO,
    answer: Any,
    *,
    memory_mib: int = 0,
    seconds: float = 20.0,
) -> T:
    """What `work` makes of a file, in a child process.

    Args:
        work: Must not use connections or threads of this process.
        file: Seekable; read in this process.
        answer: The type of the result, which must be one that JSON can hold.
        memory_mib: The memory that the child may use beside this process's. By default half of the
            function's.
        seconds: The processor time that the child may use. A child that waits, for its file or on a
            busy machine, is killed after four times as long.

    Raises:
        RejectedInput: as `work` raises it; or `too_demanding`, when memory or time were not enough
            or the reader crashed, and `corrupt_file` when it failed.
    """
    memory = (memory_mib or _half_of_the_function()) * _MIB
    size = file.seek(0, io.SEEK_END)
    ours, theirs = socket.socketpair()
    with warnings.catch_warnings():
        # The child runs no other thread and ends without returning.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        ours.close()
        _child(work, theirs, size, memory, seconds)
    theirs.close()
    try:
        with ours:
            kind, content = _serve(ours, file, time.monotonic() + _WAITING * seconds)
    finally:
        _reap(pid)
    if kind == _ANSWER:
        return msgspec.json.decode(content, type=answer)  # type: ignore[no-any-return]
    if kind == _REFUSED:
        raise RejectedInput(**msgspec.json.decode(content, type=dict[str, str]))
    if kind == _FAILED:
        raise RejectedInput(
            f"the file is damaged: {content.decode(errors='replace')}",
            code="corrupt_file",
            field="document",
            step="inspect",
            remedy="Save or scan it again",
        )
    raise RejectedInput(
        "the file takes more memory or time to read than any invoice needs",
        code="too_demanding",
        field="document",
        step="inspect",
        remedy="Print it to a new PDF, or scan it",
    )


def _serve(link: socket.socket, file: BinaryIO, deadline: float) -> tuple[bytes, bytes]:
    """Give the child what it reads, until it answers; nothing if it ends or is too slow."""
    while True:
        head = _received(link, _HEAD.size, deadline)
        if head is None:
            return b"", b""
        kind, length = _HEAD.unpack(head)
        if length > _LARGEST_ANSWER:
            return b"", b""
        content = _received(link, length, deadline)
        if content is None:
            return b"", b""
        if kind != _READ:
            return kind, content
        offset, count = _RANGE.unpack(content)
        file.seek(offset)
        link.sendall(piece := file.read(min(count, _MIB)))
        if len(piece) < min(count, _MIB):
            return b"", b""


def _received(link: socket.socket, count: int, deadline: float) -> bytes | None:
    found = bytearray()
    while len(found) < count:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([link], [], [], left)[0]:
            return None
        piece = link.recv(min(count - len(found), _MIB))
        if not piece:
            return None
        found += piece
    return bytes(found)


def _reap(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _half_of_the_function() -> int:
    return int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")) // 2


def _child(
    work: Callable[[BinaryIO], Any], link: socket.socket, size: int, memory: int, seconds: float
) -> None:
    """Work, answer and end, without anything that its parent would do at its end."""
    try:
        faulthandler.disable()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _limit(memory, seconds)
        file = io.BufferedReader(RangeFile(size, partial(_asked, link)), buffer_size=1 << 16)
        try:
            kind, content = _ANSWER, msgspec.json.encode(work(file))
        except RejectedInput as error:
            names = ("message", "code", "field", "step", "remedy")
            kind = _REFUSED
            content = msgspec.json.encode({name: str(getattr(error, name)) for name in names})
        except MemoryError:
            return
        except Exception as error:  # noqa: BLE001 - whatever a hostile file does to its reader
            kind, content = _FAILED, f"{type(error).__name__}: {error}"[:500].encode()
        link.sendall(_HEAD.pack(kind, len(content)) + content)
    finally:
        os._exit(0)


def _limit(memory: int, seconds: float) -> None:
    used = 0
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no more imports
            used = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return  # only Linux limits what a process may address beside what it has
    for limit, most in (
        (resource.RLIMIT_AS, used + memory),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (allowed, hard))


def _asked(link: socket.socket, offset: int, count: int) -> bytes:
    """A piece of the file, which the parent reads for its child."""
    wanted = min(count, _MIB)
    link.sendall(_HEAD.pack(_READ, _RANGE.size) + _RANGE.pack(offset, wanted))
    found = bytearray()
    while len(found) < wanted:
        piece = link.recv(wanted - len(found))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)
