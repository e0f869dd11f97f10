"""The most memory that this process has held, for programs that benchmarks start."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak_mib() -> float:
    """The peak of this program alone, in MiB.

    On Linux `ru_maxrss` begins with the size of whoever started the program, which stays in the
    process's accounts over an exec; VmHWM begins with the program:
    https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
    """
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(kib) / 1024
    # In bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
