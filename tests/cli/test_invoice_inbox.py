"""`finops invoices next` and the short ids: which invoice is shown, and what can be typed then."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from finops.cli.invoice_inbox import find
from finops.cli.main import finops
from finops.invoices.domain import (
    InvoiceRecord,
    InvoiceStatus,
    Issue,
    Reading,
    Review,
    Severity,
    invoice_id,
)
from finops.invoices.inbox import waiting
from finops.shared.errors import RejectedInput
from finops.shared.people import PERSONAL_SESSION_ROLES
from tests.invoices.builders import invoice, record

ANN = "arn:aws:iam::111111111111:user/ann <AIDAANN>"
NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
ISSUE = Issue(code="x", severity=Severity.REVIEW, field="tax", message="the tax fits no rate")


@dataclass
class Deployment:
    """As `InvoiceDeployment`."""

    records: list[InvoiceRecord] = field(default_factory=list)
    caller: str = ANN
    separation_of_duties: bool = True
    personal_session_roles: tuple[str, ...] = PERSONAL_SESSION_ROLES

    @property
    def store(self) -> Deployment:
        return self

    def waiting(self) -> Iterator[InvoiceRecord]:
        return waiting(sorted(self.records, key=lambda one: one.received_at))

    def find(self, invoice_id: str) -> InvoiceRecord:
        for one in self.records:
            if one.id == invoice_id:
                return one
        raise RejectedInput(f"no {invoice_id}", code="unknown_invoice")

    def ids(self, text: str, *, status: str) -> list[str]:
        return [
            one.id
            for one in self.records
            if one.status == status
            and text.casefold() in f"{one.id} {one.file} {one.serial_number}".casefold()
        ]


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Deployment:
    made = Deployment()
    monkeypatch.setattr("finops.deployment.invoices.InvoiceDeployment", lambda _: made)
    monkeypatch.delenv("FINOPS_ENV", raising=False)
    return made


def waits(key: str, hours: int = 0, **facts: Any) -> InvoiceRecord:
    usual = {"status": InvoiceStatus.NEEDS_REVIEW, "invoice": invoice(), "issues": (ISSUE,)}
    return record(key, **(usual | {"received_at": NOON + timedelta(hours=hours)} | facts))


def next_(*arguments: str) -> Result:
    return CliRunner().invoke(finops, ["invoices", "next", *arguments])


def test_the_oldest_that_one_may_decide_is_shown_doubtful_fields_first(
    deployment: Deployment,
) -> None:
    own = waits("raw/own.pdf", submitted_by=ANN)
    read = invoice()
    read = replace(read, readings={**read.readings, "tax": Reading(value="7.00", text="7,00")})
    oldest = waits("raw/oldest.pdf", hours=1, submitted_by="bea", invoice=read)
    deployment.records = [waits("raw/late.pdf", hours=2), oldest, own]
    ended = next_("--json")
    assert ended.exit_code == 0
    answer = json.loads(ended.stdout)
    assert answer["waiting"] == 3
    assert answer["skipped"] == [
        {
            "id": own.id,
            "file": "own.pdf",
            "reason": "you submitted it, so somebody else must approve it",
        }
    ]
    (found,) = answer["invoices"]
    assert found["id"] == oldest.id
    first = found["fields"][0]
    assert (first["field"], first["evidence"], first["doubts"]) == (
        "tax",
        '"7,00"',
        ["the tax fits no rate"],
    )
    assert [one["field"] for one in found["fields"] if one["doubtful"]] == ["tax"]
    assert "warning" not in answer


@pytest.mark.parametrize("count", [0, 2])
def test_each_command_can_be_typed_as_it_stands(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """What each of them hands to the function is what its name says."""
    corrected = Review(reviewer="bea", at=NOON, decision="CORRECTED", after={"tax": "1.00"})
    one = waits("raw/a.pdf", reviews=(corrected,) * count)
    deployment.records = [one]
    asked: list[dict[str, Any]] = []

    def decide(found: InvoiceRecord, **decision: Any) -> InvoiceRecord:
        asked.append({"id": found.id} | decision)
        return found

    monkeypatch.setattr(deployment, "decide", decide, raising=False)
    (found,) = json.loads(next_("--json").stdout)["invoices"]
    assert list(found["commands"]) == ["look", "correct", "approve", "reject"]
    for name in ("correct", "approve", "reject"):
        program, *arguments = shlex.split(found["commands"][name])
        assert program == "finops"
        ended = CliRunner().invoke(finops, [*arguments, "--json"])
        assert ended.exit_code == 0, ended.output
    assert [(each["id"], each["seen"]) for each in asked] == [(one.id, count)] * 3
    assert asked[0]["corrections"] == {"tax": "VALUE"}
    assert (asked[1]["approve"], asked[2]["reject"], asked[2]["reason"]) == (True, True, "WHY")


def test_what_lacks_a_required_field_has_no_command_to_approve_it(deployment: Deployment) -> None:
    deployment.records = [waits("raw/a.pdf", invoice=invoice(vendor=""))]
    (found,) = json.loads(next_("--json").stdout)["invoices"]
    assert "approve" not in found["commands"]
    assert "--set vendor=VALUE" in found["commands"]["correct"]


def test_commands_name_the_environment_that_was_named(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.records = [waits("raw/a.pdf")]
    assert "--env aws" in next_("--env", "aws").stdout
    monkeypatch.setenv("FINOPS_ENV", "aws")
    assert "--env" not in next_().stdout


def test_people_read_why_something_was_left_out_and_when_nothing_waits(
    deployment: Deployment,
) -> None:
    ended = next_()
    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "no invoices wait for review" in ended.stderr
    deployment.records = [waits("raw/own.pdf", submitted_by=ANN)]
    ended = next_()
    assert ended.stdout == ""
    assert "left out" in ended.stderr
    assert "you submitted it" in ended.stderr
    assert "1 invoice waits for review, but not for you" in ended.stderr
    deployment.separation_of_duties = False
    ended = next_()
    assert "finops invoices review" in ended.stdout
    assert "the tax fits no rate" in ended.stdout


def test_as_csv_it_is_one_table_whether_or_not_anything_waits(deployment: Deployment) -> None:
    columns = "id,file,vendor,invoice_number,currency,total,received_at"
    assert next_("--format", "csv").stdout.splitlines() == [columns]
    deployment.records = [one := waits("raw/a.pdf")]
    head, row = next_("--format", "csv").stdout.splitlines()
    assert head == columns
    assert row.startswith(f"{one.id},a.pdf,")


def test_who_may_be_anybody_is_told_before_they_try(deployment: Deployment) -> None:
    deployment.records = [waits("raw/a.pdf")]
    deployment.caller = "arn:aws:sts::111111111111:assumed-role/Finance/cfo"
    assert "decide in the console" in json.loads(next_("--json").stdout)["warning"]
    deployment.personal_session_roles = ("Finance",)
    assert "warning" not in json.loads(next_("--json").stdout)


class TestShortIds:
    def twins(self, deployment: Deployment) -> tuple[InvoiceRecord, InvoiceRecord]:
        """Two invoices of one document."""
        first = waits("raw/a.pdf")
        second = replace(first, id=invoice_id(first.id, 2), status=InvoiceStatus.PROCESSED)
        deployment.records = [first, second, waits("raw/b.pdf")]
        return first, second

    @pytest.mark.parametrize("spell", [str, str.upper])
    def test_the_first_digits_are_enough(
        self, deployment: Deployment, spell: Callable[[str], str]
    ) -> None:
        first, second = self.twins(deployment)
        found: Any = deployment
        assert find(found, spell(first.id[:8])) == first
        assert find(found, f"{spell(first.id[:8])}-2") == second
        assert find(found, second.id) == second

    def test_a_serial_number_is_known_too(self, deployment: Deployment) -> None:
        one = replace(waits("raw/a.pdf"), serial_number="INV-2026-000001")
        deployment.records = [one, replace(waits("raw/b.pdf"), serial_number="INV-2026-0000011")]
        found: Any = deployment
        assert find(found, "INV-2026-000001") == one

    def test_too_few_digits_name_what_they_may_mean(self, deployment: Deployment) -> None:
        a, b = waits("raw/a.pdf"), waits("raw/b.pdf")
        deployment.records = [
            replace(a, id="0123" + a.id[4:]),
            replace(b, id="0123" + b.id[4:]),
        ]
        found: Any = deployment
        with pytest.raises(RejectedInput) as refused:
            find(found, "0123")
        assert refused.value.code == "ambiguous_id"
        assert all(one.id in str(refused.value) for one in deployment.records)

    @pytest.mark.parametrize("name", ["012", "ffff", "INV-1", "a.pdf", "", "0123-9"])
    def test_what_begins_no_id_is_unknown(self, deployment: Deployment, name: str) -> None:
        self.twins(deployment)
        found: Any = deployment
        with pytest.raises(RejectedInput) as refused:
            find(found, name)
        assert refused.value.code == "unknown_invoice"
