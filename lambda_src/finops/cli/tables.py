"""Rows as text: for a terminal of some width, for a pipe, and as CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from finops.shared.spreadsheets import guard

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Row = Mapping[str, Any]

#: Columns of numbers.
NUMBERS: Final = frozenset(
    {"amount", "wanted", "actual", "budget", "variance", "variance_pct", "previous", "forecast"}
)
#: Columns whose text may wrap, and stands below its row where no column has room for it.
PROSE: Final = frozenset(
    {"error", "detail", "reason", "message", "value", "text", "evidence", "doubts", "description"}
    | {"problem", "remedy", "before", "after", "raw"}
)
#: Columns that a narrow terminal does without, those of least worth first. Prose, which then stands
#: below its row, goes before what tells rows apart.
LEAST_WORTH: Final = (
    *("latency_ms", "default_of", "spend_at", "forecast_variance", "forecasted_spend"),
    *("sender", "sequence", "load_id", "rows_unchanged", "rows_updated", "applied_at", "variance"),
    *("actual_spend", "time_unit", "confidence", "serial_number", "invoice_date", "received_at"),
    *("rows_inserted", "rows_read", "delivery", "stream", "kind", "check", "code", "page"),
    *("amount_usd", "reason", "detail", "error", "rows_quarantined"),
    *("file", "invoice_number", "dataset"),
)
STYLES: Final = {
    "APPLIED": "green",
    "PENDING": "yellow",
    "WAITING": "yellow",
    "REJECTED": "red",
    "FAILED": "bold red",
    "REMOVED": "dim",
}

#: Between two columns.
_GAP: Final = 2
#: The least width of a longer column: of names, which can be told apart, and of whole words.
_NAME_WIDTH: Final = 14
_PROSE_WIDTH: Final = 20
#: What a terminal would obey; line ends are text.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")
#: An invoice's id; commands take its first digits, too.
_ID: Final = re.compile(r"([0-9a-f]{8})[0-9a-f]{12}(-\d+)?")


def cell(value: object) -> str:
    """A value as people read it; what a terminal would obey is written as in Python."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        return f"{value[:10]} {value[11:19]} UTC"
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], str(value))


def piped(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """One line each row, with tabs between the values and nothing that pads them."""
    lines = [[one.replace("_", " ") for one in columns]]
    lines += [[" ".join(cell(row.get(one)).split()) for one in columns] for row in rows]
    return "\n".join("\t".join(line) for line in lines)


def as_csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """RFC 4180, with the values of the JSON document; lists and maps are JSON."""
    with io.StringIO(newline="") as text:
        writer = csv.writer(text)
        writer.writerow(columns)
        for row in rows:
            writer.writerow(guard(_plain(row.get(one))) for one in columns)
        return text.getvalue()


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | list | tuple | Mapping):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def fitted(
    rows: Sequence[Row], columns: Sequence[str], width: int
) -> tuple[RenderableType, tuple[str, ...]]:
    """A table that is no wider than the terminal, and the columns that it does without.

    Columns without any value go first, then those of `LEAST_WORTH`, then the last ones, at last the
    status. What is
    longer than its column ends with an ellipsis, and prose wraps between words: in its column, or
    below its row.

    Args:
        rows: The rows.
        columns: In the order in which people read them.
        width: Of the terminal, in characters.
    """
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    texts = {one: [_short(one, row.get(one)) for row in rows] for one in columns}
    widths, dropped = _widths(texts, width)
    below = [name for name in dropped if name in PROSE and any(texts[name])]
    parts: list[RenderableType] = []
    table = _table(widths)
    for number, row in enumerate(rows):
        table.add_row(
            # Not markup, which square brackets of a person's text would be.
            *(Text(texts[name][number]) for name in widths),
            style=STYLES.get(str(row.get("status")), ""),
        )
        if said := [(name, texts[name][number]) for name in below if texts[name][number]]:
            lines = Text("\n".join(f"{name.replace('_', ' ')}: {text}" for name, text in said))
            parts += [table, Padding(lines, (0, 0, 0, _GAP))]
            table = _table(widths, show_header=False)
    if table.row_count:
        parts.append(table)
    return Group(*parts), tuple(name for name in dropped if name not in below)


def _table(widths: Mapping[str, int], *, show_header: bool = True) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        padding=(0, _GAP // 2),
        show_header=show_header,
    )
    for name, most in widths.items():
        table.add_column(
            Text(name.replace("_", " "), overflow="ellipsis", no_wrap=True),
            justify="right" if name in NUMBERS else "left",
            overflow="fold" if name in PROSE else "ellipsis",
            no_wrap=name not in PROSE,
            width=most,
        )
    return table


def _short(name: str, value: object) -> str:
    text = cell(value)
    found = _ID.fullmatch(text) if name == "id" else None
    return found[1] + (found[2] or "") if found else text


def _widths(
    texts: Mapping[str, Sequence[str]], width: int
) -> tuple[dict[str, int], tuple[str, ...]]:
    """The width of each column that is shown, and the names of the others."""
    from rich.cells import cell_len

    full = {
        name: max(
            (cell_len(line) for one in (name, *cells) for line in one.splitlines()), default=0
        )
        for name, cells in texts.items()
    }
    least = {
        name: min(one, _PROSE_WIDTH if name in PROSE else _NAME_WIDTH) for name, one in full.items()
    }
    dropped: list[str] = []
    empty = [name for name, cells in texts.items() if not any(cells)]
    last = [*reversed([name for name in texts if name != "status"]), "status"]
    for name in (*empty, *LEAST_WORTH, *last):
        if _total(least) <= width or len(least) == 1:
            break
        if name in least and name != next(iter(texts)):
            del least[name]
            dropped.append(name)
    spare = width - _total(least)
    if spare < 0:
        least = dict.fromkeys(least, width)
        spare = 0
    for name in sorted(least, key=lambda one: one in PROSE):
        more = min(full[name] - least[name], spare)
        least[name] += more
        spare -= more
    return least, tuple(one for one in texts if one in dropped)


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)
