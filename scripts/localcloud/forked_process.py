"""Processes that are forked from one that has imported packages, and used like `subprocess.Popen`.

What functions have in common is imported once for each set of layers; every execution environment
is a fork of the process that holds it, and loads no more than its function.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from localcloud import lambda_worker

#: Other systems' libraries may not be used after a fork.
CAN_FORK = sys.platform == "linux"


class Forked:
    """A forked process and its pipes. It ends when it is killed or its input is closed."""

    def __init__(self, pid: int, life: int, pipes: tuple[int, int, int]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin: IO[str] = os.fdopen(pipes[0], "w", buffering=1)
        self.stdout: IO[str] = os.fdopen(pipes[1], "r", buffering=1)
        self.stderr: IO[str] = os.fdopen(pipes[2], "r", buffering=1)
        self._life = os.fdopen(life, "rb", buffering=0)

    def poll(self) -> int | None:
        """None while it runs. Its exit status is its parent's, so any end is told as -SIGKILL."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end: nobody else holds the other end of its pipe of life.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        if self.returncode is None:
            ended = select.poll()
            ended.register(self._life, select.POLLIN)
            if not ended.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self.returncode = -signal.SIGKILL
        return self.returncode

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Runtime:
    """A process that has imported the packages of a set of layers, and forks.

    It cannot fork when a package left threads or connections behind.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def fork(self, handler: str, folder: Path, environment: Mapping[str, str]) -> Forked | None:
        """A new process that serves the function; None where one must be started instead."""
        asked = {"handler": handler, "folder": str(folder), "environment": dict(environment)}
        message = json.dumps(asked).encode()
        if len(message) > lambda_worker.MESSAGE_BYTES:
            return None
        with self._lock:
            if self._process is None:
                self._start()
            return self._fork(message) if self._control else None

    def close(self) -> None:
        """End the process; its forks live on."""
        with self._lock:
            if self._process:
                self._give_up()
                self._process.wait()

    def _start(self) -> None:
        # Each message is received whole, with its pipes.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, lambda_worker.__file__, str(theirs.fileno())],
                env=self._environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._control = ours
        if ours.recv(1) != lambda_worker.LOADED:
            self._give_up()

    def _fork(self, message: bytes) -> Forked | None:
        assert self._control is not None
        pairs = [os.pipe() for _ in range(4)]
        (stdin, our_stdin), (our_stdout, stdout), (our_stderr, stderr), (our_life, life) = pairs
        try:
            socket.send_fds(self._control, [message], [stdin, stdout, stderr, life])
            pid = int.from_bytes(self._control.recv(8), "big")
        except OSError:
            pid = 0
        for one in (stdin, stdout, stderr, life):
            os.close(one)
        if not pid:
            for one in (our_stdin, our_stdout, our_stderr, our_life):
                os.close(one)
            self._give_up()
            return None
        return Forked(pid, our_life, (our_stdin, our_stdout, our_stderr))

    def _give_up(self) -> None:
        if self._control:
            self._control.close()
        self._control = None
