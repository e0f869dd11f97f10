"""Which columns of a file hold what, by the format of its dataset: declared, or built in."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Final

from finops.billing.builtin_formats import builtin_format, is_builtin, other_export
from finops.billing.cells import RowProblem
from finops.billing.dataset_format import DatasetFormat, RowFilter, UsedFormat, used_format
from finops.billing.file_bytes import Readable
from finops.billing.file_format import Format, Layout
from finops.billing.reader import CsvTable, open_csv, open_part
from finops.billing.record_ids import is_error, is_nothing
from finops.billing.schemas import BILLING, FOCUS, Kind, Recognition, recognise, spelt_alike
from finops.billing.sheet_cells import checked_cells
from finops.billing.title_lines import DATEV
from finops.shared.money import was_currency

#: The cells of derived columns, which follow those of the file.
Derive = Callable[[Sequence[str]], list[str]]

#: Values of a column whose answer by a rule is remembered.
_REMEMBERED: Final = 1_000
#: A time of a Parquet file in UTC at which a day begins in some zone: a quarter of an hour.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d (\d\d:(?:00|15|30|45)):00\+00", re.ASCII)
_LINE_BREAK = re.compile(r"[\r\n]+")
_NOT_ZERO = re.compile(r"[1-9]")


def open_bills(
    stream: Readable, used: UsedFormat | None, *, sizes: bool = False
) -> CsvTable[BillHeader]:
    """Read a file of bills or of FOCUS charges as far as its header.

    Args:
        stream: The file's bytes.
        used: The format of its dataset; None where none is declared.
        sizes: Whether to count bytes; see `CsvTable.next_offset`.

    Raises:
        RejectedInput: the file can't be understood; the error names the line and the remedy.
    """
    layout = layout_of(used.format if used else DatasetFormat())
    table = open_csv(stream, recogniser(used), sizes=sizes, layout=layout)
    read_by = table.recognition.used
    if read_by and (table.format.sheet or table.format.is_parquet):
        table.recognition = replace(table.recognition, used=replace(read_by, typed=True))
    return _with_cells(table)


def layout_of(form: DatasetFormat) -> Layout:
    """What a dataset's format says of how its files are written."""
    return Layout(
        delimiter=form.delimiter,
        encoding=form.encoding,
        skip_lines=form.skip_lines,
        sheet=form.sheet,
        decimal_comma=form.decimal_comma,
        date_formats=form.date_formats,
    )


def open_bills_part(
    stream: Readable,
    form: Format,
    header: Sequence[str],
    used: UsedFormat | None,
    first_line: int,
) -> CsvTable[BillHeader]:
    """Read a part of a file that `open_bills` has read; see `open_part`."""
    return _with_cells(open_part(stream, form, header, recogniser(used), first_line))


def _with_cells(table: CsvTable[BillHeader]) -> CsvTable[BillHeader]:
    """A table whose rows are refused where a cell of a sheet that counts does not say its value."""
    if table.format.sheet:
        match, header = table.recognition, table.header
        asked = [*_asked(match.format)]
        counts = {cell for cell in match.cells if cell is not None}
        counts |= _positions(header, {one for key, one in asked if not key.startswith("extra")})
        schema = match.schema
        single = {one.name for one in schema.columns if one.kind is Kind.DECIMAL} | {schema.key}
        keys = {"debit", "credit", "sign.column", *(f"columns.{name}" for name in single)}
        of_one_row = _positions(header, {one for key, one in asked if key in keys})
        for at, title in enumerate(header):
            column = schema.by_header.get(spelt_alike(title))
            if column is not None and schema.columns[column].name in single:
                of_one_row.add(at)
        by_name = dict(zip((one.name for one in schema.columns), match.cells, strict=True))
        values = {
            by_name[one.name]
            for one in schema.columns
            if one.kind in (Kind.DECIMAL, Kind.DATE, Kind.CURRENCY)
        }
        derive = checked_cells(
            match.derive,
            header,
            table.merged_titles,
            counts=counts,
            single=of_one_row,
            key=by_name.get(schema.key),
            parts_of_key={*match.id_cells} - values - of_one_row,
        )
        table.recognition = replace(match, derive=derive)
    elif table.format.is_parquet and table.recognition.schema is BILLING:
        match = table.recognition
        day = match.cells[_POSITIONS[BILLING.day]]
        if day is not None and day < len(table.header):
            table.recognition = replace(match, derive=_on_known_days(match.derive, day))
    return table


def _on_known_days(derive: Derive | None, day: int) -> Derive:
    """Refuses an instant of a Parquet file that is midnight elsewhere: which day is not told."""

    def checked(fields: Sequence[str]) -> list[str]:
        text = fields[day]
        if (found := _INSTANT.fullmatch(text)) and found[1] != "00:00":
            raise RowProblem(
                "invalid_date",
                f"{BILLING.day} {text!r} is midnight in some zone, and the file does not say in "
                "which, so that it may be two days: export the column as a day, without a time",
                BILLING.day,
                text,
            )
        return derive(fields) if derive else list(fields)

    return checked


def _positions(header: Sequence[str], titles: Collection[str]) -> set[int]:
    spelt = {spelt_alike(one) for one in titles}
    return {at for at, title in enumerate(header) if spelt_alike(title) in spelt}


@dataclass(frozen=True, slots=True)
class BillHeader(Recognition):
    """How a header was recognised, with the format of its dataset.

    Attributes:
        used: The format, and where it stands; None where nothing is declared.
        derive: Makes the derived cells of a record; None where there are none.
    """

    used: UsedFormat | None = None
    derive: Derive | None = None

    @property
    def format(self) -> DatasetFormat:
        """The rules by which rows are read."""
        return self.used.format if self.used else DatasetFormat()


def recogniser(used: UsedFormat | None = None) -> Callable[[Sequence[str]], BillHeader]:
    """What recognises the header of a dataset's files.

    Args:
        used: The dataset's format; None where it declares none.
    """
    year: list[date] = []

    def recognised(header: Sequence[str]) -> BillHeader:
        year.extend(_fiscal_year(header))
        found = recognise(header)
        maps = used is not None and used.format.maps
        if used is not None and maps and not (found.problem and used.format.only_adds):
            if found.schema is FOCUS and not found.problem:
                return _focus_among_bills(found, used)
            mapped = _mapped(header, used)
            if mapped.code != "missing_columns":
                return mapped
        if found.problem:
            if other := other_export(header):
                code = "other_export"
                return BillHeader(
                    found.schema, found.cells, found.score, other.problem, code, other.remedy
                )
            if builtin := builtin_format(header):
                name, form = builtin
                style = used.format if used is not None else DatasetFormat()
                if year and "%" not in "".join(style.date_formats):
                    form = replace(form, fiscal_year_start=year[0])
                return _mapped(header, used_format(name, _above(style, form)))
            if used is not None and maps:
                return _mapped(header, used)
        return BillHeader(
            found.schema, found.cells, found.score, found.problem, found.code,
            _with_check(found), found.instead, used=used,
        )  # fmt: skip

    return recognised


def _focus_among_bills(found: Recognition, used: UsedFormat) -> BillHeader:
    return BillHeader(
        found.schema,
        found.cells,
        found.score,
        "this is a FOCUS export, but the format of its dataset says which columns of bills hold "
        f"what ({used.source})",
        "format_mismatch",
        "Drop it into a dataset without such a format, where it loads as it is: `finops billing "
        "load FILE --dataset …`",
    )


def _fiscal_year(header: Sequence[str]) -> list[date]:
    """The first day of the fiscal year, where a line is the first one of a DATEV file."""
    if len(header) < 13 or header[0] not in DATEV:
        return []
    try:
        return [datetime.strptime(header[12].strip(), "%Y%m%d").date()]  # noqa: DTZ007
    except ValueError:
        return []


def lines_above(used: UsedFormat | None) -> list[list[str]]:
    """The cells of lines that must stand above a header for a file to be read by a format.

    Those that it skips are blank. A built-in one of days without a year reads it on a first line as
    DATEV writes it.
    """
    form = used.format if used else DatasetFormat()
    above: list[list[str]] = [[]] * form.skip_lines
    if used and is_builtin(used.source) and form.fiscal_year_start:
        above.append([min(DATEV), *[""] * 11, f"{form.fiscal_year_start:%Y%m%d}"])
    return above


def _with_check(found: Recognition) -> str:
    if found.code not in {"no_header", "missing_columns"}:
        return found.remedy
    return f"{found.remedy}. `finops billing check FILE` proposes a format for other columns"


def _above(style: DatasetFormat, builtin: DatasetFormat) -> DatasetFormat:
    """A built-in format, with what the dataset says of dates, numbers and the file before it.

    What the dataset adds, such as the currency of rows without one, is added here, too. Its rule of
    which rows are bills takes the place of those for the same column.
    """
    ruled = {spelt_alike(rule.column) for rule in style.rows}
    kept = {spelt_alike(one) for one in builtin.extra}
    said = {spelt_alike(one) for one in style.columns.values()}
    columns = {
        name: one
        for name, one in builtin.columns.items()
        if name not in style.constants and spelt_alike(one) not in said
    }
    if style.debit:
        columns.pop(BILLING.amount, None)
    if style.id_from:
        columns.pop(BILLING.key, None)
    return replace(
        builtin,
        columns={**columns, **style.columns},
        id_from=() if BILLING.key in style.columns else style.id_from or builtin.id_from,
        debit=style.debit,
        credit=style.credit,
        sign=None if style.debit else style.sign or builtin.sign,
        constants={**builtin.constants, **style.constants},
        defaults={**builtin.defaults, **style.defaults},
        extra=(*builtin.extra, *(one for one in style.extra if spelt_alike(one) not in kept)),
        rows=(
            *(rule for rule in builtin.rows if spelt_alike(rule.column) not in ruled),
            *style.rows,
        ),
        negate=style.negate,
        date_formats=style.date_formats or builtin.date_formats,
        decimal_comma=style.decimal_comma or builtin.decimal_comma,
        thousands=style.thousands or builtin.thousands,
        delimiter=style.delimiter or builtin.delimiter,
        encoding=style.encoding or builtin.encoding,
        skip_lines=style.skip_lines or builtin.skip_lines,
        sheet=style.sheet,
        replace=style.replace,
    )


def _mapped(header: Sequence[str], used: UsedFormat) -> BillHeader:
    mapping = _Mapping(header, used.format)
    code, problem, remedy = mapping.refusal(
        f"Correct the format ({used.source}; `finops billing format DATASET`) or the file"
    )
    return BillHeader(
        BILLING,
        tuple(mapping.cells),
        mapping.score,
        problem,
        code,
        remedy,
        id_cells=mapping.id_cells,
        used=used,
        derive=None if problem else mapping.derive(),
    )


class _Mapping:
    """The columns of a header by a format that says which they are."""

    def __init__(self, header: Sequence[str], form: DatasetFormat) -> None:
        self._header = header
        self._form = form
        self._where: dict[str, list[int]] = {}
        for position, spelling in enumerate(header):
            self._where.setdefault(spelt_alike(spelling), []).append(position)
        self._asked = dict(_asked(form))
        self._missing = {k: one for k, one in self._asked.items() if self._cell(one) < 0}
        self._ambiguous: list[str] = []
        self.cells: list[int | None] = [None] * len(BILLING.columns)
        self._makers: list[Callable[[Sequence[str]], str]] = []
        self._find()
        self.score = max(
            sum(cell is not None for cell in self.cells), len(self._asked) - len(self._missing)
        )
        if not self._missing:
            self._make()

    def refusal(self, change: str) -> tuple[str, str, str]:
        """(code, problem, remedy) where a file with this header can't be loaded; else empty."""
        shown = ", ".join(self._header)[:200]
        if self._missing:
            wanted = ", ".join(f"{one!r} ({key})" for key, one in sorted(self._missing.items()))
            problem = f"the header lacks columns that the format names: {wanted}"
            return "format_mismatch", f"{problem}; it reads {shown!r}", change
        twice = {one for one in self._asked.values() if len(self._where[spelt_alike(one)]) > 1}
        if twice:
            problem = f"more than one column is called {', '.join(sorted(twice))}"
            return "ambiguous_header", problem, "Rename all but one"
        if self._ambiguous:
            problem = f"more than one column means {', '.join(self._ambiguous)}"
            return "ambiguous_header", problem, f"{change}: name the one that counts in `columns`"
        lacking = [
            column.title
            for column, cell in zip(BILLING.columns, self.cells, strict=True)
            if column.in_header and cell is None
        ]
        if lacking:
            problem = f"neither the header nor the format says which column is {', '.join(lacking)}"
            return "missing_columns", problem, f"The header reads {shown!r}. {change}"
        return "", "", ""

    @property
    def id_cells(self) -> tuple[int, ...]:
        """The cells whose hash is a bill's id."""
        return tuple(map(self._cell, self._form.id_from))

    def derive(self) -> Derive | None:
        """What adds the derived cells to those of a record, where there are any."""
        filters = [(one, self._cell(one.column)) for one in self._form.rows]
        return _all_of(self._makers, filters) if self._makers or filters else None

    def _cell(self, header: str) -> int:
        return self._where.get(spelt_alike(header), [-1])[0]

    def _find(self) -> None:
        for name, header in self._form.columns.items():
            self.cells[_POSITIONS[name]] = self._cell(header)
        # A column that is kept, or is part of the id, still means what its header says.
        values = ("columns.", "debit", "credit", "sign.")
        named = {spelt_alike(one) for key, one in self._asked.items() if key.startswith(values)}
        for position, spelling in enumerate(self._header):
            column = BILLING.by_header.get(spelt_alike(spelling))
            if column is None or spelt_alike(spelling) in named or _is_set(self._form, column):
                continue
            if self.cells[column] is not None:
                self._ambiguous.append(BILLING.columns[column].title)
            self.cells[column] = position

    def _make(self) -> None:
        form, amount = self._form, self.cells[_POSITIONS[BILLING.amount]]
        if form.debit:
            self._add(
                BILLING.amount, _balance(form, self._cell(form.debit), self._cell(form.credit))
            )
        elif amount is not None and (form.sign or form.negate):
            sign = self._cell(form.sign.column) if form.sign else -1
            self._add(BILLING.amount, _signed(form, amount, sign, self._header[amount]))
        if form.id_from:
            self._add(BILLING.key, _hash_of(self.id_cells, form.id_from))
        if form.extra:
            self._add("extra", _kept([(one, self._cell(one)) for one in form.extra]))
        if BILLING.currency in form.constants:
            self._refuse_other_currency(form.constants[BILLING.currency])
        for name, text in {**form.defaults, **form.constants}.items():
            cell = None if name in form.constants else self.cells[_POSITIONS[name]]
            self._add(name, _or_default(cell, text))

    def _refuse_other_currency(self, constant: str) -> None:
        """Refuse rows whose own column of currencies names another one than the format does."""
        at = next((at for at, one in enumerate(self._header) if _is_of_currencies(one)), -1)
        if at < 0:
            return

        def make(fields: Sequence[str]) -> str:
            text = fields[at].strip()
            if was_currency(text.upper()) and text.upper() != constant.upper():
                raise RowProblem(
                    "unknown_currency",
                    f"{self._header[at]} {text!r} is not {constant}, as the format says of every "
                    "row: remove it from constants, or make it a default",
                    self._header[at],
                    text,
                )
            return text

        self._makers.append(make)

    def _add(self, name: str, make: Callable[[Sequence[str]], str]) -> None:
        self.cells[_POSITIONS[name]] = len(self._header) + len(self._makers)
        self._makers.append(make)


_POSITIONS: Final = {column.name: position for position, column in enumerate(BILLING.columns)}


def _asked(form: DatasetFormat) -> Iterator[tuple[str, str]]:
    """(key of the format, header) of each column that a format names."""
    yield from ((f"columns.{name}", one) for name, one in form.columns.items())
    yield from (("debit", form.debit), ("credit", form.credit)) if form.debit else ()
    if form.sign:
        yield "sign.column", form.sign.column
    yield from ((f"id_from[{at}]", one) for at, one in enumerate(form.id_from))
    yield from ((f"extra[{at}]", one) for at, one in enumerate(form.extra))
    yield from ((f"rows[{at}].column", one.column) for at, one in enumerate(form.rows))


def _is_set(form: DatasetFormat, column: int) -> bool:
    """Whether the format itself says where a column comes from."""
    name = BILLING.columns[column].name
    return (
        name in form.columns
        or name in form.constants
        or (name == BILLING.amount and bool(form.debit))
        or (name == BILLING.key and bool(form.id_from))
    )


def _is_of_currencies(header: str) -> bool:
    column = BILLING.by_header.get(spelt_alike(header))
    return column is not None and BILLING.columns[column].name == BILLING.currency


def _all_of(
    makers: Sequence[Callable[[Sequence[str]], str]], filters: Sequence[tuple[RowFilter, int]]
) -> Derive:
    rules = [(rule, lru_cache(_REMEMBERED)(rule.takes), column) for rule, column in filters]

    def derive(fields: Sequence[str]) -> list[str]:
        for rule, takes, column in rules:
            text = fields[column].strip()
            if not takes(text):
                why = rule.message or "the format takes no such row for a bill"
                raise RowProblem(
                    "left_out_by_format", f"{rule.column} {text!r}: {why}", rule.column, text
                )
        cells = list(fields)
        # In order: a default may stand in for what was made before.
        for make in makers:
            cells.append(make(cells))
        return cells

    return derive


def _or_default(cell: int | None, text: str) -> Callable[[Sequence[str]], str]:
    return lambda fields: text if cell is None else fields[cell].strip() or text


def _negated(text: str) -> str:
    if text[1:2] in ("-", "+"):
        return text  # two signs are no number
    if text.startswith("-"):
        return text[1:]
    return f"-{text.removeprefix('+')}" if text else text


def _balance(form: DatasetFormat, debit: int, credit: int) -> Callable[[Sequence[str]], str]:
    """The amount of a charge in one column, less that of a credit in another."""

    def make(fields: Sequence[str]) -> str:
        charge, refund = fields[debit].strip(), fields[credit].strip()
        for title, text in ((form.debit, charge), (form.credit, refund)):
            if text.startswith("-"):
                raise RowProblem(
                    "ambiguous_amount",
                    f"{title} {text!r} is negative, so it could be a charge or a credit: write "
                    f"charges into {form.debit} and credits into {form.credit}, without a sign",
                    title,
                    text,
                )
        if _NOT_ZERO.search(charge) and _NOT_ZERO.search(refund):
            raise RowProblem(
                "ambiguous_amount",
                f"both {form.debit} {charge!r} and {form.credit} {refund!r} hold an amount",
                form.debit,
                charge,
            )
        if refund and (not charge or _NOT_ZERO.search(refund)):
            charge = _negated(refund)
        return _negated(charge) if form.negate else charge

    return make


def _signed(
    form: DatasetFormat, amount: int, column: int, title: str
) -> Callable[[Sequence[str]], str]:
    """An amount whose sign another column has, or whose sign is the other way round."""

    def make(fields: Sequence[str]) -> str:
        text = fields[amount].strip()
        if form.sign:
            sign = fields[column].strip()
            if sign not in form.sign.negative and sign not in form.sign.positive:
                known = ", ".join((*form.sign.positive, *form.sign.negative))
                raise RowProblem(
                    "unknown_sign",
                    f"{form.sign.column} {sign!r} is none of {known}, so {title} {text!r} could be "
                    "a charge or a credit",
                    form.sign.column,
                    sign,
                )
            if text.startswith(("-", "+")):
                raise RowProblem(
                    "ambiguous_amount",
                    f"{title} {text!r} has a sign, and {form.sign.column} {sign!r} is one, too",
                    title,
                    text,
                )
            if sign in form.sign.negative:
                text = _negated(text)
        return _negated(text) if form.negate else text

    return make


def _hash_of(columns: Sequence[int], titles: Sequence[str]) -> Callable[[Sequence[str]], str]:
    def make(fields: Sequence[str]) -> str:
        # A line break is a space, as in the text of a workbook.
        texts = [_LINE_BREAK.sub(" ", fields[one].strip()) for one in columns]
        if all(map(is_nothing, texts)):
            return ""
        if "#" in "".join(text[:1] for text in texts):
            for title, text in zip(titles, texts, strict=True):
                if is_error(text):
                    message = (
                        f"{title} {text!r} is an error of a spreadsheet, and is no part of an id"
                    )
                    raise RowProblem("missing_value", message, title, text)
        # Lengths keep ("a", "bc") apart from ("ab", "c").
        written = "".join(f"{len(text)}:{text}" for text in texts)
        return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    return make


def _kept(columns: Sequence[tuple[str, int]]) -> Callable[[Sequence[str]], str]:
    def make(fields: Sequence[str]) -> str:
        found = {title: text for title, one in columns if (text := fields[one].strip())}
        return json.dumps(found, ensure_ascii=False) if found else ""

    return make
