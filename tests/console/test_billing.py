"""The page of billing: files, their quarantined rows, and totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from console.identity import Role, User
from console.views.billing.file import with_reasons
from finops.billing.database.totals import Dimension
from finops.billing.domain import FileEntry, FileStatus, SourceObject, Tally
from tests.console.conftest import Stage, user


def entry(number: int, name: str, status: FileStatus, **facts: Any) -> FileEntry:
    source = SourceObject(
        bucket="b", key=f"billing/acme/{name}", version_id=str(number), etag="", size=9, order="1"
    )
    settings = {"tally": Tally(), "amounts": {}, "received_at": datetime.now(UTC), **facts}
    return FileEntry(load_id=number, source=source, dataset="acme", status=status, **settings)


LOADED = entry(
    1,
    "march.csv",
    FileStatus.LOADED_WITH_REJECTS,
    tally=Tally(read=3, inserted=1, quarantined=2, notes={"rounded": 1}),
    amounts={"EUR": Decimal("1200.50")},
    amount_usd=Decimal("1500.625"),
    quarantine_uri="s3://b/quarantine/1.csv",
)
FAILED = entry(2, "april.csv", FileStatus.FAILED, error="the database did not answer")
BAD_ROWS = (
    {
        "line": 3,
        "reason": "invalid_amount",
        "field": "bill_amount",
        "value": "ten",
        "message": "ten is not an amount",
        "raw": "=b,ten",
    },
)


class Ledger:
    """As `AuroraBillingStore`."""

    def __init__(self, *entries: FileEntry) -> None:
        self.entries = {one.load_id: one for one in entries}
        self.unsettled = set(self.entries)

    def files(
        self, *, ending: str, dataset: str, status: str, to_fix: bool, limit: int
    ) -> list[FileEntry]:
        return [
            one
            for one in self.entries.values()
            if one.source.key.endswith(ending)
            and dataset in ("", one.dataset)
            and status in ("", one.status)
            and (not to_fix or self.is_to_fix(one))
        ][:limit]

    def is_to_fix(self, entry: FileEntry) -> bool:
        return entry.load_id in self.unsettled

    def count_to_fix(self) -> Mapping[FileStatus, int]:
        return Counter(one.status for one in self.entries.values() if self.is_to_fix(one))

    def corrections(self, entry: FileEntry) -> list[FileEntry]:
        return [one for one in self.entries.values() if one.source.corrects == entry.source.file_id]

    def find(self, load_id: int) -> FileEntry:
        return self.entries[load_id]

    def by_file_id(self, file_id: str) -> FileEntry | None:
        return next((one for one in self.entries.values() if one.source.file_id == file_id), None)


class Billing:
    """As `BillingDeployment`."""

    def __init__(self, *entries: FileEntry) -> None:
        self.store = Ledger(*entries)
        self.delivered: list[FileEntry] = []
        self.signed: list[tuple[str, str]] = []
        self.said: list[Mapping[str, str]] = []

    def upload_form(
        self, prefix: str, owner: str, said: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        self.signed.append((prefix, owner))
        self.said.append(said or {})
        return {"url": "http://bucket", "fields": {"key": prefix}}

    def quarantined(self, entry: FileEntry) -> Iterator[Mapping[str, Any]]:
        yield from BAD_ROWS

    def deliver_again(self, entry: FileEntry) -> None:
        self.delivered.append(entry)

    def totals(self, by: Dimension, month: str) -> list[dict[str, Any]]:
        found = {"name": "2026-03", "currency": "EUR", "bills": 1, "amount": "1200.50"}
        return [found | {"amount_usd": "1500.625000"}] if by is Dimension.MONTH else []


@pytest.fixture
def flow(stage: Stage) -> Billing:
    made = Billing(LOADED, FAILED)
    stage.settings["billing"] = made
    return made


def test_files_are_listed_with_their_counts(stage: Stage, flow: Billing) -> None:
    app = stage.page("billing", Role.EDITOR)
    assert not app.exception
    table = app.dataframe[0].value
    assert table["file"].tolist() == ["acme/march.csv", "acme/april.csv"]
    assert table["status"].tolist() == [["Loaded with rejects"], ["Failed"]]
    assert table["quarantined"].tolist() == [2, 0]
    assert table["error"].tolist() == ["", "the database did not answer"]


def test_filters_narrow_the_list_or_say_that_nothing_matches(stage: Stage, flow: Billing) -> None:
    app = stage.page("billing")
    app.text_input[0].set_value("march.csv").run()
    assert app.dataframe[0].value["file"].tolist() == ["acme/march.csv"]
    app.text_input[0].set_value("june.csv").run()
    assert not app.dataframe
    assert any("No files match your filters." in one.value for one in app.markdown)


def test_an_empty_ledger_says_so(stage: Stage) -> None:
    stage.settings["billing"] = Billing()
    app = stage.page("billing")
    assert any("No files have been uploaded yet." in one.value for one in app.markdown)


def test_a_form_is_signed_for_the_person_whose_session_it_is(stage: Stage, flow: Billing) -> None:
    stage.page("billing", Role.EDITOR)
    assert flow.signed == [("billing/", user(Role.EDITOR).identity)]


@pytest.mark.parametrize("now", [None, user(Role.VIEWER), user(Role.EDITOR, "somebody else")])
def test_an_open_tab_signs_no_form_of_bills_once_its_session_has_ended(
    stage: Stage, flow: Billing, now: User | None
) -> None:
    app = stage.page("billing", Role.EDITOR)
    assert len(flow.signed) == 1
    stage.who = now
    app.run()
    assert "Your session has ended" in app.warning[-1].value
    assert len(flow.signed) == 1


def draw(stage: Stage, role: Role, number: int) -> AppTest:
    """The part of the page that shows one file, as this person sees it."""

    def script(*arguments: object) -> None:
        from console.views.billing import file

        file.show(*arguments)  # type: ignore[arg-type]

    arguments = (stage.services, user(role), stage.settings["billing"].store.find(number))
    return AppTest.from_function(script, args=arguments, default_timeout=120).run()


def test_a_file_shows_its_quarantined_rows_and_their_downloads(stage: Stage, flow: Billing) -> None:
    app = draw(stage, Role.VIEWER, LOADED.load_id)
    assert not app.exception
    texts = [one.value for one in app.markdown]
    assert any("3 rows read, 1 loaded, 2 quarantined" in one for one in texts)
    assert any("1,200\\.50 EUR" in one for one in texts)
    assert "**2 rows quarantined**" in texts
    assert [one.value for one in app.caption][:1] == [
        "Numbers with more digits than are kept, rounded half up\\: 1"
    ]
    assert app.dataframe[0].value["message"].tolist() == ["ten is not an amount"]
    assert [one.proto.label for one in app.get("download_button")] == [
        "Rows to fix",
        "Rows with reasons",
    ]


def test_corrected_rows_name_the_file_that_they_fix(stage: Stage, flow: Billing) -> None:
    stage.who = user(Role.EDITOR)
    app = draw(stage, Role.EDITOR, LOADED.load_id)
    assert flow.said[-1] == {"corrects": LOADED.source.file_id}
    app.checkbox[0].check().run()
    assert flow.said[-1] == {"corrects": LOADED.source.file_id, "leaves-out": "yes"}
    assert not app.exception


def test_a_file_says_what_corrects_it_and_waits_no_more_once_nothing_is_left(
    stage: Stage, flow: Billing
) -> None:
    fixed = entry(3, "march-fixed.csv", FileStatus.LOADED, tally=Tally(read=2, inserted=2))
    source = replace(fixed.source, corrects=LOADED.source.file_id)
    flow.store.entries[3] = replace(fixed, source=source)
    app = draw(stage, Role.VIEWER, LOADED.load_id)
    assert any("march\\-fixed\\.csv brought 2 rows of these" in one.value for one in app.markdown)
    assert not app.success
    flow.store.unsettled.discard(LOADED.load_id)
    app = draw(stage, Role.VIEWER, LOADED.load_id)
    assert "Nothing of it is left to fix" in app.success[0].value
    app = draw(stage, Role.VIEWER, 3)
    assert any("It corrects billing/acme/march\\.csv" in one.value for one in app.markdown)
    table = stage.page("billing", file_status="To fix").dataframe[0].value
    assert table["file"].tolist() == ["acme/april.csv"]


def test_an_editor_loads_a_failed_file_again(stage: Stage, flow: Billing) -> None:
    assert not draw(stage, Role.VIEWER, FAILED.load_id).button
    app = draw(stage, Role.EDITOR, FAILED.load_id)
    app.button[0].click().run()
    assert not app.exception
    assert flow.delivered == [FAILED]
    assert stage.recorded() == [("the editor", "billing_file.retried", str(FAILED.load_id))]


@pytest.mark.parametrize(("ended", "finished"), [(None, 0), (datetime(2026, 3, 2, tzinfo=UTC), 1)])
def test_a_file_that_is_loaded_again_has_not_ended_by_its_attempt_before(
    stage: Stage, flow: Billing, ended: datetime | None, finished: int
) -> None:
    def script(services: object, failed: object) -> None:
        from console.views.billing import uploads

        uploads.track_again(failed)  # type: ignore[arg-type]
        uploads.follow(services)  # type: ignore[arg-type]

    flow.store.entries[FAILED.load_id] = replace(FAILED, finished_at=ended)
    app = AppTest.from_function(script, args=(stage.services, FAILED), default_timeout=20).run()
    assert not app.exception
    assert any(f"{finished} of 1 finished" in one.value for one in app.markdown)


def test_downloaded_reasons_are_safe_in_a_spreadsheet(stage: Stage, flow: Billing) -> None:
    head, row = with_reasons(stage.services, LOADED).decode("utf-8-sig").splitlines()
    assert head == "line,reason,field,value,message,raw"
    assert row == '3,invalid_amount,bill_amount,ten,ten is not an amount,"\'=b,ten"'


def test_totals_add_up_loaded_bills(stage: Stage, flow: Billing) -> None:
    app = stage.page("billing")
    app.session_state["billing_part"] = "Totals"
    app.run()
    assert not app.exception
    assert any("**1,500.63 USD** in 1 bill" in one.value for one in app.markdown)
    assert app.dataframe[0].value["amount_usd"].tolist() == ["1,500.63"]
    app.session_state["totals_by"] = Dimension.COUNTRY
    app.run()
    assert any("No bills are loaded yet." in one.value for one in app.markdown)
