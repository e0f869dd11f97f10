"""The format of a dataset: proposed from a file of it, changed by a person, and tried."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import streamlit as st

from console import presses, ui
from console.identity import User
from console.services import Services
from console.views.billing.format_amounts import chosen_amounts, has_one_column
from finops.billing.builtin_formats import is_builtin
from finops.billing.checking import Check, Sample, check_file, sample_of, sheets_of
from finops.billing.dataset_format import DatasetFormat, format_key
from finops.billing.domain import NOTES
from finops.billing.mapping import layout_of
from finops.billing.schemas import BILLING, FOCUS, spelt_alike
from finops.deployment.billing_formats import DatasetFormats, StoredFormat
from finops.shared.audit import NoAudit

#: Bytes of a file that is looked at; a format shows in the beginning of a long one.
LARGEST_SAMPLE: Final = 5 << 20
_KINDS: Final = ("csv", "txt", "tsv", "gz", "zip", "xlsx", "parquet")
_SHOWN: Final = 5
_COLUMNS: Final = tuple(column.name for column in BILLING.columns if column.in_file)
_NOWHERE: Final = ""
#: What is looked at, and the format that was stored when that began.
_BEGUN: Final = "format_begun"
#: The sheet that the other choices are about.
_OF_SHEET: Final = "format_of_sheet"


def show(services: Services, user: User) -> None:
    """Draw a dataset's format beside the first rows of a file."""
    left, right = st.columns([2, 3])
    dataset = left.text_input(
        "Format of dataset",
        max_chars=128,
        key="format_dataset",
        help="The folder that its files go to.",
    ).strip("/ ")
    file = right.file_uploader(
        "A file of it, which is looked at and not loaded", type=[*_KINDS], key="format_file"
    )
    if not dataset or file is None:
        st.caption("Name the dataset, and choose a file of up to 5 MiB that has its columns.")
        return
    if file.size > LARGEST_SAMPLE:
        st.warning("The file has more than 5 MiB: its first rows in a file of their own suffice.")
        return
    with ui.failures("The file cannot be understood"):
        formats = services.billing.formats_recorded_by(NoAudit())
        begun = (dataset, file.file_id)
        if st.session_state.get(_BEGUN, (None, None))[0] != begun:
            _forget("format_file", "format_dataset")
            # What somebody else saves from now on is not overwritten unseen.
            st.session_state[_BEGUN] = (begun, formats.read(dataset, broken=True))
        stored = st.session_state[_BEGUN][1]
        _edit(services, user, formats, stored, dataset, file.getvalue())


def _forget(*kept: str) -> None:
    """Begin anew: nothing that was chosen for another file, dataset or sheet stays."""
    for key in [str(one) for one in st.session_state]:
        if key.startswith("format_") and key not in kept:
            del st.session_state[key]


def _with_sheet(document: Mapping[str, Any], content: bytes) -> dict[str, Any]:
    """The format with the sheet that a person chose, of a workbook with several."""
    found = dict(document)
    sheets = sheets_of(io.BytesIO(content))
    said = found.pop("sheet", _NOWHERE)
    options = list(dict.fromkeys([_NOWHERE, *([said] if said else []), *sheets]))
    if len(options) <= 2:
        return dict(document)
    chosen = st.selectbox(
        "Sheet",
        options,
        index=options.index(said),
        key="format_sheet",
        format_func=lambda one: one or "the only one with bills",
    )
    if st.session_state.get(_OF_SHEET, said) != chosen:
        _forget("format_file", "format_dataset", _BEGUN, "format_sheet")
    st.session_state[_OF_SHEET] = chosen
    return found | ({"sheet": chosen} if chosen else {})


def _edit(
    services: Services, user: User, formats: DatasetFormats, stored: StoredFormat, dataset: str,
    content: bytes,
) -> None:  # fmt: skip
    def tried(document: Mapping[str, Any]) -> Check:
        used = formats.used(dataset, document)
        return check_file(partial(io.BytesIO, content), used, services.billing.rates, dataset)

    document = _with_sheet(stored.document, content)
    before = DatasetFormat.from_document(format_key(dataset), document)
    found = tried(document)
    if _is_known(found):
        st.success("This export is known: its columns need no format.")
        _outcome(found)
        if document != stored.document:
            _offer_to_save(services, user, formats, stored, dataset, document)
        return
    sample = sample_of(io.BytesIO(content), layout_of(before))
    _first_rows(sample)
    if not stored.document:
        document = dict(sample.proposal.document) | document
    for question in sample.proposal.questions if not stored.document else ():
        st.info(ui.escaped(question), icon=":material/help:")
    document = _changed(document, sample)
    found = tried(document)
    _outcome(found)
    with st.expander("The format as JSON"):
        st.json(document)
    is_refused = found.status == "REJECTED"
    _offer_to_save(services, user, formats, stored, dataset, document, disabled=is_refused)


def _offer_to_save(
    services: Services, user: User, formats: DatasetFormats, stored: StoredFormat, dataset: str,
    document: Mapping[str, Any], *, disabled: bool = False,
) -> None:  # fmt: skip
    if presses.button(
        "Save the format",
        type="primary",
        icon=":material/save:",
        disabled=disabled or document == stored.document,
    ):
        services.require(user)
        _forget("format_file", "format_dataset")
        used = formats.write(dataset, document, stored, user.identity)
        version = used.version if used else ""
        services.record(
            user, "format.changed", format_key(dataset), dataset=dataset, version=version
        )
        ui.flash(f"The format of {ui.escaped(dataset)} counts from the next file on. Drop files.")
        st.rerun()


def _is_known(found: Check) -> bool:
    """Whether a file is of FOCUS, or of a program whose export a built-in format reads."""
    return found.schema == FOCUS.name or (found.used is not None and is_builtin(found.used.source))


def _first_rows(sample: Sample) -> None:
    titles: list[str] = []
    for at, title in enumerate(sample.header, 1):
        titles.append(title if title.strip() and title not in titles else f"{title} ({at})")
    st.dataframe(
        [dict(zip(titles, row, strict=True)) for row in sample.rows[:_SHOWN]],
        hide_index=True,
        key="format_rows",
    )


def _changed(document: dict[str, Any], sample: Sample) -> dict[str, Any]:
    """The format with what a person chose beside the proposal."""
    columns: dict[str, str] = {}
    known = {spelt_alike(title): title for title in reversed(sample.header) if title.strip()}
    said: Mapping[str, str] = document.get("columns", {})
    names = [one for one in _COLUMNS if one != BILLING.amount]
    if has_one_column(document):
        names.append(BILLING.amount)
    for name, place in zip(names, _places(len(names)), strict=True):
        guess = known.get(spelt_alike(said.get(name, "")), _NOWHERE) or _by_name(name, known)
        options = [_NOWHERE, *dict.fromkeys(known.values())]
        chosen = place.selectbox(
            ui.words(name),
            options,
            index=options.index(guess),
            key=f"format_{name}",
            format_func=lambda one: one or "—",
        )
        place.caption(ui.escaped(_examples(sample, chosen)) or "no column")
        if chosen:
            columns[name] = chosen
    document["columns"] = columns
    amounts = chosen_amounts(document, sample, list(dict.fromkeys(known.values())))
    for name in ("debit", "credit", "sign", "negate"):
        document.pop(name, None)
    document |= amounts
    ids = st.multiselect(
        "Columns that together identify a bill, where no column is a record id",
        list(dict.fromkeys(known.values())),
        default=[
            known[spelt_alike(one)]
            for one in document.get("id_from", ())
            if spelt_alike(one) in known
        ],
        disabled=BILLING.key in columns,
        key="format_id_from",
    )
    document["id_from"] = [] if BILLING.key in columns else ids
    first, second, third = st.columns(3, vertical_alignment="bottom")
    currency = first.text_input(
        "Currency of rows without one",
        document.get("defaults", {}).get("currency", ""),
        max_chars=3,
        key="format_currency_default",
    )
    days = second.text_input(
        "How days are written",
        ", ".join(document.get("date_formats", ())),
        help="Such as %d.%m.%Y; several with commas. ISO days need none.",
        key="format_days",
    )
    comma = third.checkbox(
        "1,50 is one and a half", bool(document.get("decimal_comma")), key="format_comma"
    )
    defaults = {k: v for k, v in document.get("defaults", {}).items() if k != "currency"}
    document["defaults"] = defaults | ({"currency": currency.strip()} if currency.strip() else {})
    document["date_formats"] = [one.strip() for one in days.split(",") if one.strip()]
    document["decimal_comma"] = comma
    if document.get("thousands") == ("," if comma else "."):
        document["thousands"] = "." if comma else ","
    return {name: value for name, value in document.items() if value}


def _places(count: int) -> list[Any]:
    """A grid of three columns."""
    rows = [st.columns(3) for _ in range(-(-count // 3))]
    return [place for row in rows for place in row][:count]


def _by_name(name: str, known: Mapping[str, str]) -> str:
    """The header that means a column without being mapped."""
    column = next(one for one in BILLING.columns if one.name == name)
    spellings = (spelt_alike(one) for one in (column.title, column.name, *column.aliases))
    return next((known[one] for one in spellings if one in known), _NOWHERE)


def _examples(sample: Sample, title: str) -> str:
    if title not in sample.header:
        return ""
    at = sample.header.index(title)
    return ", ".join(dict.fromkeys(row[at].strip()[:30] for row in sample.rows if row[at].strip()))[
        :90
    ]


def _outcome(found: Check) -> None:
    if found.status == "REJECTED":
        st.warning(f"It would be refused: {ui.escaped(found.error)}", icon=":material/block:")
        return
    loaded = found.rows_read - found.rows_quarantined
    amounts = " and ".join(ui.amount(one, name) for name, one in sorted(found.amounts.items()))
    st.markdown(
        f"**{loaded:,} of {ui.counted(found.rows_read, 'row')} would be loaded**"
        + (f": {ui.escaped(amounts)}" if amounts else "")
    )
    for name, count in sorted(found.notes.items()):
        st.caption(f"{NOTES.get(name, name)}: {count:,}")
    if found.problems:
        rows: Sequence[Mapping[str, Any]] = [
            {"line": one.line, "field": one.field, "value": one.value, "message": one.message}
            for one in found.problems
        ]
        st.dataframe(rows, hide_index=True, key="format_problems")
