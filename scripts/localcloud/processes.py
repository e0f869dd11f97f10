"""Start, recognize and end processes, without ever touching somebody else's."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process and when it started: a pid alone may have passed to another process.

    The processes started here lead a process group of their own, whose id is their pid.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessRecord:
        """The record of a running process."""
        return cls(pid, _started(pid) or "")

    def is_running(self) -> bool:
        """Whether this very process still runs."""
        return bool(self.started) and _started(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process if it still runs."""
        if self.is_running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill_group(self) -> None:
        """Kill this process and all that it started, also when it ended before them.

        A pid is not given out again while a group has it as its id, so a group without a
        process of that pid is what ours left behind.
        """
        if self.is_running() or (_started(self.pid) is None and _same_boot(self.started)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def end(self, grace_seconds: float) -> bool:
        """Ask the process to end, if it is given time, then kill what is left of its group.

        Returns whether it ended by itself.
        """
        if grace_seconds:
            self.signal(signal.SIGTERM)
            wait_until(lambda: not self.is_running(), grace_seconds)
        by_itself = not self.is_running()
        self.kill_group()
        wait_until(lambda: not self.is_running(), 5)
        return by_itself


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def spawn(
    command: list[str | Path],
    *,
    environment: dict[str, str],
    folder: Path,
    log: Path,
    user: str | None = None,
    on_parent_death: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output in ``log``.

    On Linux it gets ``on_parent_death`` when this process ends, however that happens.
    Elsewhere the next start in the same folder ends what was left.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            # Runs after the change of user, which would clear the signal again. The caller has
            # one thread, so that running Python between fork and exec is safe.
            preexec_fn=_dying_with(os.getpid(), on_parent_death),  # noqa: PLW1509
        )


def _dying_with(parent: int, number: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)

    return arrange


def _started(pid: int) -> str | None:
    """What tells this process from others with its pid, before and after; None when it ended."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else f"{_boot()}:{fields[19]}"
    listing = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = listing.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _same_boot(started: str) -> bool:
    return bool(started) and (sys.platform != "linux" or started.startswith(_boot()))
