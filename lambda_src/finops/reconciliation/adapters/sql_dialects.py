"""Where the SQL of DuckDB and that of Trino differ, which Athena's engine version 3 runs.

https://docs.aws.amazon.com/athena/latest/ug/engine-versions-reference-0003.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

#: How a day in the form of ISO 8601 begins. 10/1/26 would be one of the year 10.
_ISO_DAY = "'2___-__-__%'"


class Dialect(Protocol):
    """How a row's cells are read. Columns and types are those of the files or of the table."""

    def moment(self, column: str, kind: str) -> str:
        """A TIMESTAMP in UTC, null where the cell is empty."""

    def misread(self, column: str, kind: str) -> str:
        """The cell where it should be a moment and is none; null elsewhere."""

    def told_apart(self, cells: Sequence[str]) -> str:
        """Equal where all cells are equal."""

    def has_tag(
        self, column: str, kind: str, keys: Sequence[str], values: Sequence[str], *, lower: bool
    ) -> str:
        """Whether one of the tags of a MAP or of JSON text has one of the values."""

    def has_value(self, cells: Sequence[str], values: Sequence[str], *, lower: bool) -> str:
        """Whether one of the cells has one of the values."""

    def tag(self, column: str, kind: str, keys: Sequence[str], *, lower: bool) -> str:
        """The value of the first of these keys that is filled; empty where none is."""


class DuckDb:
    """What reads files."""

    def moment(self, column: str, kind: str) -> str:
        """A cell that is no moment is an error."""
        cell = quoted(column)
        in_utc = f"CAST(CAST({cell} AS TIMESTAMPTZ) AS TIMESTAMP)"
        if kind == "TIMESTAMP WITH TIME ZONE":
            return in_utc
        if kind != "VARCHAR":
            return f"CAST({cell} AS TIMESTAMP)"
        said = literal(f"{column} holds ")
        return (
            f"CASE WHEN {cell} IS NULL OR {cell} = '' THEN NULL"
            f" WHEN {cell} LIKE {_ISO_DAY} THEN {in_utc}"
            f" ELSE error({said} || {cell} || ', which is not a date in the form of ISO 8601') END"
        )

    def misread(self, column: str, kind: str) -> str:
        """Never: it would be an error."""
        del column, kind
        return "CAST(NULL AS VARCHAR)"

    def told_apart(self, cells: Sequence[str]) -> str:
        """A hash."""
        return f"hash({', '.join(cells)})"

    def has_tag(
        self, column: str, kind: str, keys: Sequence[str], values: Sequence[str], *, lower: bool
    ) -> str:
        """By JSON pointers."""
        cell = quoted(column)
        if kind != "VARCHAR":
            cell = f"CAST(to_json({cell}) AS VARCHAR)"
        if lower:
            cell = f"lower({cell})"
        found = f"json_extract_string(TRY_CAST({cell} AS JSON), {_list(map(_path, keys))})"
        return f"list_has_any({found}, {_list(values)})"

    def has_value(self, cells: Sequence[str], values: Sequence[str], *, lower: bool) -> str:
        """As a list, in which null is in no other."""
        found = f"[{', '.join(cells)}]"
        if lower:
            found = f"list_transform({found}, lambda x: lower(x))"
        return f"list_has_any({found}, {_list(values)})"

    def tag(self, column: str, kind: str, keys: Sequence[str], *, lower: bool) -> str:
        """By JSON pointers."""
        cell = quoted(column)
        if kind != "VARCHAR":
            cell = f"CAST(to_json({cell}) AS VARCHAR)"
        if lower:
            cell = f"lower({cell})"
        found = f"json_extract_string(TRY_CAST({cell} AS JSON), {_list(map(_path, keys))})"
        return f"coalesce(list_filter({found}, lambda x: x <> '')[1], '')"


class Trino:
    """What Athena runs. Its tables have columns in lower case, and no types with a time zone."""

    def moment(self, column: str, kind: str) -> str:
        """A cell that is no moment is null here, and told by `misread`."""
        cell = quoted(column)
        if kind != "VARCHAR":
            return f"CAST({cell} AS TIMESTAMP)"
        # The function knows the letter alone: https://trino.io/docs/current/functions/datetime.html
        read = f"TRY(from_iso8601_timestamp(replace({cell}, ' ', 'T')))"
        return (
            f"CASE WHEN {cell} LIKE {_ISO_DAY}"
            f" THEN CAST({read} AT TIME ZONE 'UTC' AS TIMESTAMP) END"
        )

    def misread(self, column: str, kind: str) -> str:
        """Null where the type says that it is a moment."""
        if kind != "VARCHAR":
            return "CAST(NULL AS VARCHAR)"
        cell = quoted(column)
        return f"CASE WHEN {cell} <> '' AND {self.moment(column, kind)} IS NULL THEN {cell} END"

    def told_apart(self, cells: Sequence[str]) -> str:
        """Their texts, with a character between them that no cell has."""
        texts = (f"coalesce(CAST({cell} AS VARCHAR), '')" for cell in cells)
        return f"({' || chr(31) || '.join(texts)})"

    def has_tag(
        self, column: str, kind: str, keys: Sequence[str], values: Sequence[str], *, lower: bool
    ) -> str:
        """By a JSON path with brackets, in which any key may stand."""
        cell = quoted(column)
        if kind != "VARCHAR":
            cell = f"json_format(CAST({cell} AS JSON))"
        if lower:
            cell = f"lower({cell})"
        found = [f"json_extract_scalar({cell}, {literal(_bracketed(key))})" for key in keys]
        return self.has_value(found, values, lower=False)

    def has_value(self, cells: Sequence[str], values: Sequence[str], *, lower: bool) -> str:
        """One comparison for each cell; null where all are null, which is no match in a CASE."""
        wanted = ", ".join(map(literal, values))
        texts = (f"lower({cell})" if lower else cell for cell in cells)
        return f"({' OR '.join(f'{text} IN ({wanted})' for text in texts)})"

    def tag(self, column: str, kind: str, keys: Sequence[str], *, lower: bool) -> str:
        """By a JSON path with brackets, in which any key may stand."""
        cell = quoted(column)
        if kind != "VARCHAR":
            cell = f"json_format(CAST({cell} AS JSON))"
        if lower:
            cell = f"lower({cell})"
        found = (f"json_extract_scalar({cell}, {literal(_bracketed(key))})" for key in keys)
        return f"coalesce({', '.join(f'nullif({one}, {chr(39)}{chr(39)})' for one in found)}, '')"


def quoted(column: str) -> str:
    """A column's name in SQL."""
    return '"' + column.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def _path(key: str) -> str:
    """A JSON pointer, in which any key may stand.

    https://www.rfc-editor.org/rfc/rfc6901
    """
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _bracketed(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'$["{escaped}"]'


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(literal, texts))}]"
