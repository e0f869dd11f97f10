"""How benchmarks measure, and how they show what they measured."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used; NaN where the system has no /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return math.nan
    # The name in brackets may hold anything; `utime` and `stime` are the 14th and 15th field.
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def median(action: Callable[[], object], runs: int) -> float:
    """Seconds that an action takes, the median of several runs."""
    return statistics.median(timed(action) for _ in range(runs))


def percentile(seconds: list[float], percent: int) -> float:
    """The value below which so many percent of the values are."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of figures; all columns but the first are aligned right."""
    made = Table(box=None)
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left")
    for row in rows:
        made.add_row(*row)
    return made


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table of figures, with the machine's load."""
    screen = Console(width=110, highlight=False)
    screen.print(f"\n{title}  (load {os.getloadavg()[0]:.1f})")
    screen.print(table(columns, rows))
