"""The use cases of billing over ports in memory."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.billing import parts
from finops.billing.dataset_format import DatasetFormat
from finops.billing.domain import FileEntry, FileStatus
from finops.billing.parts import ChunksMissing
from finops.billing.settings import Settings
from finops.shared.audit import digest
from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput, TransientFailure
from finops.shared.rates import RatePolicy
from tests.billing.fakes import FINISHED
from tests.billing.use_cases import FOCUS, HEADER, MARCH, RUNS, SETTINGS, Flow, bills, month, tagged
from tests.trail import stated


@pytest.fixture
def flow() -> Flow:
    return Flow()


def test_a_file_is_loaded_and_bad_rows_are_kept(flow: Flow) -> None:
    entry = flow.load(flow.objects.put("billing/acme/a.csv", bills(("a", 1), ("b", "x"), ("a", 3))))
    assert entry.status is FileStatus.LOADED_WITH_REJECTS
    assert (entry.tally.read, entry.tally.inserted, entry.tally.quarantined) == (3, 1, 2)
    assert entry.amount_usd == Decimal(1)
    (quarantine,) = flow.quarantines
    assert [(row.line, row.reason) for row in quarantine.rows] == [
        (3, "invalid_amount"),
        (4, "duplicate_record_id"),
    ]
    assert quarantine.rows[0].raw == "b,A,B,C,D,E,2026-03-05,USD,x"
    assert quarantine.closed


@pytest.mark.parametrize("key", ["billing/acme/a.csv", "rates/a.csv"])
def test_an_original_is_locked_or_not_loaded(flow: Flow, key: str) -> None:
    content = (
        bills(("a", 1)) if key.startswith("billing/") else b"currency,rate_date,usd_per_unit\n"
    )
    source = flow.objects.put(key, content)
    load = flow.load if key.startswith("billing/") else flow.load_rates
    flow.originals.may_lock = False
    with pytest.raises(ConfigurationError):
        load(source)
    (failed,) = flow.store.files.values()
    assert (failed.status, failed.error_code) == (FileStatus.FAILED, "AccessDenied")
    flow.originals.may_lock = True
    entry = load(source)
    assert entry.status is not FileStatus.FAILED
    assert list(flow.originals.kept) == [source.version_id]


def test_the_same_event_again_does_nothing(flow: Flow) -> None:
    source = flow.objects.put("billing/acme/a.csv", bills(("a", 1)))
    first = flow.load(source)
    begun = flow.store.begun
    assert flow.load(source) == first
    assert flow.store.begun == begun


def test_a_file_that_is_refused_leaves_no_row_and_no_quarantine(flow: Flow) -> None:
    entry = flow.load(flow.objects.put("billing/acme/a.csv", b"PK\x03\x04"))
    assert (entry.status, entry.error_code) == (FileStatus.REJECTED, "spreadsheet")
    assert not flow.store.rows
    assert flow.quarantines[0].abandoned


def test_a_conflict_with_another_load_is_tried_again_at_once(flow: Flow) -> None:
    flow.store.failures = [TransientFailure("no", code="deadlock")] * 2
    entry = flow.load(flow.objects.put("billing/acme/a.csv", bills(("a", 1))))
    assert entry.status is FileStatus.LOADED
    assert flow.store.begun == 3


@pytest.mark.parametrize(
    "failure",
    [
        TransientFailure("throttled", code="ThrottlingException"),
        ConfigurationError("no table", code="DatabaseErrorException"),
    ],
)
def test_what_fails_is_said_and_comes_again(flow: Flow, failure: FinOpsError) -> None:
    source = flow.objects.put("billing/acme/a.csv", bills(("a", 1)))
    flow.store.failures = [failure]
    with pytest.raises(type(failure)):
        flow.load(source)
    entry = flow.store.find(1)
    assert (entry.status, entry.error_code) == (FileStatus.FAILED, failure.code)
    assert flow.load(source).status is FileStatus.LOADED


def test_what_nobody_foresaw_is_said_too(flow: Flow) -> None:
    source = flow.objects.put("billing/acme/a.csv", bills(("a", 1)))
    rates = flow.objects.put("rates/a.csv", b"currency,rate_date,usd_per_unit\nEUR,2026-03-05,1\n")
    flow.store.failures = [ZeroDivisionError("of a bug")]
    with pytest.raises(ZeroDivisionError):
        flow.load(source)
    flow.store.put_rates = None
    with pytest.raises(TypeError):
        flow.load_rates(rates)
    for load_id, said in ((1, "ZeroDivisionError: of a bug"), (2, "TypeError")):
        entry = flow.store.find(load_id)
        assert (entry.status, entry.error_code) == (FileStatus.FAILED, "unexpected_error")
        assert entry.error.startswith(said)
    assert [one.action for one in flow.audit.events] == ["billing_file.failed", "rates.failed"]
    assert flow.load(source).status is FileStatus.LOADED


def test_a_file_that_another_loader_holds_is_not_said_to_have_failed(flow: Flow) -> None:
    flow.store.failures = [TransientFailure("held", code="file_is_busy")]
    with pytest.raises(TransientFailure):
        flow.load(flow.objects.put("billing/acme/a.csv", bills(("a", 1))))
    assert flow.store.find(1).status is FileStatus.RECEIVED


def test_a_database_that_loses_a_row_is_found_out(flow: Flow) -> None:
    flow.store.dropped = 1
    with pytest.raises(TransientFailure, match="does not add up"):
        flow.load(flow.objects.put("billing/acme/a.csv", bills(("a", 1), ("b", 2))))
    assert not flow.store.rows
    assert flow.store.find(1).status is FileStatus.FAILED


def test_a_large_file_goes_to_the_workflow_once(flow: Flow) -> None:
    flow.settings = replace(SETTINGS, large_file_bytes=10)
    source = flow.objects.put("billing/acme/a.csv", bills(("a", 1)))
    assert flow.load(source).status is FileStatus.LOADING
    assert flow.load(source).status is FileStatus.LOADING
    assert flow.workflow.started == [(1, 1)]
    flow.workflow.running = False
    flow.load(source)
    assert flow.workflow.started == [(1, 1), (1, 2)]


def test_a_file_that_takes_too_long_goes_to_the_workflow(flow: Flow) -> None:
    flow.seconds_left = 30
    entry = flow.load(flow.objects.put("billing/acme/a.csv", bills(("a", 1))))
    assert entry.status is FileStatus.LOADING
    assert flow.workflow.started == [(1, 1)]
    assert not flow.store.rows


def large(flow: Flow, body: bytes) -> FileEntry:
    flow.settings = replace(SETTINGS, large_file_bytes=1)
    return flow.load(flow.objects.put("billing/parts/a.csv", body))


def test_a_part_that_is_missing_is_named_and_loaded_later(flow: Flow) -> None:
    entry = large(flow, bills(("a", 1), ("b", 2), ("c", 3)))
    flow.store.failures = [TransientFailure("no", code="throttled")]
    with pytest.raises(TransientFailure):
        flow.run_workflow(entry.load_id)
    with pytest.raises(ChunksMissing, match="3 of 3"):
        flow.finisher.finish(entry.load_id)
    assert flow.run_workflow(entry.load_id).tally.inserted == 3
    assert flow.run_workflow(entry.load_id).tally.inserted == 3


@pytest.mark.parametrize("code", ["busy", "deadlock", "duplicate_key", "lock_timeout"])
def test_a_part_that_meets_another_load_is_tried_again(flow: Flow, code: str) -> None:
    entry = large(flow, bills(("a", 1), ("b", 2)))
    flow.store.failures = [TransientFailure("no", code=code)] * 2
    assert flow.run_workflow(entry.load_id).tally.inserted == 2


def test_a_large_file_is_added_up_range_by_range(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement may take 45 s, whatever the size of the file."""
    monkeypatch.setattr(parts, "LINES_AT_ONCE", 2)
    entry = large(flow, bills(*((number, number) for number in range(7))))
    done = flow.run_workflow(entry.load_id, part_bytes=10**6)
    assert (done.status, done.amount_usd) == (FileStatus.LOADED, Decimal(21))
    of_part, *of_ranges = flow.store.summed
    assert of_part == 7
    assert sum(of_ranges) == 7
    assert max(of_ranges) <= 2


def test_a_large_file_that_is_refused_is_refused_at_the_plan(flow: Flow) -> None:
    entry = large(flow, b"no,header\n1,2\n")
    assert flow.run_workflow(entry.load_id).status is FileStatus.REJECTED


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["1", "-2.5", "x", '"3\n4"', '"', "7,7"])),
        max_size=30,
    ),
    part_bytes=st.integers(1, 400),
)
def test_a_file_in_parts_counts_what_it_does_whole(
    rows: list[tuple[int, str]], part_bytes: int
) -> None:
    body = bills(*rows)
    in_parts, whole = Flow(), Flow()
    entry = large(in_parts, body)
    parts = in_parts.run_workflow(entry.load_id, part_bytes)
    one_piece = whole.load(whole.objects.put("billing/parts/a.csv", body))
    assert parts.status == one_piece.status
    assert (parts.tally, parts.amounts) == (one_piece.tally, one_piece.amounts)
    quarantined = [
        sorted((row.line, row.reason, row.raw) for one in flow.quarantines for row in one.rows)
        for flow in (in_parts, whole)
    ]
    assert quarantined[0] == quarantined[1]


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(4)), st.data())
def test_files_in_any_order_leave_what_they_leave_in_order(
    order: list[int], data: st.DataObject
) -> None:
    versions = [
        bills(*data.draw(st.dictionaries(st.sampled_from("abcde"), st.integers(0, 3))).items())
        for _ in range(4)
    ]
    ordered, shuffled = Flow(), Flow()
    for flow, sequence in ((ordered, range(4)), (shuffled, order)):
        sources = [flow.objects.put("billing/d/a.csv", one) for one in versions]
        for number in sequence:
            assert flow.load(sources[number]).tally.imbalance() == ""
    amounts = [
        {key: Decimal(row["bill_amount"]) for key, row in flow.store.rows.items()}
        for flow in (ordered, shuffled)
    ]
    assert amounts[0] == amounts[1]


@pytest.mark.parametrize(
    "tags",
    [
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":1e999}',
        '{"a":' * 40 + "1" + "}" * 40,
        r'{"a":"\ud83d"}',
    ],
    ids=["NaN", "Infinity", "1e999", "deep", "surrogate"],
)
def test_tags_that_no_database_takes_cost_no_charge(flow: Flow, tags: str) -> None:
    body = tagged(("1.25", MARCH, '{"env":"prod"}'), ("1.25", MARCH, tags))
    entry = flow.load(flow.objects.put("billing/f/a.csv", body))
    assert (entry.status, entry.tally.inserted) == (FileStatus.LOADED, 2)
    assert entry.amount_usd == Decimal("2.5")
    assert entry.tally.notes == {"tags_left_out": 1}
    assert [(row.line, row.reason) for row in flow.quarantines[0].rows] == [(3, "tags_left_out")]


def test_tags_that_are_no_json_leave_the_totals_alone(flow: Flow) -> None:
    body = tagged(*(("1.25", MARCH, one) for one in ("{env=prod}", '"env": "prod"', "[]")))
    entry = flow.load(flow.objects.put("billing/f/a.csv", body))
    assert entry.amount_usd == Decimal("3.75")
    assert entry.tally.notes == {"tags_left_out": 2}


def test_charges_as_64_bit_floats_print_are_in_the_totals(flow: Flow) -> None:
    costs = ("1.2345678901234567e-05", "1.25", "0.1234567890123456789")
    body = tagged(*((cost, MARCH, "{}") for cost in costs))
    entry = flow.load(flow.objects.put("billing/f/a.csv", body))
    assert entry.amounts == {"USD": Decimal("1.373469134691246914")}
    assert entry.tally.notes == {"rounded": 2}


def test_charges_as_bigquery_exports_them_are_loaded(flow: Flow) -> None:
    body = tagged(("1.25", "2026-03-01 00:00:00 UTC", "{}"))
    assert flow.load(flow.objects.put("billing/f/a.csv", body)).status is FileStatus.LOADED
    (row,) = flow.store.charges.values()
    assert row["charge_period_start"] == "2026-03-01 00:00:00"


def total(flow: Flow) -> Decimal:
    """What counts: charges of files that are loaded."""
    return sum(
        (
            Decimal(row["billed_cost"])
            for (load_id, _), row in flow.store.charges.items()
            if flow.store.files[load_id].status is FileStatus.LOADED
        ),
        Decimal(0),
    )


AWS_RUN = "billing/aws/costs/data/BILLING_PERIOD=2026-03/2026-04-0{}T00:00:00Z-{}/costs-0000{}.csv"
AZURE_RUN = "billing/azure/costs/20260301-20260331/20260{}010000/{}/part_0_000{}.csv"


def test_a_restated_month_under_another_name_is_refused_with_the_earlier_files_name(
    flow: Flow,
) -> None:
    flow.load(flow.objects.put("billing/f/march.csv", month("1.25", "3")))
    again = flow.load(flow.objects.put("billing/f/march-restated.csv", month("1.50", "3")))
    assert (again.status, again.error_code) == (FileStatus.REJECTED, "period_is_loaded")
    assert "s3://bucket/billing/f/march.csv" in flow.store.files[2].error
    assert total(flow) == Decimal("4.25")
    corrected = flow.load(flow.objects.put("billing/f/march.csv", month("1.50", "3")))
    assert (corrected.status, total(flow)) == (FileStatus.LOADED, Decimal("4.5"))


def test_the_newest_file_of_a_month_counts_in_a_dataset_that_declares_so(flow: Flow) -> None:
    flow.settings = replace(SETTINGS, formats={"f": DatasetFormat(replace=True)})
    old = flow.objects.put("billing/f/old.csv", month("9"), "1")
    flow.load(flow.objects.put("billing/f/march.csv", month("1.25", "3"), "2"))
    flow.load(flow.objects.put("billing/f/march-restated.csv", month("1.50", "3"), "3"))
    assert flow.load(old).status is FileStatus.SUPERSEDED
    assert total(flow) == Decimal("4.5")
    both = month("1", "2") + month("4", start="2026-04").partition(b"\n")[2]
    assert flow.load(flow.objects.put("billing/f/both.csv", both, "4")).status is FileStatus.LOADED
    april = flow.load(flow.objects.put("billing/f/april.csv", month("5", start="2026-04"), "5"))
    assert april.status is FileStatus.LOADED
    assert total(flow) == 8


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("billing/f/march.csv", "billing/f/april.csv"),
        ("billing/f/costs-00001.csv.gz", "billing/f/costs-00002.csv.gz"),
        ("billing/f/part_0_0001.csv", "billing/f/part_1_0001.csv"),
        ("billing/f/000000000000.csv", "billing/f/000000000001.csv"),
        *(
            (f"{folder}/c-00001.csv", f"{folder}/c-00002.csv")
            for folder in ("billing/f/BILLING_PERIOD=2026-03",)
        ),
        (AWS_RUN.format(1, RUNS[0], 1), AWS_RUN.format(1, RUNS[0], 2)),
        (AZURE_RUN.format(4, RUNS[0], 1), AZURE_RUN.format(4, RUNS[0], 2)),
    ],
)
def test_parts_of_one_delivery_and_other_accounts_add_up(
    flow: Flow, first: str, second: str
) -> None:
    other = "222222222222" if "april" in second else "111111111111"
    assert flow.load(flow.objects.put(first, month("1"))).status is FileStatus.LOADED
    done = flow.load(flow.objects.put(second, month("2", account=other)))
    assert (done.status, total(flow)) == (FileStatus.LOADED, Decimal(3))


@pytest.mark.parametrize("where", [AWS_RUN, AZURE_RUN], ids=["AWS", "Azure"])
@pytest.mark.parametrize("in_parts", [False, True])
def test_the_newest_run_of_an_export_counts(flow: Flow, where: str, in_parts: bool) -> None:
    """Runs of `create new` are delivered beside the earlier ones, of the same month."""
    files = [
        (where.format(number, RUNS[number - 1], part), month(f"{number}.{part}"), f"{number}{part}")
        for number in (1, 3, 2)
        for part in (1, 2)
    ]
    if in_parts:
        flow.settings = replace(SETTINGS, large_file_bytes=1)
    statuses = {}
    for key, body, order in files:
        entry = flow.load(flow.objects.put(key, body, order))
        if in_parts:
            flow.run_workflow(entry.load_id)
        statuses[order] = entry.load_id
    assert total(flow) == Decimal("6.3")
    assert {one.dataset for one in flow.store.files.values()} == {
        "aws/costs/data" if where is AWS_RUN else "azure/costs"
    }
    for order, load_id in statuses.items():
        newest = order.startswith("3")
        expected = FileStatus.LOADED if newest else FileStatus.SUPERSEDED
        assert flow.store.files[load_id].status is expected


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("folder", ["{}", "2026-04-0{n}T00:00:00Z-{}", "20260{n}010000/{}"])
def test_runs_of_other_accounts_add_up(flow: Flow, folder: str, in_parts: bool) -> None:
    flow.settings = replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6)
    for number, account in ((1, "1"), (2, "2")):
        run = folder.format(RUNS[number], n=number)
        body = month(f"{number}0", account=account)
        flow.workflow.running = False
        entry = flow.load(flow.objects.put(f"billing/azure/{run}/march.csv", body))
        if in_parts:
            entry = flow.run_workflow(entry.load_id)
        assert entry.status is FileStatus.LOADED
    assert total(flow) == 30


@pytest.mark.parametrize("in_parts", [False, True])
def test_of_an_older_file_that_holds_more_the_rest_counts(flow: Flow, in_parts: bool) -> None:
    formats = {"f": DatasetFormat(replace=True)}
    flow.settings = replace(SETTINGS, formats=formats, large_file_bytes=1 if in_parts else 10**6)

    def load(key: str, body: bytes, order: str) -> FileEntry:
        flow.workflow.running = False
        entry = flow.load(flow.objects.put(key, body, order))
        return flow.run_workflow(entry.load_id) if in_parts else entry

    load("billing/f/a.csv", month("11", account="1"), "3")
    both = month("10", account="1") + month("20", account="2").partition(b"\n")[2]
    entry = load("billing/f/late.csv", both, "2")
    assert (entry.status, entry.tally.notes) == (FileStatus.LOADED, {"charges_replaced": 1})
    assert entry.amount_usd == 20
    assert total(flow) == 31


@pytest.mark.parametrize("where", [AWS_RUN, AZURE_RUN], ids=["AWS", "Azure"])
@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("arrivals", sorted(permutations([(1, 1), (1, 2), (2, 1), (2, 2)])))
def test_the_latest_run_counts_in_whatever_order_files_arrive(
    flow: Flow, arrivals: tuple[tuple[int, int], ...], where: str, in_parts: bool
) -> None:
    flow.settings = replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6)
    costs = {(1, 1): "1", (1, 2): "2", (2, 1): "10", (2, 2): "20"}
    for run, part in arrivals:
        key = where.format(run, RUNS[run], part)
        flow.workflow.running = False
        entry = flow.load(flow.objects.put(key, month(costs[run, part])))
        if in_parts:
            flow.run_workflow(entry.load_id)
    assert total(flow) == 30
    assert sorted(one.status for one in flow.store.files.values()) == [
        *[FileStatus.LOADED] * 2,
        *[FileStatus.SUPERSEDED] * 2,
    ]


def test_a_run_with_the_same_content_replaces_the_earlier_one(flow: Flow) -> None:
    for number in (1, 2):
        key = AWS_RUN.format(number, RUNS[number - 1], 1)
        last = flow.load(flow.objects.put(key, month("7")))
    assert (last.status, total(flow)) == (FileStatus.LOADED, Decimal(7))


def test_another_month_of_an_export_stays_when_a_run_is_replaced(flow: Flow) -> None:
    for number, start in ((1, "2026-03"), (2, "2026-04")):
        key = f"billing/costs/{RUNS[number]}/c-00001.csv"
        assert flow.load(flow.objects.put(key, month("1", start=start))).dataset == "costs"
    assert total(flow) == 2


ACME = "Acme,DE,Berlin,Bakery,Roll,2026-03-05,USD,10.50"
NINE = "record_id,company_name,country,city,product_line,item,bill_date,currency,bill_amount"


@pytest.mark.parametrize(
    ("text", "loaded", "quarantined", "notes"),
    [
        (f"{NINE}\n1,{ACME}\n2,Ac\0me{ACME[4:]}\n3,{ACME}\n", 2, [(3, "control_character")], {}),
        (f"{NINE}\n1,{ACME},\n2,{ACME},\n", 2, [], {}),
        (f"{NINE},\n1,{ACME}\n", 1, [], {}),
        (f"{NINE}\n1,{ACME}\n,,,,,,,,\n2,{ACME}\n,,,,,,,,\n", 2, [], {}),
        (f"{NINE}\n1,{ACME}\nTotal,,,,,,,,10.50\n", 1, [(3, "totals_row")], {}),
        (
            f"Billing report March 2026\nCompany: Acme\n\n{NINE}\n1,{ACME}\n",
            1,
            [],
            {"lines_above_header": 3},
        ),
        (f"{NINE}\n1,{ACME}\n".replace(",", "|"), 1, [], {}),
        (f"{NINE}\n1,{ACME}\n".replace(",", "^"), 1, [], {}),
        ("record_id,bill_date,currency,bill_amount\n1,2026-03-05,USD,10.50\n", 1, [], {}),
        (
            f"{NINE}\n1,{ACME.replace('-05', '-05T00:00:00Z')}\n"
            f"2,{ACME.replace('-05', '-05 10:00:00')}\n",
            2,
            [],
            {},
        ),
        (
            f"{NINE}\n1,{ACME.replace('USD', 'GBp')}\n2,{ACME}\n",
            1,
            [(2, "unknown_currency")],
            {},
        ),
    ],
    ids=[
        *("NUL", "trailing comma", "trailing comma of the header", "empty rows", "totals"),
        *("titles", "pipes", "carets", "four columns", "times", "pence"),
    ],
)
@pytest.mark.parametrize("in_parts", [False, True])
def test_files_as_people_write_them(
    flow: Flow,
    text: str,
    loaded: int,
    quarantined: list[tuple[int, str]],
    notes: dict[str, int],
    in_parts: bool,
) -> None:
    body = text.encode()
    if in_parts:
        entry = flow.run_workflow(large(flow, body).load_id)
    else:
        entry = flow.load(flow.objects.put("billing/d/a.csv", body))
    assert (entry.tally.inserted, entry.tally.notes) == (loaded, notes)
    found = [(row.line, row.reason) for one in flow.quarantines for row in one.rows]
    assert found == quarantined


FOUR = "record_id,bill_date,currency,bill_amount"
TWO_ROWS = "A1,2026-03-05,USD,5\nA2,2026-03-05,USD,6\n"


@pytest.mark.parametrize(
    ("above", "line"),
    [
        (TWO_ROWS, 1),
        ("Report of March\n\nA1,2026-03-05,USD,5\n", 3),
        (f"Rechnungsnr,Datum,Waehrung,Betrag\n{TWO_ROWS}", 2),
        (f"record_id,bill_date,curency,bill_amount\n{TWO_ROWS}", 2),
        ("record_id,bill_date,bill_amount\nA1,2026-03-05,5\n", 2),
        ('A1;5.3.2026;EUR;"1.234,50"\n', 1),
        ("A1|5. März 2026|EUR|1234.50\n", 1),
        ("A1,05-Mar-26,$5.00\n", 1),
        ('A1,Mar 5 2026,"(EUR 5,00)"\n', 1),
        ("record_id,bill_date,curency,bill_amount\nA1,soon,USD,five\n", 1),
        ("A1,2026-03-05T10:00:00Z,,1.5e-7\n", 1),
    ],
    ids=[
        *("headless", "below a title", "German", "mistyped", "narrower", "semicolons", "pipes"),
        *("dollars", "parentheses", "unreadable", "exponent"),
    ],
)
@pytest.mark.parametrize("in_parts", [False, True])
def test_rows_above_the_header_are_never_left_out(
    flow: Flow, above: str, line: int, in_parts: bool
) -> None:
    body = f"{above}{FOUR}\nB1,2026-03-05,USD,10\nB2,2026-03-05,USD,10\n".encode()
    if in_parts:
        entry = flow.run_workflow(large(flow, body).load_id)
    else:
        entry = flow.load(flow.objects.put("billing/d/a.csv", body))
    header = above.count("\n") + 1
    assert (entry.status, entry.error_code) == (FileStatus.REJECTED, "rows_above_header")
    assert f"line {line} is above the header, which is line {header}," in entry.error
    assert f"--skip-lines {header - 1}" in entry.error
    assert flow.store.rows == {}


def test_a_sparse_row_above_a_wide_header_is_not_left_out(flow: Flow) -> None:
    body = f"A1,,,,,,2026-03-05,USD,5\n{NINE}\n1,{ACME}\n".encode()
    entry = flow.load(flow.objects.put("billing/d/a.csv", body))
    assert entry.error_code == "rows_above_header"


def test_charges_above_their_header_are_not_left_out(flow: Flow) -> None:
    body = month("5", "6").partition(b"\n")[2] + month("1")
    entry = flow.load(flow.objects.put("billing/d/a.csv", body))
    assert (entry.error_code, flow.store.charges) == ("rows_above_header", {})


def test_rates_above_their_header_are_not_left_out(flow: Flow) -> None:
    body = b"EUR,2026-03-05,1.1\ncurrency,rate_date,usd_per_unit\nEUR,2026-03-06,1.2\n"
    entry = flow.load_rates(flow.objects.put("rates/a.csv", body))
    assert (entry.error_code, flow.store.known_rates) == ("rows_above_header", [])


@pytest.mark.parametrize(
    "titles",
    [
        "Company,Acme\nPeriod,2026-03-01,2026-03-31\n",
        "Company;Acme\nStand;31.03.2026\n",
        "Report of March,,,\nCompany,Acme,,\nPeriod,2026-03-01,2026-03-31,\n,,,\n",
        '"Bills, by day, of 2026",,,\n',
        "id,note\n",
        "Printed on 2026-03-31 at 10:15; page 1\n",
        '"Total: 312.50 USD on 2026-03-31"\n',
        "Account,123456789012\nTotal,312.50\n",
    ],
)
def test_titles_above_the_header_are_left_out(flow: Flow, titles: str) -> None:
    body = f"{titles}{FOUR}\nB1,2026-03-05,USD,10\n".encode()
    entry = flow.load(flow.objects.put("billing/d/a.csv", body))
    assert (entry.status, entry.tally.inserted) == (FileStatus.LOADED, 1)
    assert entry.tally.notes == {"lines_above_header": titles.count("\n")}


def test_withdrawn_currencies_are_converted_by_the_rates_of_their_days(flow: Flow) -> None:
    """By the ECB's history: USD of an euro over units of an euro."""
    history = (
        b"Date,USD,DKK,HRK,BGN,LTL,\n2025-12-30,1.1757,7.47,N/A,1.9558,N/A,\n"
        b"2022-12-30,1.0666,7.44,7.5365,1.9558,N/A,\n2014-12-30,1.2160,7.44,7.6580,1.9558,3.4528,\n"
    )
    flow.load_rates(flow.objects.put("rates/hist.csv", history))
    days = {"HRK": "2022-12-30", "BGN": "2025-12-30", "LTL": "2014-12-30"}
    lines = (f"{one},A,B,C,D,E,{day},{one},100.00\n" for one, day in days.items())
    entry = flow.load(flow.objects.put("billing/d/a.csv", (HEADER + "".join(lines)).encode()))
    assert entry.status is FileStatus.LOADED
    usd = {key: row["amount_usd"] for (_, key), row in flow.store.rows.items()}
    assert usd == {"HRK": "14.152458", "BGN": "60.113509", "LTL": "35.217794"}
    assert {row["rate_source"] for row in flow.store.rows.values()} == {"ECB"}


def test_a_static_rate_is_named_in_the_row_and_told(flow: Flow) -> None:
    flow.settings = replace(SETTINGS, rates=RatePolicy(static={"CAD": Decimal("0.79")}))
    entry = flow.load(flow.objects.put("billing/d/a.csv", bills(("a", 100), currency="CAD")))
    assert entry.tally.notes == {"static_rate": 1}
    assert flow.store.rows["d", "a"]["rate_source"] == "static"


def test_lines_that_are_not_utf_8_are_told(flow: Flow) -> None:
    body = (HEADER + "a,Müller,B,C,D,E,2026-03-05,USD,1\n").encode("cp1252")
    entry = flow.load(flow.objects.put("billing/d/a.csv", body))
    assert (entry.status, entry.tally.notes) == (FileStatus.LOADED, {"not_utf_8": 1})


def charges(*costs: int) -> bytes:
    days = "2026-03-01,2026-04-01,2026-03-05,2026-03-06"
    return FOCUS + b"".join(f"{one},1,1,1,USD,{days},1,S3,Usage\n".encode() for one in costs)


def test_a_focus_file_replaces_its_earlier_version_and_a_late_one_nothing(flow: Flow) -> None:
    old = flow.objects.put("billing/f/a.csv", charges(1, 1), "2026-04-02")
    new = flow.objects.put("billing/f/a.csv", charges(5), "2026-04-03")
    late = flow.objects.put("billing/f/a.csv", charges(9), "2026-04-01")
    flow.load(old)
    assert [one["billed_cost"] for one in flow.store.charges.values()] == ["1", "1"]
    flow.load(new)
    flow.load(late)
    assert [one["billed_cost"] for one in flow.store.charges.values()] == ["5"]
    statuses = [one.status for one in flow.store.files.values()]
    assert statuses == [FileStatus.SUPERSEDED, FileStatus.LOADED, FileStatus.SUPERSEDED]


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize(
    ("new", "named", "remedy"),
    [
        (month("9", start="2026-04"), "2026-03 of billing account 111111111111", "another name"),
        (month("3", account="2"), "2026-03 of billing account 111111111111", "another name"),
        (FOCUS, "2026-03 of billing account 111111111111", "another name"),
        (month("4,25", "3,0"), "2 of its 2 rows are rejects", "another name"),
        (bills(("a", 1)), "2026-03 of billing account 111111111111", "another name"),
    ],
    ids=["another month", "another account", "only a header", "only rejects", "bills"],
)
def test_a_version_that_lacks_charges_of_the_earlier_one_is_refused(
    flow: Flow, new: bytes, named: str, remedy: str, in_parts: bool
) -> None:
    flow.settings = replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6)

    def load(body: bytes) -> FileEntry:
        flow.workflow.running = False
        entry = flow.load(flow.objects.put("billing/f/latest.csv", body))
        return flow.run_workflow(entry.load_id) if in_parts else entry

    first = load(month("4.25", "3"))
    entry = load(new)
    assert (entry.status, entry.error_code) == (FileStatus.REJECTED, "version_lacks_charges")
    assert named in entry.error
    assert remedy in entry.error
    assert f"withdraw {first.load_id}" in entry.error
    assert (total(flow), flow.store.rows) == (Decimal("7.25"), {})
    flow.withdraw(flow.store.find(first.load_id))
    assert load(new + b"\n").error_code == ""


def test_a_version_that_holds_a_part_of_the_earlier_one_is_refused(flow: Flow) -> None:
    both = month("1") + month("2", account="2").partition(b"\n")[2]
    flow.load(flow.objects.put("billing/f/a.csv", both))
    entry = flow.load(flow.objects.put("billing/f/a.csv", month("5")))
    assert entry.error_code == "version_lacks_charges"
    assert "2026-03 of billing account 2" in entry.error
    assert "Drop a file that holds all of it" in entry.error
    grown = both + month("4", account="3").partition(b"\n")[2]
    assert flow.load(flow.objects.put("billing/f/a.csv", grown)).status is FileStatus.LOADED
    assert total(flow) == 7


def test_a_version_with_some_rejects_replaces_the_earlier_one(flow: Flow) -> None:
    flow.load(flow.objects.put("billing/f/a.csv", month("1", "2")))
    entry = flow.load(flow.objects.put("billing/f/a.csv", month("4", "3,0")))
    assert entry.status is FileStatus.LOADED_WITH_REJECTS
    assert flow.store.files[1].status is FileStatus.SUPERSEDED


def test_charges_do_not_hide_the_bills_of_an_earlier_version(flow: Flow) -> None:
    flow.load(flow.objects.put("billing/f/a.csv", bills(("a", 1))))
    entry = flow.load(flow.objects.put("billing/f/a.csv", month("5")))
    assert (entry.status, entry.error_code) == (FileStatus.REJECTED, "version_lacks_charges")
    assert "bills" in entry.error
    assert flow.store.files[1].status is FileStatus.LOADED


def test_content_that_would_count_twice_is_refused(flow: Flow) -> None:
    flow.load(flow.objects.put("billing/a/1.csv", bills(("a", 1))))
    same = flow.load(flow.objects.put("billing/a/2.csv", bills(("a", 1))))
    other = flow.load(flow.objects.put("billing/b/1.csv", bills(("a", 1))))
    assert (same.status, same.tally.unchanged) == (FileStatus.LOADED, 1)
    assert (other.status, other.error_code) == (FileStatus.REJECTED, "duplicate_content")
    flow.load(flow.objects.put("billing/f/1.csv", charges(1)))
    copy = flow.load(flow.objects.put("billing/f/2.csv", charges(1)))
    assert copy.error_code == "duplicate_content"


def test_a_dataset_has_its_own_format(flow: Flow) -> None:
    flow.settings = replace(SETTINGS, formats={"de": DatasetFormat(decimal_comma=True)})
    body = bills(("a", '"1,50"'))
    assert flow.load(flow.objects.put("billing/de/a.csv", body)).amount_usd == Decimal("1.5")
    strict = flow.load(flow.objects.put("billing/us/a.csv", bills(("b", '"1,50"'))))
    assert strict.tally.quarantined == 1


def test_settings_are_read_as_terraform_writes_them() -> None:
    found = Settings.from_variables(
        {
            "LARGE_FILE_BYTES": "5",
            "MAX_RATE_AGE_DAYS": "3",
            "STATIC_RATES": '{"CAD":"0.79"}',
            "DATASETS": '{"de":{"date_formats":["%d.%m.%Y"],"decimal_comma":true,"thousands":"."}}',
        }
    )
    assert found.rates == RatePolicy(max_age_days=3, static={"CAD": Decimal("0.79")})
    german = found.format_of("de")
    assert german is not None
    assert (german.source, german.format.thousands) == ("datasets", ".")
    assert found.format_of("other") is None


def test_a_file_of_rates_is_entered_as_well(flow: Flow) -> None:
    body = b"currency,rate_date,usd_per_unit\nEUR,2026-03-05,1.1\nEUR,never,1\n"
    source = flow.objects.put("rates/a.csv", body)
    entry = flow.load_rates(source)
    assert entry.status is FileStatus.LOADED_WITH_REJECTS
    assert (entry.tally.inserted, entry.tally.quarantined) == (1, 1)
    assert flow.load_rates(source) == entry
    assert flow.load_rates(flow.objects.put("rates/b.csv", b"a,b\n")).status is FileStatus.REJECTED


def test_a_loaded_file_is_audited_with_its_counts_digests_and_who_dropped_it(flow: Flow) -> None:
    body = bills(("a", 1), ("b", "x"))
    source = replace(flow.objects.put("billing/acme/a.csv", body), principal="AWS:AIDAEXAMPLE")
    entry = flow.load(source)
    (loaded,) = flow.audit.events
    assert (loaded.stream, loaded.action) == ("billing", "billing_file.loaded")
    assert (loaded.actor, loaded.subject) == ("AWS:AIDAEXAMPLE", source.uri)
    assert loaded.occurred_at == FINISHED
    assert loaded.input_sha256 == digest(body)
    assert len(loaded.output_sha256) == 64
    assert loaded.correlation_id == source.file_id
    assert loaded.counts == {
        "rows_read": 2,
        "rows_inserted": 1,
        "rows_updated": 0,
        "rows_unchanged": 0,
        "rows_superseded": 0,
        "rows_quarantined": 1,
    }
    assert loaded.details["dataset"] == "acme"
    assert loaded.details["amounts"] == {"USD": "1"}
    assert loaded.details["load_id"] == entry.load_id


@pytest.mark.parametrize("key", ["billing/acme/a.csv", "rates/a.csv"])
def test_an_upload_carries_the_person_and_what_it_says_of_itself_proves_nothing(
    flow: Flow, key: str
) -> None:
    """The console uploads for all its people, so S3 names the console."""
    rates = b"currency,rate_date,usd_per_unit\nEUR,2026-03-05,1.1\n"
    source = flow.objects.put(key, rates if key.startswith("rates") else bills(("a", 1)))
    flow.objects.submitters[key] = "The CFO <0a1b>"
    source = replace(source, principal="AWS:AROA:console")
    (flow.load_rates if key.startswith("rates") else flow.load)(source)
    (loaded,) = flow.audit.events
    assert (loaded.actor, loaded.details["said_to_be"]) == ("AWS:AROA:console", "The CFO <0a1b>")


def test_an_event_that_comes_again_gives_the_same_audit_entry(flow: Flow) -> None:
    source = flow.objects.put("billing/acme/a.csv", bills(("a", 1)))
    flow.load(source)
    # As after a kill between the commit and the entry: whoever comes next says it.
    flow.load(source)
    first, again = flow.audit.events
    assert stated(first) == stated(again)
    assert first.document("") == again.document("")


def test_a_refused_file_is_audited_with_its_reason(flow: Flow) -> None:
    source = flow.objects.put("billing/acme/a.csv", b"PK\x03\x04")
    flow.load(source)
    flow.load(source)
    assert {stated(one) for one in flow.audit.events} == {stated(flow.audit.events[0])}
    refused = flow.audit.events[0]
    assert (refused.action, refused.actor) == ("billing_file.rejected", "load-billing-file")
    assert refused.details["error_code"] == "spreadsheet"
    assert refused.output_sha256 == ""


def test_each_failed_attempt_is_audited_and_then_the_load(flow: Flow) -> None:
    source = flow.objects.put("billing/acme/a.csv", bills(("a", 1)))
    flow.store.failures = [ConfigurationError("no", code="AccessDenied", step="database")] * 2
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            flow.load(source)
    flow.load(source)
    assert [one.action for one in flow.audit.events] == [
        "billing_file.failed",
        "billing_file.failed",
        "billing_file.loaded",
    ]
    assert len({stated(one) for one in flow.audit.events}) == 3
    assert flow.audit.events[0].details["error_step"] == "database"


def test_a_file_that_is_busy_elsewhere_is_not_audited_as_failed(flow: Flow) -> None:
    flow.store.failures = [TransientFailure("held", code="file_is_busy")]
    with pytest.raises(TransientFailure):
        flow.load(flow.objects.put("billing/acme/a.csv", bills(("a", 1))))
    assert flow.audit.events == []


def test_a_large_file_is_audited_once_it_is_finished(flow: Flow) -> None:
    body = bills(("a", 1), ("b", 2))
    entry = large(flow, body)
    assert flow.audit.events == []
    for _ in range(2):
        flow.run_workflow(entry.load_id)
    first, again = flow.audit.events
    assert (first.action, first.counts["rows_inserted"]) == ("billing_file.loaded", 2)
    assert first.input_sha256 == digest(body)
    assert stated(first) == stated(again)


def test_a_workflow_that_gives_up_is_audited_once_for_each_run(flow: Flow) -> None:
    entry = large(flow, bills(("a", 1)))
    error = FinOpsError("2 of 9", code="ChunksMissing", step="finish_file")
    for _ in range(2):
        assert flow.finisher.fail(entry.load_id, error).status is FileStatus.FAILED
    assert [one.action for one in flow.audit.events] == ["billing_file.failed"] * 2
    assert len({stated(one) for one in flow.audit.events}) == 1
    flow.run_workflow(entry.load_id)
    flow.audit.events.clear()
    assert flow.finisher.fail(entry.load_id, error).status is FileStatus.LOADED
    assert flow.audit.events == []


def test_rates_are_audited_by_a_name_of_their_own(flow: Flow) -> None:
    body = b"currency,rate_date,usd_per_unit\nEUR,2026-03-05,1.1\nEUR,never,1\n"
    source = flow.objects.put("rates/a.csv", body)
    flow.load_rates(source)
    flow.load_rates(source)
    flow.load_rates(flow.objects.put("rates/b.csv", b"a,b\n"))
    assert [one.action for one in flow.audit.events] == [
        "rates.loaded",
        "rates.loaded",
        "rates.rejected",
    ]
    loaded, again, _ = flow.audit.events
    assert stated(loaded) == stated(again)
    assert loaded.input_sha256 == digest(body)
    assert (loaded.counts["rows_inserted"], loaded.counts["rows_quarantined"]) == (1, 1)


def stored(flow: Flow) -> dict[tuple[str, str], tuple[str, Decimal]]:
    return {
        key: (row["company_name"], Decimal(row["bill_amount"]))
        for key, row in flow.store.rows.items()
    }


def company(name: str, *amounts: int) -> bytes:
    lines = (
        f"{number},{name},DE,Berlin,Bakery,Roll,2026-03-05,USD,{amount}.00\n"
        for number, amount in enumerate(amounts, 1)
    )
    return (HEADER + "".join(lines)).encode()


def test_a_bill_of_another_file_with_the_same_id_is_a_conflict_and_no_bill_vanishes(
    flow: Flow,
) -> None:
    """Two branches number their bills from 1 and drop them into one dataset."""
    flow.load(flow.objects.put("billing/d/butcher.csv", company("Butcher", 100, 200)))
    body = company("Dairy", 120, 180)
    second = flow.load(flow.objects.put("billing/d/dairy.csv", body))
    assert second.status is FileStatus.LOADED_WITH_REJECTS
    assert (second.tally.quarantined, second.tally.updated) == (2, 0)
    rows = flow.quarantines[-1].rows
    assert [(row.line, row.reason) for row in rows] == [
        (2, "conflicting_record_id"),
        (3, "conflicting_record_id"),
    ]
    assert all("s3://bucket/billing/d/butcher.csv" in row.message for row in rows)
    assert stored(flow)["d", "1"] == ("Butcher", Decimal(100))
    # A file that holds no row is no obstacle to the same file elsewhere.
    moved = flow.load(flow.objects.put("billing/dairy/dairy.csv", body))
    assert (moved.status, moved.tally.inserted) == (FileStatus.LOADED, 2)
    assert sum(amount for _, amount in stored(flow).values()) == 600


@pytest.mark.parametrize("order", ["0000", "9999"], ids=["older", "newer"])
def test_a_conflict_does_not_depend_on_which_file_is_newer(flow: Flow, order: str) -> None:
    flow.load(flow.objects.put("billing/d/a.csv", bills(("a", 1)), "5000"))
    other = flow.load(flow.objects.put("billing/d/b.csv", bills(("a", 2)), order))
    assert (other.tally.quarantined, other.tally.superseded) == (1, 0)


def test_the_same_values_of_another_file_are_no_conflict(flow: Flow) -> None:
    flow.load(flow.objects.put("billing/d/a.csv", bills(("a", 1), ("b", 2))))
    both = flow.load(flow.objects.put("billing/d/b.csv", bills(("a", 1), ("b", 3), ("c", 3))))
    assert (both.tally.unchanged, both.tally.quarantined, both.tally.inserted) == (1, 1, 1)


def test_a_dataset_may_declare_that_any_file_corrects(flow: Flow) -> None:
    flow.settings = replace(SETTINGS, formats={"d": DatasetFormat(replace=True)})
    flow.load(flow.objects.put("billing/d/a.csv", bills(("a", 1), ("b", 2))))
    new = flow.load(flow.objects.put("billing/d/corrected.csv", bills(("a", 1), ("b", 3))))
    assert (new.status, new.tally.updated, new.tally.unchanged) == (FileStatus.LOADED, 1, 1)
    late = flow.load(flow.objects.put("billing/d/late.csv", bills(("b", 9)), "0000"))
    assert (late.status, late.tally.superseded) == (FileStatus.LOADED, 1)
    assert flow.store.rows["d", "b"]["bill_amount"] == "3"


def test_rows_of_a_load_that_failed_count_once_another_file_brings_them(flow: Flow) -> None:
    """Rows of parts stay when a load fails, but are in no total."""
    entry = large(flow, bills(("a", 1), ("b", 2)))
    with pytest.raises(ChunksMissing):
        flow.finisher.finish(entry.load_id)
    flow.run_workflow(entry.load_id)
    flow.store.files[entry.load_id] = replace(
        flow.store.files[entry.load_id], status=FileStatus.FAILED
    )
    flow.settings = SETTINGS
    again = flow.load(flow.objects.put("billing/parts/b.csv", bills(("a", 1), ("b", 7))))
    assert (again.status, again.tally.updated) == (FileStatus.LOADED, 2)
    assert {row["load"] for row in flow.store.rows.values()} == {again.load_id}


def test_a_file_that_is_taken_back_counts_no_more_and_loads_elsewhere(flow: Flow) -> None:
    body = bills(("a", 1), ("b", 2))
    flow.load(flow.objects.put("billing/one/a.csv", bills(("c", 3), ("a", 0))))
    entry = flow.load(flow.objects.put("billing/one/a.csv", body))
    held = flow.load(flow.objects.put("billing/one/b.csv", bills(("b", 2))))
    done = flow.withdraw(entry)
    assert (done.entry.status, done.rows_removed, done.rows_kept) == (FileStatus.WITHDRAWN, 2, 1)
    assert done.entry.error == "withdrawn by ada: wrong month"
    assert done.also_in == ["billing/one/b.csv"]
    assert {key: row["load"] for key, row in flow.store.rows.items()} == {
        ("one", "b"): held.load_id
    }
    event = flow.audit.events[-1]
    assert (event.action, event.actor) == ("billing_file.withdrawn", "ada")
    assert event.counts == {"rows_removed": 2, "rows_kept": 1}
    with pytest.raises(RejectedInput, match="nothing of it counts"):
        flow.withdraw(done.entry)
    assert flow.load(entry.source).status is FileStatus.WITHDRAWN
    moved = flow.load(flow.objects.put("billing/two/a.csv", body))
    assert (moved.status, moved.error_code) == (FileStatus.REJECTED, "bills_are_loaded")
    assert "1 of the 2 bills" in moved.error
    flow.withdraw(held)
    moved = flow.retry(moved)
    assert (moved.status, moved.tally.inserted) == (FileStatus.LOADED, 2)


def test_a_file_on_its_way_is_not_taken_back(flow: Flow) -> None:
    with pytest.raises(RejectedInput, match="LOADING"):
        flow.withdraw(large(flow, bills(("a", 1))))


def test_rates_are_not_taken_back(flow: Flow) -> None:
    body = b"currency,rate_date,usd_per_unit\nEUR,2026-03-05,1.1\n"
    entry = flow.load_rates(flow.objects.put("rates/a.csv", body))
    with pytest.raises(RejectedInput, match="holds rates"):
        flow.withdraw(entry)
    assert flow.store.find(entry.load_id).status is FileStatus.LOADED


def test_a_month_that_is_taken_back_makes_room_for_another_file(flow: Flow) -> None:
    entry = flow.load(flow.objects.put("billing/f/march.csv", month("1.25", "3")))
    assert flow.withdraw(entry).rows_removed == 2
    flow.load(flow.objects.put("billing/f/march-restated.csv", month("1.50", "3")))
    assert total(flow) == Decimal("4.5")


def test_a_file_without_a_row_is_no_obstacle(flow: Flow) -> None:
    body = b"record_id,company_name,country,city,product_line,item,bill_date,currency,bill_amount\n"
    for dataset in ("one", "two"):
        empty = flow.load(flow.objects.put(f"billing/{dataset}/empty.csv", body))
        assert (empty.status, empty.tally.read) == (FileStatus.LOADED, 0)


def test_a_file_that_was_dropped_into_the_wrong_dataset_first_loads_into_the_right_one(
    flow: Flow,
) -> None:
    german = DatasetFormat(date_formats=("%d.%m.%Y",), decimal_comma=True, thousands=".")
    flow.settings = replace(SETTINGS, formats={"werke": german})
    body = (
        "record_id;company_name;country;city;product_line;item;bill_date;currency;bill_amount\n"
        "w1;Müller;DE;Köln;B;R;05.03.2026;USD;1.234,56\n"
        "w2;Müller;DE;Köln;B;R;06.03.2026;USD;-12,00\n"
    ).encode()
    wrong = flow.load(flow.objects.put("billing/other/a.csv", body))
    assert (wrong.tally.quarantined, wrong.tally.inserted) == (2, 0)
    right = flow.load(flow.objects.put("billing/werke/a.csv", body))
    assert (right.status, right.amount_usd) == (FileStatus.LOADED, Decimal("1222.56"))
