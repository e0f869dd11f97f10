"""What the text of a sheet tells of cells that hold an error, or are merged with others."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from finops.billing.cells import RowProblem
from finops.billing.merged_cells import first_column

#: Before and after the name of such a cell; no text has this character.
#: https://www.unicode.org/faq/private_use.html#noncharacters
_MARK: Final = "\ufdd0"
_ERROR = re.compile(f"{_MARK}([A-Z]{{1,3}}[0-9]{{1,7}}){_MARK}")
#: A merged cell has a third mark behind what it shows.
_MERGED = re.compile(
    f"{_MARK}([A-Z]{{1,3}}[0-9]{{1,7}}:[A-Z]{{1,3}}[0-9]{{1,7}}){_MARK}([^{_MARK}]*){_MARK}"
)


#: A value, and what the format of its cell shows.
_FORMATTED = re.compile(f"{_MARK}=([^{_MARK}]*){_MARK}([^{_MARK}]*){_MARK}")


def error_text(cell: str, error: str) -> str:
    """The text of a cell, such as D7, that holds an error, such as #REF!."""
    return f"{_MARK}{cell}{_MARK}{error}"


def merged_text(merged: str, shown: str) -> str:
    """The text of a cell of a range, such as D2:D4; an error in it keeps the name of its cell."""
    return shown if error_cell(shown) else f"{_MARK}{merged}{_MARK}{shown}{_MARK}"


def formatted_text(value: str, shown: str) -> str:
    """The text of a cell with a value that is shown as another text; empty where not known how."""
    return f"{_MARK}={value}{_MARK}{shown}{_MARK}"


def error_cell(text: str) -> str:
    """The name of the cell whose text is an error; else empty."""
    found = _ERROR.match(text)
    return found[1] if found else ""


def merged_cell(text: str) -> tuple[str, str] | None:
    """(range, what it shows) of the text of a merged cell; None of another one.

    A cell in another column than the first one of its range shows nothing.
    """
    found = _MERGED.fullmatch(text)
    return (found[1], found[2]) if found else None


def shown_texts(fields: Sequence[str]) -> list[str]:
    """The texts of cells as people see them; numbers without what their format adds."""
    return [(merged_cell(one) or ("", unmarked(one)))[1] for one in fields]


def unmarked(text: str) -> str:
    """A text as the sheet's CSV file has it: errors as texts, and merged cells empty."""
    if _MARK not in text:
        return text
    return _ERROR.sub("", _MERGED.sub("", _FORMATTED.sub(r"\1", text)))


def checked_cells(
    derive: Callable[[Sequence[str]], list[str]] | None,
    header: Sequence[str],
    merged_titles: Mapping[int, str],
    *,
    counts: Collection[int],
    single: Collection[int],
    key: int | None,
    parts_of_key: Collection[int],
) -> Callable[[Sequence[str]], list[str]]:
    """What makes the texts of a record of a sheet, or refuses it.

    A value that is merged over rows counts in each of them, as it is seen; an amount or an id is
    that of one row.

    Args:
        derive: Adds the cells of derived columns to them; None where there are none.
        header: The file's.
        merged_titles: The range of each title that the title before it covers.
        counts: Cells that a bill is made of.
        single: Those of them that are of one row.
        key: The cell of the id, which is the text that is shown; None where there is none.
        parts_of_key: The cells whose texts make the id.
    """
    hidden = {at: name for at, name in merged_titles.items() if first_column(name) in counts}

    def checked(fields: Sequence[str]) -> list[str]:
        cells = list(fields)
        for at, text in enumerate(fields):
            if not text.startswith(_MARK):
                continue
            if formatted := _FORMATTED.fullmatch(text):
                value, shown = formatted.groups()
                if at == key and not shown:
                    raise _not_as_shown(header[at], value)
                cells[at] = shown if shown and (at == key or at in parts_of_key) else value
            elif merged := merged_cell(text):
                cells[at] = merged[1]
                if at in single and merged[1]:
                    raise _merged(header[at], *merged)
            elif cell := error_cell(text):
                cells[at] = unmarked(text)
                if at in counts:
                    raise _error(header[at], cell, cells[at])
        for at, name in hidden.items():
            if cells[at].strip():
                raise _below_a_merged_title(header[first_column(name)], name, cells[at])
        return derive(cells) if derive else cells

    return checked


def _not_as_shown(title: str, value: str) -> RowProblem:
    return RowProblem(
        "damaged_id",
        f"{title}: the cell holds {value} as a number, a day or a logical value, and shows it in "
        "another way, so the id may be another one: write ids as texts, or give the column the "
        "format General or one of zeros (00000)",
        title,
        value,
    )


def _error(title: str, cell: str, error: str) -> RowProblem:
    message = f"{title}: cell {cell} holds the error {error}; correct its formula"
    return RowProblem("error_value", message, title, error)


def _merged(title: str, name: str, text: str) -> RowProblem:
    return RowProblem(
        "merged_cells",
        f"{title}: cells {name} are merged, so the part of {text!r} that is this row's does not "
        "show; split them, and give each row its own",
        title,
        text,
    )


def _below_a_merged_title(title: str, name: str, text: str) -> RowProblem:
    return RowProblem(
        "merged_cells",
        f"{title}: its title is merged over cells {name}, and this row has another value below it, "
        f"{text!r}; give each column a title of its own",
        title,
        text,
    )
