"""`finops billing format` and `check`: how a dataset writes its files, and what a file would do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from finops.billing.dataset_format import (
    DatasetFormat,
    UsedFormat,
    format_document,
    format_key,
    used_format,
)
from finops.billing.domain import NOTES, dataset_of
from finops.cli.billing_loads import deployed
from finops.cli.options import common, writing
from finops.cli.output import Exit, Output
from finops.deployment.environment import Environment
from finops.shared.rates import ExchangeRates, Rate, RatePolicy

if TYPE_CHECKING:
    from finops.billing.checking import Check
    from finops.deployment.billing import BillingDeployment

#: Loads whose formats are counted.
_LOADS: Final = 500
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("format")
@click.argument("dataset")
@click.option("--from", "path", type=_FILE, help="A JSON file that becomes the whole format.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="COLUMN=HEADER",
    help="Which header holds a column, such as bill_amount=Betrag; COLUMN= removes it.",
)
@click.option(
    "--constant",
    "constants",
    multiple=True,
    metavar="COLUMN=TEXT",
    help="The value of a column in every row.",
)
@click.option(
    "--default",
    "defaults",
    multiple=True,
    metavar="COLUMN=TEXT",
    help="The value of a column where a row has none, such as currency=EUR.",
)
@click.option(
    "--date-format",
    "date_formats",
    multiple=True,
    metavar="FORM",
    help="How days are written, in strptime notation, such as %d.%m.%Y. Again for each.",
)
@click.option(
    "--decimal-comma/--decimal-point",
    "decimal_comma",
    default=None,
    help="Whether 1,50 means one and a half.",
)
@click.option("--thousands", help="The separator of thousands, such as a point.")
@click.option("--delimiter", help="What separates cells.")
@click.option("--encoding", help="The encoding, such as cp1252.")
@click.option(
    "--skip-lines", type=int, metavar="NUMBER", help="How many lines above the header to leave out."
)
@click.option("--sheet", help="The sheet of a workbook, where more than one holds bills.")
@click.option(
    "--debit",
    metavar="HEADER",
    help="The column of charges; with --credit, in place of one amount.",
)
@click.option("--credit", metavar="HEADER", help="The column of credits, which are subtracted.")
@click.option("--negate/--no-negate", default=None, help="Whether charges are negative amounts.")
@click.option(
    "--id-from",
    multiple=True,
    metavar="HEADER",
    help="A column whose value is part of a bill's id. Again for each.",
)
@click.option(
    "--extra", multiple=True, metavar="HEADER", help="A column to keep as it is. Again for each."
)
@click.option(
    "--replace/--no-replace", default=None, help="Whether a file corrects bills of another file."
)
@click.option("--remove", is_flag=True, help="Say nothing any more: what Terraform sets applies.")
@common
def format_command(
    environment: Environment, out: Output, *, dataset: str, path: Path | None, remove: bool,
    columns: tuple[str, ...], constants: tuple[str, ...], defaults: tuple[str, ...],
    **options: Any,
) -> None:  # fmt: skip
    """Show the format of DATASET, or change what the options name.

    It is the object billing/DATASET/_format.json, and counts from the next file on.
    """
    deployment = deployed(environment)
    # What is replaced whole need not be understood.
    stored = deployment.formats.read(dataset, broken=bool(path or remove))
    changes = {name: value for name, value in options.items() if value not in (None, ())}
    pairs = {"columns": columns, "constants": constants, "defaults": defaults}
    document: dict[str, Any] = dict(stored.document)
    if path:
        document = format_document(path.read_bytes(), str(path))
    if remove:
        document = {}
    document |= {name: [*one] if isinstance(one, tuple) else one for name, one in changes.items()}
    for name, given in pairs.items():
        if given:
            document[name] = _merged(document.get(name), given, name)
    document = {name: one for name, one in document.items() if one not in ("", {}, [])}
    if path or remove or changes or any(pairs.values()):
        used = deployment.formats.write(dataset, document, stored, deployment.caller)
        out.say(f"{format_key(dataset)} is written, and counts from the next file on")
    else:
        used = deployment.formats.used(dataset, document)
    loads = _loads(deployment, dataset)
    says = used.format.to_document() if used else {}
    answer = {
        "dataset": dataset,
        "source": used.source if used else None,
        "version": used.version if used else None,
        "format": says,
        "loads": loads,
    }
    if out.as_json:
        out.answer(answer, rows="loads", columns=())
        return
    said = [
        {"setting": name, "value": json.dumps(one, ensure_ascii=False)}
        for name, one in says.items()
    ]
    out.answer({"settings": said}, rows="settings", columns=("setting", "value"))
    others = sum(one["files"] for one in loads if one["version"] != answer["version"])
    if others:
        out.say(
            f"{others} loaded files were read by another format; they stay as they are, and are "
            "read by this one where they are dropped again"
        )


def _merged(before: object, given: tuple[str, ...], name: str) -> dict[str, str]:
    found = dict(before) if isinstance(before, Mapping) else {}
    for one in given:
        column, equals, text = one.partition("=")
        if not equals:
            raise click.UsageError(f"--{name.removesuffix('s')} {one!r}: write COLUMN=TEXT")
        if text:
            found[column.strip()] = text
        else:
            found.pop(column.strip(), None)
    return found


def _loads(deployment: BillingDeployment, dataset: str) -> list[dict[str, Any]]:
    counted = Counter(
        (one.format.source, one.format.version) if one.format else (None, None)
        for one in deployment.store.files(dataset=dataset, limit=_LOADS)
        if one.status.value.startswith("LOADED")
    )
    return [
        {"source": source, "version": version, "files": count}
        for (source, version), count in counted.most_common()
    ]


@click.command("check")
@click.argument("file", type=_FILE)
@click.option(
    "--dataset",
    default="",
    show_default=False,
    help="The dataset whose format counts. Default: the file's name.",
)
@click.option(
    "--format", "format_path", type=_FILE, help="A format as JSON, in place of the dataset's."
)
@click.option(
    "--offline", is_flag=True, help="Ask no deployment: no format of a dataset, and no rates."
)
@click.option(
    "--write-format",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the proposed format here.",
)
@writing
def check(
    environment: Environment, out: Output, *, file: Path, dataset: str, format_path: Path | None,
    offline: bool, write_format: Path | None,
) -> None:  # fmt: skip
    """Tell what loading FILE would do, and load nothing.

    Where its columns are not known, a format is proposed.
    """
    from finops.billing.checking import check_file, checked_proposal

    name = dataset or dataset_of(file.name)
    used: UsedFormat | None = None
    if offline:
        rates = ExchangeRates(RatePolicy(), _one_for_one)
    else:
        deployment = deployed(environment)
        rates = deployment.rates
        if format_path is None:
            used = deployment.formats.used(name, deployment.formats.read(name).document)
    if format_path is not None:
        document = format_document(format_path.read_bytes(), str(format_path))
        used = used_format(
            str(format_path), DatasetFormat.from_document(str(format_path), document)
        )
    opened: list[Any] = []

    def again() -> Any:
        opened.append(file.open("rb"))
        return opened[-1]

    try:
        found = check_file(again, used, rates, name)
        tried = None
        if found.proposal and not found.proposal.questions:
            tried = checked_proposal(again, found.proposal, rates, name)
    finally:
        for one in opened:
            one.close()
    answer = _described(file, name, found, tried)
    if write_format:
        if found.proposal is None:
            out.fail(f"{file} needs no other format: {found.status}", Exit.REJECTED)
        text = json.dumps(found.proposal.document, indent=2, ensure_ascii=False, sort_keys=True)
        write_format.write_text(f"{text}\n", encoding="utf-8")
    _tell(out, answer, write_format)
    if found.status != "LOADED":
        raise SystemExit(Exit.REJECTED)


def _one_for_one(currency: str, _first: date, last: date) -> list[Rate]:
    return [Rate(currency=currency, rate_date=last, usd_per_unit=Decimal(1), source="none")]


def _described(file: Path, dataset: str, found: Check, tried: Check | None) -> dict[str, Any]:
    proposal = found.proposal
    return {
        "file": str(file),
        "dataset": dataset,
        "status": found.status,
        "error": found.error or None,
        "error_code": found.error_code or None,
        "schema": found.schema or None,
        "format": found.used.to_document() if found.used else None,
        "mapping": [asdict(one) for one in proposal.columns]
        if proposal
        else [
            {"column": column, "header": title, "confidence": 1.0, "reason": "as it is loaded"}
            for title, column in found.header
            if column
        ],
        "rows": _rows(found),
        "notes": [
            {"note": name, "count": count, "message": f"{NOTES.get(name, name)}: {count}"}
            for name, count in sorted(found.notes.items())
        ],
        "problems": [asdict(one) for one in found.problems],
        "proposal": {
            "format": proposal.document,
            "questions": list(proposal.questions),
            "status": tried.status if tried else None,
            "rows": _rows(tried) if tried else None,
            "problems": [asdict(one) for one in tried.problems] if tried else [],
        }
        if proposal
        else None,
    }


def _rows(found: Check) -> dict[str, Any]:
    return {
        "read": found.rows_read,
        "loaded": found.rows_read - found.rows_quarantined,
        "quarantined": found.rows_quarantined,
        "amounts": {name: f"{one:f}" for name, one in sorted(found.amounts.items())},
    }


def _tell(out: Output, answer: Mapping[str, Any], written: Path | None) -> None:
    rows = answer["rows"]
    out.say(
        f"{answer['file']}: {answer['status']}, {rows['loaded']} of {rows['read']} rows would be "
        f"loaded"
        + "".join(f", {currency} {amount}" for currency, amount in rows["amounts"].items())
    )
    if answer["error"]:
        out.say(answer["error"])
    for note in answer["notes"]:
        out.say(note["message"])
    if answer["mapping"] and answer["proposal"]:
        out.answer(answer, rows="mapping", columns=("header", "column", "confidence", "reason"))
    else:
        out.answer(answer, rows="problems", columns=("line", "reason", "field", "message"))
    proposal = answer["proposal"]
    if not proposal:
        return
    for question in proposal["questions"]:
        out.say(f"to be said: {question}")
    if proposal["rows"]:
        out.say(
            f"by the proposed format: {proposal['status']}, {proposal['rows']['loaded']} of "
            f"{proposal['rows']['read']} rows"
        )
    where = str(written) if written else "FORMAT.json"
    out.say(
        ("" if written else f"--write-format {where} writes the proposed format; ")
        + f"`finops billing format {answer['dataset']} --from {where}` declares it"
    )
