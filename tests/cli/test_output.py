"""What commands print: tables that fit, pipes without padding, CSV, and one JSON document."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import click
import pytest
from rich.console import Console

from finops.cli import billing as billing_commands
from finops.cli import billing_loads
from finops.cli import invoices as invoice_commands
from finops.cli.invoices import COLUMNS
from finops.cli.main import COMMANDS, finops, main
from finops.cli.output import Exit, Format, Output, output
from finops.cli.tables import LEAST_WORTH, fitted
from finops.invoices.domain import InvoiceRecord, InvoiceStatus
from finops.shared.errors import RejectedInput
from tests.invoices.builders import record

ROW: dict[str, Any] = {
    "id": "0123456789abcdef0123",
    "file": "a/very/long/folder/of/invoices/of-a-vendor-with-a-long-name-2026-03-31.pdf",
    "status": "NEEDS_REVIEW",
    "serial_number": None,
    "vendor": "Bäckerei Ähre GmbH",
    "invoice_number": "RE-2026-000017",
    "invoice_date": "2026-03-31",
    "currency": "EUR",
    "total": "1200.00",
    "confidence": 98.0,
    "reason": "subtotal 1000.00 + tax 190.00 = 1190.00, but the total is 1200.00",
}


def test_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    printer = output()
    printer.say("root:x:0 [b]bold[/b]")
    printer.text("root:x:0")
    with pytest.raises(SystemExit):
        printer.fail("row :a: is bad", Exit.REJECTED)
    printed = capsys.readouterr()
    assert "root:x:0" in printed.out
    assert printed.err.splitlines() == ["root:x:0 [b]bold[/b]", "error: row :a: is bad"]


def terminal(width: int) -> tuple[Output, io.StringIO, io.StringIO]:
    """An output to a terminal of this width, and what is seen on stdout and stderr."""
    files = io.StringIO(), io.StringIO()
    consoles = [
        Console(file=one, width=width, height=50, force_terminal=True, color_system=None)
        for one in files
    ]
    out = Output(form=Format.TABLE, stdout=consoles[0], stderr=consoles[1], width=width)
    return out, *files


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
def test_a_list_fits_the_terminal(width: int) -> None:
    out, shown, _ = terminal(width)
    out.answer({"invoices": [ROW, ROW]}, rows="invoices", columns=COLUMNS)
    lines = shown.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    assert "01234567" in shown.getvalue()
    assert ROW["id"] not in shown.getvalue()


def test_columns_go_in_order_of_their_worth_and_are_named() -> None:
    out, shown, told = terminal(80)
    out.answer({"invoices": [ROW]}, rows="invoices", columns=COLUMNS)
    head, *rows = shown.getvalue().splitlines()
    assert head.split() == ["id", "status", "vendor", "invoice", "number", "currency", "total"]
    assert "1200.00" in rows[0]
    assert " ".join("".join(rows[1:]).split()) == f"reason: {ROW['reason']}"
    assert "also shows: file, serial number" in told.getvalue()
    wide, everything, silent = terminal(400)
    wide.answer({"invoices": [ROW]}, rows="invoices", columns=COLUMNS)
    assert ROW["file"] in everything.getvalue()
    assert silent.getvalue() == ""


def test_what_tells_rows_apart_is_there_at_any_usual_width() -> None:
    row: dict[str, Any] = {
        **dict.fromkeys(billing_loads.COLUMNS, "17"),
        "load_id": 12,
        "received_at": "2026-03-31T12:00:00+00:00",
        "dataset": "north-region",
        "file": "billing/north-region/march-2026.csv",
        "status": "LOADED_WITH_REJECTS",
        "error": "2 of 17 rows are in quarantine",
    }
    columns = ("load_id", "received_at", "dataset", *billing_loads.COLUMNS)
    for width in (60, 80, 100):
        out, shown, told = terminal(width)
        out.answer({"files": [row]}, rows="files", columns=columns)
        head = shown.getvalue().partition("\n")[0]
        assert {"load", "dataset", "file", "status"} <= set(head.split())
        assert row["error"] in " ".join(shown.getvalue().split())
        assert "rows read" in " ".join(told.getvalue().split())


def test_an_empty_column_goes_before_any_with_values() -> None:
    rows = [{"id": "1", "error": "", "file": "f" * 20}]
    _, dropped = fitted(rows, ("id", "file", "error"), 24)
    assert dropped == ("error",)


def test_long_values_end_with_an_ellipsis_and_prose_wraps_between_words() -> None:
    out, shown, _ = terminal(60)
    rows = [{"id": "1", "vendor": "v" * 60, "description": "a reason of several whole words " * 3}]
    out.answer({"rows": rows}, rows="rows", columns=("id", "vendor", "description"))
    text = shown.getvalue()
    assert "v…" in text
    words = {word for line in text.splitlines()[1:] for word in line.split()}
    assert words <= {"1", "a", "reason", "of", "several", "whole", "words"} | {
        word for word in words if word.endswith("v…")
    }


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_a_finding_has_its_remedy_at_any_width(width: int) -> None:
    remedy = "Run terraform apply; find out who removed it"
    problem = "its role finops-reconcile-month has no policy, so AWS refuses whatever it does"
    finding = {"severity": "FAULT", "check": "roles", "subject": "finops-reconcile-month"}
    out, shown, told = terminal(width)
    rows = [finding | {"problem": problem, "remedy": remedy}, finding | {"problem": problem}]
    columns = ("severity", "check", "subject", "problem", "remedy")
    out.answer({"findings": rows}, rows="findings", columns=columns)
    lines = shown.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    words = [word for line in lines for word in line.split()]
    for word in remedy.split():
        assert words.count(word) >= 1
    assert words.count("severity") == 1
    assert words.count("remedy:") <= 1
    assert "remedy" not in told.getvalue()
    assert "problem" not in told.getvalue()


@pytest.mark.parametrize("value", ["[red]x[/red]", "\x1b[2J", "日本語の会社" * 5, "", "a\nb"])
def test_any_text_is_shown_as_text(value: str) -> None:
    out, shown, _ = terminal(40)
    out.answer({"rows": [{"id": value, "error": value}]}, rows="rows", columns=("id", "error"))
    assert "\x1b" not in shown.getvalue()
    if value.startswith("["):
        assert value in shown.getvalue()


def test_a_pipe_gets_tabs_and_no_padding(capsys: pytest.CaptureFixture[str]) -> None:
    out, _, _ = terminal(80)
    out.width = None
    rows = [ROW, ROW | {"vendor": "a\tb\nc", "reason": None}]
    out.answer({"invoices": rows}, rows="invoices", columns=COLUMNS)
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split("\t")[3] == "serial number"
    assert first.split("\t") == ["" if ROW[one] is None else str(ROW[one]) for one in COLUMNS]
    assert second.split("\t")[4] == "a b c"
    assert second.endswith("\t")


def test_csv_has_the_values_of_the_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    out, _, _ = terminal(80)
    out.form = Format.CSV
    row = {"id": "=1+1", "at": "2026-03-31T12:00:00+00:00", "notes": ["a"], "ok": True, "no": None}
    out.answer({"rows": [row]}, rows="rows", columns=("id", "at", "notes", "ok", "no"))
    found = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert found == [
        ["id", "at", "notes", "ok", "no"],
        ["'=1+1", "2026-03-31T12:00:00+00:00", '["a"]', "true", ""],
    ]


def test_messages_wrap_between_words_and_never_within_one() -> None:
    out, _, told = terminal(30)
    arn = "arn:aws:lambda:eu-central-1:111111111111:function:finops-review-invoice"
    with pytest.raises(SystemExit):
        out.fail(f"the function {arn} refused what you asked it to do", Exit.REJECTED)
    lines = told.getvalue().splitlines()
    assert arn in lines
    assert all(len(line) <= 30 for line in lines if line != arn)


def commands() -> dict[str, click.Command]:
    """Each command by its words."""
    found: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = finops.get_command(click.Context(finops), name)
        assert command
        parts = command.commands if isinstance(command, click.Group) else {"": command}
        found |= {f"{name} {part}".strip(): one for part, one in parts.items()}
    return found


def test_every_command_answers_as_table_csv_or_json() -> None:
    others = []
    for name, command in commands().items():
        form = next((one for one in command.params if one.name == "form"), None)
        if form is None or list(getattr(form.type, "choices", ())) != list(Format):
            others.append(name)
    # A script for a shell; the others write files, or read one, for which they have a --format.
    assert others == ["billing check", "completion", "invoices export"]


def test_of_several_tables_the_first_is_csv(capsys: pytest.CaptureFixture[str]) -> None:
    out, _, _ = terminal(80)
    out.form = Format.CSV
    document = {"vendors": [{"id": "1"}], "facts": [{"kind": "IBAN"}]}
    out.answer(document, rows="vendors", columns=("id",))
    out.answer(document, rows="facts", columns=("kind",))
    assert capsys.readouterr().out == "id\r\n1\r\n"


def test_lines_beside_tables_are_for_people_only() -> None:
    for form in Format:
        out, shown, _ = terminal(20)
        out.form = form
        out.heading("line items")
        out.text("twenty-one characters of it")
        command = "finops invoices review 0123 --approve"
        out.text(command, whole=True)
        lines = ["", "line items", "twenty-one", "characters of it", command]
        assert shown.getvalue().splitlines() == (lines if form is Format.TABLE else [])


def test_no_command_prints_past_its_output() -> None:
    """What does is in the CSV of `--format csv`, too."""
    folder = Path(invoice_commands.__file__).parent
    found = [
        f"{path.name}: {line.strip()}"
        for path in folder.glob("*.py")
        if path.name != "output.py"
        for line in path.read_text("utf-8").splitlines()
        if "stdout" in line and ".print(" in line
    ]
    assert found == []


def test_each_column_of_little_worth_is_a_column_of_a_list() -> None:
    """A name with a slip would never be dropped."""
    source = "".join(
        path.read_text("utf-8")
        for path in Path(invoice_commands.__file__).parent.glob("*.py")
        if path.name != "tables.py"
    )
    from finops.budgets.attributes import ATTRIBUTES

    known = {one.name for one in ATTRIBUTES}
    assert [one for one in LEAST_WORTH if f'"{one}"' not in source and one not in known] == []


class Late:
    """As `InvoiceDeployment`, where nothing ends in time."""

    caller = "ann"

    def __init__(self, found: InvoiceRecord | None) -> None:
        self.store = self
        self.found = found

    def upload(self, *_: Any) -> str:
        return "an-id"

    def find(self, invoice_id: str) -> InvoiceRecord:
        if self.found is None or invoice_id != "an-id":
            raise RejectedInput("no", code="unknown_invoice")
        return self.found


@pytest.mark.parametrize("found", [None, record(status=InvoiceStatus.EXTRACTING)])
@pytest.mark.parametrize("form", [["--json"], ["--wait", "--json"]])
def test_one_json_document_is_printed_also_on_time_out(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Any,
    found: InvoiceRecord | None,
    form: list[str],
) -> None:
    monkeypatch.setattr(invoice_commands, "_deployed", lambda _environment: Late(found))
    file = tmp_path / "a.pdf"
    file.write_bytes(b"%PDF")
    arguments = ["invoices", "submit", str(file), "--timeout", "0.01", *form]
    monkeypatch.setattr("sys.argv", ["finops", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    document = json.loads(printed.out)  # fails if there is anything else
    assert len(document["invoices"]) == 1
    waited = "--wait" in form
    assert (ended.value.code or 0) == (3 if waited else 0)
    assert ("not processed within" in document.get("error", "")) == waited
    assert ("not processed within" in printed.err) == waited


def test_wrong_usage_is_one_json_document_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["finops", "invoices", "list", "--status", "NONE", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "'NONE' is not one of" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize(
    ("text", "addressed"),
    [
        ("see `finops doctor`", "see `finops doctor --env prod`"),
        (
            "`finops budgets list`, then `finops budgets approve ACCOUNT --name NAME`",
            "`finops budgets list --env prod`,"
            " then `finops budgets approve ACCOUNT --name NAME --env prod`",
        ),
        ("`finops status --env dev` and `make up`", "`finops status --env dev` and `make up`"),
        ("see `finops --help`, not finops", "see `finops --help`, not finops"),
    ],
)
def test_commands_in_messages_name_the_deployment_that_was_named(text: str, addressed: str) -> None:
    out, _, told = terminal(200)
    assert out.addressed(text) == text
    out.environment = "prod"
    assert out.addressed(text) == out.addressed(out.addressed(text)) == addressed
    out.say(text)
    assert told.getvalue().rstrip() == addressed
    out.environment = "of a team"
    assert out.addressed("`finops doctor`") == "`finops doctor --env 'of a team'`"


@pytest.mark.parametrize("given", [["--env", "aws"], []])
def test_the_remedy_of_an_error_names_the_deployment_that_was_named(
    given: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_environment: Any) -> Any:
        raise RejectedInput("no such file", code="x", remedy="`finops billing files` lists them")

    monkeypatch.setenv("FINOPS_ENV", "aws")
    monkeypatch.setattr(billing_commands, "deployed", refuse)
    monkeypatch.setattr("sys.argv", ["finops", "billing", "files", *given])
    with pytest.raises(SystemExit):
        main()
    named = " --env aws" if given else ""
    assert f"no such file. `finops billing files{named}` lists them" in capsys.readouterr().err
