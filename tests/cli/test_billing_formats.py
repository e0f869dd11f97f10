"""`finops billing format` and `check`, over a bucket and a ledger in memory."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from finops.billing.dataset_format import DatasetFormat, format_key
from finops.billing.domain import FileEntry
from finops.billing.settings import Settings
from finops.deployment.billing_formats import DatasetFormats
from finops.shared.errors import RejectedInput
from finops.shared.rates import ExchangeRates, RatePolicy
from tests.audit.recorders import MemoryRecorder
from tests.billing.test_workbooks import Cells, book
from tests.billing.use_cases import Flow
from tests.cli.conftest import BillingOn
from tests.cli.conftest import run_billing as run


class Bucket:
    """S3 with conditional writes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self.between: bytes | None = None

    def get_object(self, **request: Any) -> dict[str, Any]:
        key = request["Key"]
        found = self._flow.objects.content.get((key, ""))
        if found is None:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "gone"}}, "GetObject")
        answer = {"Body": io.BytesIO(found), "ETag": f'"{hash(found)}"'}
        if self.between is not None:
            self._flow.objects.content[key, ""] = self.between
        return answer

    def put_object(self, **request: Any) -> None:
        there = self._flow.objects.content.get((request["Key"], ""))
        etag = None if there is None else f'"{hash(there)}"'
        if request.get("IfMatch", etag) != etag or (
            request.get("IfNoneMatch") and there is not None
        ):
            raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": "no"}}, "Put")
        self._flow.objects.content[request["Key"], ""] = request["Body"]


class Deployment:
    """As `BillingDeployment`, over the use cases in memory."""

    caller = "arn:aws:iam::111111111111:user/anna <AIDAANNA>"

    def __init__(self) -> None:
        self.flow = Flow()
        self.audit = MemoryRecorder()
        self.bucket = Bucket(self.flow)
        base = {"acme": DatasetFormat(date_formats=("%d.%m.%Y",))}
        settings = Settings(large_file_bytes=10**6, rates=RatePolicy(), formats=base)
        self.flow.settings = settings
        self.formats = DatasetFormats(self.bucket, "b", settings, self.audit)
        self.store = self
        self.rates = ExchangeRates(RatePolicy())

    def files(self, *, dataset: str, limit: int) -> list[FileEntry]:
        return [one for one in self.flow.store.files.values() if one.dataset == dataset][:limit]

    def load(self, body: str) -> FileEntry:
        return self.flow.load(self.flow.objects.put("billing/acme/a.csv", body.encode()))

    def stored(self) -> Any:
        return json.loads(self.flow.objects.content[format_key("acme"), ""])


@pytest.fixture
def deployment(billing_on: BillingOn) -> Deployment:
    made = Deployment()
    billing_on(made)
    return made


GERMAN = "Nr;Datum;Betrag;Art\nR-1;05.03.2026;1.222,56;x\n"
MAPPING = (
    "--column",
    "record_id=Nr",
    "--column",
    "bill_date=Datum",
    "--column",
    "bill_amount=Betrag",
)


def test_a_format_is_written_in_steps_and_read_by_the_next_file(deployment: Deployment) -> None:
    assert deployment.load(GERMAN).status == "REJECTED"
    assert run("format", "acme", *MAPPING, "--default", "currency=USD")[0] == 0
    code, answer = run("format", "acme", "--decimal-comma", "--thousands", ".", "--extra", "Art")
    assert (code, answer["source"]) == (0, "billing/acme/_format.json")
    assert answer["format"]["date_formats"] == ["%d.%m.%Y"], "the module's setting is the base"
    assert deployment.stored() == {
        "columns": {"record_id": "Nr", "bill_date": "Datum", "bill_amount": "Betrag"},
        "defaults": {"currency": "USD"},
        "decimal_comma": True,
        "thousands": ".",
        "extra": ["Art"],
    }
    entry = deployment.load(GERMAN)
    assert (entry.status, entry.tally.inserted) == ("LOADED", 1)
    _, answer = run("format", "acme")
    version = answer["version"]
    assert answer["loads"] == [{"source": answer["source"], "version": version, "files": 1}]
    assert run("format", "acme", "--column", "record_id=", "--id-from", "Nr")[0] == 0
    assert "record_id" not in deployment.stored()["columns"]
    event = deployment.audit.events[-1]
    assert (event.action, event.actor) == ("format.changed", deployment.caller)


def test_a_format_that_breaks_a_rule_is_not_written(deployment: Deployment) -> None:
    with pytest.raises(RejectedInput, match=r"date_formats\[0\] '%d.%m'"):
        run("format", "acme", "--date-format", "%d.%m")
    assert (format_key("acme"), "") not in deployment.flow.objects.content
    assert deployment.audit.events == []


@pytest.mark.parametrize("before", [None, b'{"negate": true}'])
def test_of_two_people_who_edit_a_format_the_second_is_told(
    deployment: Deployment, before: bytes | None
) -> None:
    if before:
        deployment.flow.objects.content[format_key("acme"), ""] = before
        deployment.bucket.between = b'{"replace": true}'
        with pytest.raises(RejectedInput, match="somebody else has changed"):
            run("format", "acme", "--decimal-comma")
        assert deployment.stored() == {"replace": True}
        return
    nothing = deployment.formats.read("acme")
    deployment.flow.objects.content[format_key("acme"), ""] = b'{"replace": true}'
    with pytest.raises(RejectedInput, match="somebody else has changed"):
        deployment.formats.write("acme", {"negate": True}, nothing, "anna")


def test_a_broken_format_is_shown_as_that_and_can_be_replaced(
    deployment: Deployment, tmp_path: Path
) -> None:
    deployment.flow.objects.content[format_key("acme"), ""] = b'{\n  "replace": tru\n}'
    with pytest.raises(RejectedInput, match="line 2, column 14"):
        run("format", "acme")
    file = tmp_path / "format.json"
    file.write_text('{"replace": true}', encoding="utf-8")
    assert run("format", "acme", "--from", str(file))[1]["format"]["replace"] is True
    assert run("format", "acme", "--remove")[1]["source"] == "datasets"


def test_a_file_is_checked_by_the_format_of_its_dataset(
    deployment: Deployment, tmp_path: Path
) -> None:
    file = tmp_path / "march.csv"
    file.write_text(
        "id;date;currency;amount\n1;05.03.2026;USD;2.50\n2;6.3.;USD;1\n1;05.03.2026;USD;2\n",
        encoding="utf-8",
    )
    code, answer = run("check", str(file), "--dataset", "acme")
    assert (code, answer["status"]) == (1, "LOADED_WITH_REJECTS")
    assert answer["rows"] == {"read": 3, "loaded": 1, "quarantined": 2, "amounts": {"USD": "2.50"}}
    found = [(one["line"], one["reason"]) for one in answer["problems"]]
    assert found == [(3, "invalid_date"), (4, "duplicate_record_id")]
    assert answer["format"]["source"] == "datasets"
    assert deployment.flow.store.files == {}, "a check loads nothing"
    entry = deployment.load(file.read_text(encoding="utf-8"))
    assert (entry.status, entry.tally.inserted) == ("LOADED_WITH_REJECTS", 1), "as the loader does"


def test_an_unknown_file_gets_a_format_that_loads_it(
    deployment: Deployment, tmp_path: Path
) -> None:
    file, form = tmp_path / "acme.csv", tmp_path / "format.json"
    file.write_text(
        "Rechnungsnr.;Rechnungsdatum;Kunde;Betrag;Währung\nR-1;25.03.2026;Müller;1.222,56;USD\n",
        encoding="utf-8",
    )
    code, answer = run("check", str(file), "--offline", "--write-format", str(form))
    assert (code, answer["status"], answer["error_code"]) == (1, "REJECTED", "no_header")
    mapped = {one["column"]: one["header"] for one in answer["mapping"]}
    assert mapped == {
        "record_id": "Rechnungsnr.",
        "bill_date": "Rechnungsdatum",
        "company_name": "Kunde",
        "bill_amount": "Betrag",
        "currency": "Währung",
    }
    assert answer["proposal"]["questions"] == []
    assert answer["proposal"]["rows"]["loaded"] == 1
    assert run("check", str(file), "--offline", "--format", str(form))[0] == 0
    assert run("format", "acme", "--from", str(form))[0] == 0
    assert deployment.load(file.read_text(encoding="utf-8")).tally.inserted == 1


def test_a_file_that_is_loaded_as_it_is_needs_no_format(
    deployment: Deployment, tmp_path: Path
) -> None:
    file = tmp_path / "acme.csv"
    file.write_text("id,date,currency,amount\n1,2026-03-05,USD,1\n", encoding="utf-8")
    assert run("check", str(file))[0] == 0
    code, answer = run("check", str(file), "--write-format", str(tmp_path / "x.json"))
    assert (code, (tmp_path / "x.json").exists()) == (1, False)
    assert "needs no other format" in answer["error"]


def test_a_workbook_is_checked_and_the_format_names_its_sheet(
    deployment: Deployment, tmp_path: Path
) -> None:
    header = ["record_id", "bill_date", "currency", "bill_amount"]
    bills: list[list[Cells]] = [
        [header, [f"b{at}", date(2026, 3, 5), "USD", at + 0.5]] for at in range(2)
    ]
    file = tmp_path / "acme.xlsx"
    file.write_bytes(book(*bills))
    code, answer = run("check", str(file))
    assert (code, answer["error_code"]) == (1, "several_sheets")
    assert run("format", "acme", "--sheet", "Sheet2")[0] == 0
    code, answer = run("check", str(file))
    assert (code, answer["rows"]["amounts"]) == (0, {"USD": "1.5"})
