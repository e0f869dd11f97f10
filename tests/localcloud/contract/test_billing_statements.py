"""The SQL of billing on a database behind the Data API: it does what the model in memory does."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import permutations
from threading import Barrier, BrokenBarrierError
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from finops.billing import batches, conflicts
from finops.billing.adapters.secrets_manager import SecretsManagerLogins
from finops.billing.database.load_transaction import AuroraLoadTransaction
from finops.billing.database.rates import AuroraRates
from finops.billing.database.row_statements import row_statements
from finops.billing.database.row_writer import RowWriter
from finops.billing.database.totals import Dimension, totals
from finops.billing.database.users import DatabaseUsers, Purpose
from finops.billing.database.withdrawals import AuroraWithdrawals
from finops.billing.dataset_format import DatasetFormat, format_key
from finops.billing.domain import LOADED, FileEntry, FileStatus, Quarantined, Tally
from finops.billing.ledger_rules import enter_left_alone
from finops.billing.mapping import open_bills
from finops.billing.ports import RowsTakenOver
from finops.billing.rates import read_rates
from finops.billing.record_loader import RecordLoader, row_parser
from finops.billing.runs import Runs
from finops.billing.schema_migrations import migrate
from finops.billing.schemas import BILLING
from finops.shared.data_api import DataApi, Result
from finops.shared.errors import ConfigurationError, FinOpsError, TransientFailure
from finops.shared.rates import Rate, RatePolicy
from tests.billing.test_any_months import STEPS as MONTHS
from tests.billing.test_any_months import Declare, Drop, Manifest, Person, World
from tests.billing.test_taken_over import BIG, begun, half_loaded, retried
from tests.billing.use_cases import FOCUS, MARCH, RUNS, SETTINGS, Flow, bills, month, tagged
from tests.localcloud.contract.aws import Account, unique
from tests.localcloud.contract.clusters import make_cluster

Answer = TypeVar("Answer")

pytestmark = pytest.mark.needs("rds_data_api")

FORMATS = {"corrects": DatasetFormat(replace=True)}


class Database(AuroraWithdrawals):
    """The billing database of a cluster, as the loader uses it, without rates."""

    def __init__(self, database: DataApi, reader: DataApi, administrator: DataApi) -> None:
        super().__init__(database)
        self.loader, self.reader, self.api = database, reader, administrator

    def rates(self, *_: object) -> list[Rate]:
        return []

    def put_rates(self, rates: Iterable[Rate], version_order: str) -> Tally:
        return AuroraRates(self.loader).put_rates(rates, version_order)


@pytest.fixture(scope="session")
def database(management: Account) -> Database:
    cluster = make_cluster(management)
    secrets = management.client("secretsmanager")
    arns = {one: secrets.create_secret(Name=unique(one.value))["ARN"] for one in Purpose}

    def api(secret: str) -> DataApi:
        return DataApi(
            cluster.client, cluster_arn=cluster.arn, secret_arn=secret, database=cluster.database
        )

    administrator = api(cluster.secret)
    migrate(administrator)
    users = DatabaseUsers(administrator, SecretsManagerLogins(secrets, arns))
    users.bring_up_to_date()
    users.bring_up_to_date(rotate=True)
    return Database(api(arns[Purpose.LOADER]), api(arns[Purpose.READER]), administrator)


@pytest.fixture
def empty(database: Database) -> Database:
    clear(database)
    return database


def clear(database: Database) -> None:
    tables = (
        "billing_rows",
        "billing_months",
        "focus_charges",
        "billing_files",
        "billing_chunks",
        "focus_periods",
        "billing_pending_rows",
        "billing_datasets",
    )
    for table in (*tables, "billing_replacements", "billing_manifests"):
        database.api.execute(f"DELETE FROM {table}")


def again(call: Callable[[], Answer]) -> Answer:
    """The answer of a function whose event comes again where others lock what it needs."""
    for _ in range(200):
        try:
            return call()
        except TransientFailure as error:
            if error.code not in {"busy", "file_is_busy"}:
                raise
            time.sleep(0.05)
    return call()


def delivered(store: Database, key: str, body: bytes) -> FileEntry:
    """A file that is loaded beside others."""
    flow = Flow(store=store)
    source = flow.objects.put(key, body, "123456")
    return again(lambda: flow.load(source))


def rows(database: Database) -> dict[tuple[str, str], Decimal]:
    """The bills in the view that people read."""
    found = database.api.execute("SELECT dataset, record_id, bill_amount FROM billing").rows
    return {(one["dataset"], one["record_id"]): Decimal(one["bill_amount"]) for one in found}


def held(flow: Flow) -> dict[tuple[str, str], Decimal]:
    """The same of the model."""
    return {key: Decimal(row["bill_amount"]) for key, row in flow.store.rows.items()}


def outcome(entry: FileEntry, flow: Flow) -> tuple[Any, ...]:
    quarantined = sorted((row.line, row.reason, row.message) for row in flow.quarantines[-1].rows)
    tally = entry.tally
    counts = (tally.read, tally.inserted, tally.updated, tally.unchanged, tally.quarantined)
    return entry.status, counts, tally.superseded, entry.amounts, quarantined


FILES = st.lists(
    st.tuples(
        st.sampled_from(["one", "corrects"]),
        st.sampled_from(["a.csv", "b.csv"]),
        st.dictionaries(st.sampled_from("wxyz"), st.integers(0, 2), max_size=4),
        st.integers(0, 9),
        st.sampled_from([False, False, True]),
    ),
    max_size=8,
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(FILES)
def test_any_sequence_of_files_leaves_what_the_model_holds(
    empty: Database, files: list[tuple[str, str, dict[str, int], int, bool]]
) -> None:
    clear(empty)
    run = unique("v")
    chosen = replace(SETTINGS, formats=FORMATS)
    real, model = Flow(chosen, store=empty), Flow(chosen)
    for number, (dataset, name, amounts, order, is_withdrawn) in enumerate(files):
        body = bills(*amounts.items()) + b"\n" * number
        outcomes = []
        for flow in (real, model):
            source = flow.objects.put(f"billing/{dataset}/{name}", body, f"{order}{number}")
            source = replace(source, version_id=f"{run}{number}")
            flow.objects.content[source.key, source.version_id] = body
            entry = flow.load(source)
            outcomes.append(outcome(entry, flow))
            if is_withdrawn and entry.status in LOADED:
                foretold = empty.held(entry) if flow is real else None
                before = sum(rows(empty).values(), Decimal(0))
                done = flow.withdraw(entry)
                if foretold:
                    assert (foretold.rows, foretold.kept) == (done.rows_removed, done.rows_kept)
                    gone = before - sum(rows(empty).values(), Decimal(0))
                    assert sum(foretold.amounts.values(), Decimal(0)) == gone
                outcomes[-1] += (done.rows_removed, done.rows_kept, done.also_in)
        assert outcomes[0][0:2] == outcomes[1][0:2]
        assert outcomes[0] == outcomes[1]
        assert rows(empty) == held(model)


BILLS = st.lists(
    st.tuples(st.sampled_from([f"b{number}" for number in range(9)]), st.integers(0, 2)),
    min_size=1,
    max_size=9,
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from(["a", "a", "b"]), BILLS), min_size=2, max_size=5))
def test_known_new_and_changed_bills_in_any_mixture_leave_what_the_model_holds(
    empty: Database, files: list[tuple[str, list[tuple[str, int]]]]
) -> None:
    """A batch has three bills: some of new ones only, some of known ones, and all between."""
    clear(empty)
    run = unique("v")
    real, model = Flow(store=empty), Flow()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "PART", 3)
        patch.setattr(batches, "MOST_ROWS", 3)
        for number, (name, amounts) in enumerate(files):
            body = bills(*amounts) + b"\n" * number
            outcomes = []
            for flow in (real, model):
                source = flow.objects.put(f"billing/one/{name}.csv", body, f"{number}")
                source = replace(source, version_id=f"{run}{number}")
                flow.objects.content[source.key, source.version_id] = body
                entry = flow.load(source)
                outcomes.append((outcome(entry, flow), entry.tally.notes, entry.amount_usd))
            assert outcomes[0] == outcomes[1]
            assert rows(empty) == held(model)


class Statements:
    """The statements of a load, by their names in `RowStatements`."""

    def __init__(
        self, patch: pytest.MonkeyPatch, before: Callable[[str], None] = lambda _: None
    ) -> None:
        self.sent: list[str] = []
        names = {
            text: name for name, text in vars(row_statements(BILLING)).items() if name != "table"
        }
        execute = DataApi.execute

        def noted(api: DataApi, sql: str, *given: Any, **options: Any) -> Result:
            if sql in names:
                before(names[sql])
                self.sent.append(names[sql])
            return execute(api, sql, *given, **options)

        patch.setattr(DataApi, "execute", noted)


ITEMS = ["Crème", "a 'quoted' \"one\"", "back\\slash", "😀", "line\nbreak", "tab\tin", "", "NULL"]


@pytest.mark.parametrize("same_object", [True, False])
def test_bills_that_are_known_are_compared_and_seen_in_two_statements(
    empty: Database, monkeypatch: pytest.MonkeyPatch, same_object: bool
) -> None:
    """The database makes the digest of a stored row that the loader makes of the same row."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["id", "date", "currency", "amount", "item", "city", "company"])
    for number, item in enumerate(ITEMS):
        amount = ["1.5", "-0.000001", "99999999999999.25", "0", "7"][number % 5]
        writer.writerow([f"b{number}", "2026-03-05", "USD", amount, item, "Łódź", "=1+1"])
    body = text.getvalue().encode()
    flow = Flow(store=empty)
    first = flow.load(flow.objects.put("billing/one/a.csv", body))
    assert (first.status, first.tally.inserted) == (FileStatus.LOADED, len(ITEMS))
    # As rows of before the digest, and rows that a person corrected: nothing of it is stored.
    empty.api.execute("UPDATE billing_rows SET object_hash = ''")
    statements = Statements(monkeypatch)
    name = "a" if same_object else "b"
    again = flow.load(flow.objects.put(f"billing/one/{name}.csv", body + b"\n"))
    assert (again.tally.unchanged, again.amounts) == (len(ITEMS), first.amounts)
    assert again.amount_usd == first.amount_usd
    tried = ["same"] if same_object else ["insert", "same_locked"]
    assert statements.sent == [*tried, "see_same"]
    empty.api.execute("UPDATE billing_rows SET city = 'Lodz' WHERE record_id = 'b1'")
    statements.sent.clear()
    repaired = flow.load(flow.objects.put(f"billing/one/{name}.csv", body + b"\n\n"))
    counts = (repaired.tally.updated, repaired.tally.unchanged, repaired.tally.quarantined)
    assert counts == ((1, 7, 0) if same_object else (0, 7, 1))
    assert {"same_locked", "others", "see_same", "update"} <= {*statements.sent}


def test_a_bill_that_is_changed_while_it_is_compared_is_loaded_as_its_file_has_it(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = Flow(store=empty)
    body = bills(("a", 1), ("b", 2))
    flow.load(flow.objects.put("billing/one/a.csv", body))
    changes = ["UPDATE billing_rows SET bill_amount = 7 WHERE record_id = 'a'"]

    def change(name: str) -> None:
        if name == "see_same" and changes:
            empty.api.execute(changes.pop())

    statements = Statements(monkeypatch, change)
    again = flow.load(flow.objects.put("billing/one/a.csv", body + b"\n"))
    assert statements.sent[:2] == ["same", "see_same"]
    assert (again.tally.updated, again.tally.unchanged) == (1, 1)
    assert rows(empty) == {("one", "a"): Decimal(1), ("one", "b"): Decimal(2)}


def test_a_corrected_bill_comes_back_with_its_file(empty: Database) -> None:
    flow, model = Flow(store=empty), Flow()
    seen: list[list[Any]] = [[], []]
    for one, found in zip((flow, model), seen, strict=True):
        load = [
            one.load(one.objects.put("billing/x/a.csv", bills(("1", 10), ("2", 20), ("3", 30)))),
            one.load(one.objects.put("billing/x/c.csv", bills(("2", 20)))),
            one.load(
                one.objects.put("billing/x/b.csv", bills(("1", 12), ("3", 33)), restates="yes")
            ),
        ]
        first = one.store.find(load[0].load_id)
        found.append(first.tally.notes)
        found.append([by.source.key for by in one.store.replacing(first)])
        done = one.withdraw(load[2])
        found.append((done.rows_removed, [by.source.key for by in done.replaced]))
        again = one.retry(one.store.find(first.load_id))
        found.append((again.status, again.tally.inserted, again.tally.unchanged))
        found.append(again.tally.notes)
    assert seen[0] == seen[1]
    assert seen[0][0] == {"bills_replaced": 2}
    assert rows(empty) == held(model) == {("x", f"{n}"): Decimal(10 * n) for n in (1, 2, 3)}


def test_parts_whose_rows_were_taken_over_are_loaded_again(empty: Database) -> None:
    flow = Flow(store=empty)
    load_id = half_loaded(flow)
    flow.load(flow.objects.put("billing/x/other.csv", bills(("1", 10))))
    with pytest.raises(RowsTakenOver, match="files took 1 rows over") as caught:
        retried(flow, load_id)
    flow.finisher.fail(load_id, caught.value)
    assert retried(flow, load_id) is FileStatus.LOADED
    assert rows(empty) == {("x", f"{n}"): Decimal(10 * n) for n in (1, 2, 3)}


OLD = {("x", f"{number}"): Decimal(10 * number) for number in (1, 2, 3)}
CORRECTION = bills(("1", 11), ("2", 21), ("4", 40), ("3", 30))


@pytest.mark.parametrize("key", ["big.csv", "correction.csv"], ids=["version", "correction"])
def test_parts_of_a_correction_change_nothing_before_all_of_it_is_loaded(
    empty: Database, key: str
) -> None:
    flow = Flow(store=empty)
    first = flow.load(flow.objects.put("billing/x/big.csv", BIG))
    entry, parts = begun(flow, key, CORRECTION, restates="yes")
    for part in parts:
        flow.load_part(part)
        assert rows(empty) == OLD
    loaded = flow.finisher.finish(entry.load_id)
    counts = (loaded.tally.inserted, loaded.tally.updated, loaded.tally.unchanged)
    assert (loaded.status, counts) == (FileStatus.LOADED, (1, 2, 1))
    assert rows(empty) == OLD | {
        ("x", "1"): Decimal(11),
        ("x", "2"): Decimal(21),
        ("x", "4"): Decimal(40),
    }
    notes = empty.find(first.load_id).tally.notes
    assert notes == ({} if key == "big.csv" else {"bills_replaced": 2})
    left = empty.api.execute("SELECT COUNT(*) AS counted FROM billing_pending_rows").rows
    assert left[0]["counted"] == 0


def test_a_refused_correction_in_parts_takes_no_bill_away(empty: Database) -> None:
    flow = Flow(store=empty)
    flow.load(flow.objects.put("billing/x/big.csv", BIG))
    other = flow.load(flow.objects.put("billing/y/b.csv", bills(("4", 40))))
    entry, parts = begun(flow, "correction.csv", CORRECTION, restates="yes")
    for part in parts:
        flow.load_part(part)
    refused = flow.finisher.finish(entry.load_id)
    assert (refused.status, refused.error_code) == (FileStatus.REJECTED, "bills_are_loaded")
    assert rows(empty) == OLD | {("y", "4"): Decimal(40)}
    flow.withdraw(other)
    assert retried(flow, entry.load_id, reopened=True) is FileStatus.LOADED
    assert rows(empty)["x", "1"] == 11


def test_a_correction_in_parts_is_loaded_again_where_another_one_came_first(
    empty: Database,
) -> None:
    flow = Flow(store=empty)
    flow.load(flow.objects.put("billing/x/a.csv", BIG))
    entry, parts = begun(flow, "big.csv", CORRECTION, restates="yes")
    for part in parts:
        flow.load_part(part)
    flow.load(flow.objects.put("billing/x/small.csv", bills(("1", 12)), restates="yes"))
    with pytest.raises(RowsTakenOver, match="took rows over") as caught:
        flow.finisher.finish(entry.load_id)
    flow.finisher.fail(entry.load_id, caught.value)
    assert rows(empty) == OLD | {("x", "1"): Decimal(12)}
    assert retried(flow, entry.load_id) is FileStatus.LOADED
    assert [rows(empty)["x", f"{n}"] for n in (1, 2, 3, 4)] == [12, 21, 30, 40]


def test_rows_of_a_file_that_is_being_loaded_are_not_counted_on(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conflicts, "_PAUSE", 0)
    flow = Flow(store=empty)
    entry, parts = begun(flow, "big.csv", BIG)
    flow.load_part(parts[0])
    source = flow.objects.put("billing/x/small.csv", bills(("1", 10), ("5", 50)))
    with pytest.raises(TransientFailure, match="and is LOADING"):
        flow.load(source)
    assert rows(empty) == {}
    lost = FinOpsError("part 2 is lost", code="lost", step="load_chunk")
    flow.finisher.fail(entry.load_id, lost)
    assert flow.load(source).status is FileStatus.LOADED
    assert rows(empty) == {("x", "1"): Decimal(10), ("x", "5"): Decimal(50)}


def test_a_file_that_is_taken_back_while_another_one_counts_on_its_rows(empty: Database) -> None:
    """The withdrawal comes after the load asked which files count, and before it ends."""
    flow = Flow(store=empty)
    first = flow.load(flow.objects.put("billing/x/a.csv", bills(("1", 10), ("2", 20))))
    source = flow.objects.put("billing/x/b.csv", BIG)
    refuse, waits = RowWriter.refuse_uncertain, [first]

    def withdrawn_first(writer: RowWriter) -> None:
        if waits:
            entry = waits.pop()
            # The rows are locked, so the withdrawal waits for this load, which has to give up.
            empty.api.execute(
                "UPDATE billing_files SET status = 'WITHDRAWN' WHERE load_id = :load_id",
                {"load_id": entry.load_id},
            )
        refuse(writer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RowWriter, "refuse_uncertain", withdrawn_first)
        loaded = flow.load(source)
    assert (loaded.status, loaded.tally.unchanged) == (FileStatus.LOADED, 0)
    assert rows(empty) == OLD


def test_bills_of_a_file_that_failed_in_parts_wait_though_a_newer_version_is_loaded(
    empty: Database,
) -> None:
    flow = Flow(store=empty)
    load_id = half_loaded(flow)
    newer = flow.load(flow.objects.put("billing/x/big.csv", bills(("9", 9))))
    assert newer.status is FileStatus.LOADED
    assert empty.count_to_fix() == {FileStatus.FAILED: 1}
    assert [one.load_id for one in empty.files(to_fix=True)] == [load_id]
    assert retried(flow, load_id) is FileStatus.LOADED
    assert empty.count_to_fix() == {}


def test_a_refused_file_waits_until_it_is_loaded_corrected(empty: Database) -> None:
    flow = Flow(store=empty)

    def load(key: str, body: bytes, **said: str) -> FileEntry:
        return flow.load(flow.objects.put(f"billing/{key}", body, **said))

    bad = b"no header\n"
    first, again, other = (load(key, bad) for key in ("x/a.csv", "x/a.csv", "x/b.csv"))
    assert {one.status for one in (first, again, other)} == {FileStatus.REJECTED}
    assert [one.load_id for one in empty.files(to_fix=True)] == [other.load_id, again.load_id]
    load("x/a.csv", bills(("a", 1)))
    assert empty.count_to_fix() == {FileStatus.REJECTED: 1}
    assert load("y/a.csv", bills(("a", 1))).error_code == "duplicate_content"
    assert empty.count_to_fix() == {FileStatus.REJECTED: 1}, "a copy is no work"
    load("x/b-2.csv", bad, corrects=other.source.file_id)
    assert other.load_id in {one.load_id for one in empty.files(to_fix=True)}
    load("x/b-2.csv", bills(("b", 1)), corrects=other.source.file_id)
    assert empty.count_to_fix() == {}


def test_a_copy_is_refused_only_while_the_first_file_holds_rows(empty: Database) -> None:
    flow = Flow(store=empty)
    body = bills(("a", 1), ("b", 2))
    flow.load(flow.objects.put("billing/one/a.csv", body))
    copy = flow.load(flow.objects.put("billing/two/a.csv", body))
    assert (copy.status, copy.error_code) == (FileStatus.REJECTED, "duplicate_content")
    flow.load(flow.objects.put("billing/one/a.csv", bills(("a", 3), ("b", 4))))
    now = flow.load(flow.objects.put("billing/two/b.csv", body))
    assert (now.status, now.tally.inserted) == (FileStatus.LOADED, 2)


@pytest.mark.parametrize("in_parts", [False, True])
def test_bills_of_another_dataset_are_known_however_they_are_written(
    empty: Database, in_parts: bool
) -> None:
    flow = Flow(store=empty)

    def load(key: str, body: bytes) -> FileEntry:
        flow.settings = replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6)
        flow.workflow.running = False
        entry = flow.load(flow.objects.put(f"billing/{key}", body))
        return flow.run_workflow(entry.load_id) if in_parts else entry

    body = bills(("a", "10.50"), ("b", "3"), ("n", "0"))
    first = load("one/m.csv", body)
    copy = load("two/m.csv", body.replace(b"\n", b"\r\n").replace(b"10.50", b"10.5"))
    assert (copy.status, copy.error_code) == (FileStatus.REJECTED, "bills_are_loaded")
    assert "2 of the 3 bills" in copy.error
    assert f"load {first.load_id}" in copy.error
    more = load("one/more.csv", bills(("c", "4")))
    both = load("two/m2.csv", bills(("b", "3"), ("c", "4")).replace(b",A,", b",,"))
    assert (both.error_code, "dataset one" in both.error) == ("duplicate_content", True)
    # Other bills, of which ids and amounts are alike.
    other = bills(("a", "3"), ("b", "10.50"), ("c", "4")).replace(b"c,A,", b"c,Other Ltd,")
    assert load("three/m.csv", other).status is FileStatus.LOADED
    # Rows of before have no days in the ledger.
    empty.api.execute("UPDATE billing_files SET first_day = NULL, last_day = NULL")
    assert load("four/m.csv", bills(("b", "3"))).error_code == "duplicate_content"
    for one in (first, more):
        flow.withdraw(empty.find(one.load_id))
    assert load("two/m.csv", body + b"\n").status is FileStatus.LOADED
    assert rows(empty)["two", "a"] == Decimal("10.5")


def test_ids_of_two_rules_at_the_same_time_do_not_count_twice(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = Flow().objects
    # Among many files, no gap that is locked keeps the two apart.
    for number in range(120):
        enter_left_alone(empty, objects.put(f"billing/v{number:03}/.DS_Store", b"-"), "nothing")
    empty.api.execute("UPDATE billing_files SET original_sha256 = SHA2(load_id, 256)")
    body = "id,date,currency,amount,item\n" + "".join(
        f"{n},2026-03-0{n},USD,{n}.50,i{n}\n" for n in range(1, 5)
    )
    formats: list[dict[str, DatasetFormat]] = [{}, {"x": DatasetFormat(id_from=("item",))}]
    both, asked = Barrier(2), AuroraLoadTransaction.other_ids

    def other_ids(*given: Any) -> FileEntry | None:
        found = asked(*given)
        # One waits for the other, which gets its answer only once the first has ended.
        with suppress(BrokenBarrierError):
            both.wait(3)
        return found

    monkeypatch.setattr(AuroraLoadTransaction, "other_ids", other_ids)

    def load(number: int) -> FileEntry:
        flow = Flow(replace(SETTINGS, formats=formats[number]), store=empty, objects=objects)
        return flow.load(objects.put(f"billing/x/{number}.csv", body.encode() + b"\n" * number))

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(load, range(2)))
    assert sorted(one.status for one in found) == [FileStatus.LOADED, FileStatus.REJECTED]
    assert {one.error_code for one in found} == {"", "other_ids"}
    assert len(rows(empty)) == 4


def test_a_copy_whose_ids_are_made_by_another_rule_is_known(empty: Database) -> None:
    flow = Flow(
        replace(SETTINGS, formats={"hashed": DatasetFormat(id_from=("item",))}), store=empty
    )
    body = "id,date,currency,amount,item\n" + "".join(
        f"{n},2026-03-0{n},USD,{n}.50,i{n}\n" for n in range(1, 5)
    )
    first = flow.load(flow.objects.put("billing/plain/m.csv", body.encode()))
    copy = flow.load(flow.objects.put("billing/hashed/m.csv", body.replace("\n", "\r\n").encode()))
    assert (copy.status, copy.error_code) == (FileStatus.REJECTED, "duplicate_content")
    assert f"load {first.load_id}" in copy.error
    other = body.replace("4.50", "4.51").encode()
    assert flow.load(flow.objects.put("billing/hashed/n.csv", other)).status is FileStatus.LOADED


def test_bills_at_the_same_time_in_several_datasets_count_once(empty: Database) -> None:
    def load(number: int) -> FileEntry:
        body = bills(("a", 1), ("b", 2), (f"own {number}", number + 1))
        return delivered(empty, f"billing/{number}/m.csv", body)

    with ThreadPoolExecutor(6) as pool:
        entries = [*pool.map(load, range(6))]
    assert sorted(one.error_code for one in entries) == ["", *["bills_are_loaded"] * 5]
    assert len(rows(empty)) == 3


def test_a_load_sees_bills_that_another_dataset_brought_since_it_began(empty: Database) -> None:
    body = bills(("a", 1), ("b", 2))
    flow = Flow(store=empty)
    source = flow.objects.put("billing/two/m.csv", body)
    entry = empty.receive(source, "two")
    table = open_bills(io.BytesIO(body), None)
    with empty.transaction() as transaction:
        transaction.lock(entry.load_id)
        # What it sees of the tables is settled by its first read.
        assert transaction.last_line(entry, BILLING) == -1
        other = flow.load(flow.objects.put("billing/one/m.csv", body + b"\n"))
        tally = RecordLoader(
            transaction=transaction,
            entry=entry,
            parser=row_parser(SETTINGS, "two", table.recognition, empty.rates),
            schema=BILLING,
            quarantine=flow.quarantine(entry),
            check=lambda: None,
        ).load(table)
        found = transaction.same_bills(entry, tally)
    assert found is not None
    assert (found.entry.load_id, found.count, found.of) == (other.load_id, 2, 2)


def test_rows_of_before_belong_to_the_file_that_wrote_them(empty: Database) -> None:
    """Their migration leaves them without the hash of an object."""
    flow = Flow(store=empty)
    flow.load(flow.objects.put("billing/one/a.csv", bills(("a", 1))))
    empty.api.execute("UPDATE billing_rows SET object_hash = ''")
    other = flow.load(flow.objects.put("billing/one/b.csv", bills(("a", 2))))
    assert other.tally.quarantined == 1
    own = flow.load(flow.objects.put("billing/one/a.csv", bills(("a", 3))))
    assert own.tally.updated == 1
    assert rows(empty) == {("one", "a"): Decimal(3)}


def charged(database: Database) -> Decimal:
    """What the view that people read adds up to."""
    (found,) = database.api.execute("SELECT SUM(billed_cost) AS cost FROM focus").rows
    return Decimal(found["cost"])


@pytest.mark.parametrize("in_parts", [False, True])
def test_one_file_of_a_billing_period_counts(empty: Database, in_parts: bool) -> None:
    flow = Flow(replace(SETTINGS, formats={"corrects": DatasetFormat(replace=True)}), store=empty)
    if in_parts:
        flow.settings = replace(flow.settings, large_file_bytes=1)

    def load(key: str, *costs: str) -> FileEntry:
        # A month counts once in all datasets.
        body = month(*costs, account=key.partition("/")[0])
        entry = flow.load(flow.objects.put(f"billing/{key}", body))
        return flow.run_workflow(entry.load_id) if in_parts else entry

    assert load("one/march.csv", "1.25", "3").status is FileStatus.LOADED
    again = load("one/march-restated.csv", "1.50", "3")
    assert again.error_code == "period_is_loaded"
    assert "billing/one/march.csv" in again.error
    assert charged(empty) == Decimal("4.25")
    assert load("one/march.csv", "1.50", "3").status is FileStatus.LOADED
    assert charged(empty) == Decimal("4.5")
    for name, cost in (("a", "10"), ("b", "20")):
        assert load(f"corrects/{name}.csv", cost).status is FileStatus.LOADED
    assert charged(empty) == Decimal("24.5")
    for number, run in enumerate(RUNS, 1):
        for part in (1, 2):
            key = f"costs/data/2026-04-0{number}T00:00:00Z-{run}/c-0000{part}.csv"
            assert load(key, f"{number}{part}").dataset == "costs/data"
    assert charged(empty) == Decimal("87.5")
    held = empty.api.execute("SELECT COUNT(*) AS held FROM focus_charges").rows
    assert held == [{"held": 5}]


def test_a_billing_period_is_one_in_all_its_spellings(empty: Database) -> None:
    flow = Flow(store=empty)
    flow.load(flow.objects.put("billing/one/march.csv", month("1.25", account="012345678901")))
    # As it was stored before periods became days.
    empty.api.execute("UPDATE focus_charges SET billing_period_start = '2026-02-28 23:00:00'")
    again = flow.load(flow.objects.put("billing/one/b.csv", month("9", account="12345678901")))
    assert (again.error_code, charged(empty)) == ("period_is_loaded", Decimal("1.25"))
    april = month("4", account="12345678901", start="2026-04")
    assert flow.load(flow.objects.put("billing/one/c.csv", april)).status is FileStatus.LOADED
    assert charged(empty) == Decimal("5.25")


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_version_takes_away_only_what_it_holds(empty: Database, in_parts: bool) -> None:
    flow = Flow(replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6), store=empty)

    def load(body: bytes) -> FileEntry:
        flow.workflow.running = False
        entry = flow.load(flow.objects.put("billing/one/latest.csv", body))
        return flow.run_workflow(entry.load_id) if in_parts else entry

    march = month("1.25", "3") + month("2", account="2").partition(b"\n")[2]
    first = load(march)
    for body in (month("9", start="2026-04"), month("9"), month("1,5"), FOCUS, bills(("a", 1))):
        entry = load(body)
        assert (entry.status, entry.error_code) == (FileStatus.REJECTED, "version_lacks_charges")
        assert f"load {first.load_id}" in entry.error
        assert (charged(empty), rows(empty)) == (Decimal("6.25"), {})
    april = load(march + month("4", start="2026-04").partition(b"\n")[2])
    assert (april.status, charged(empty)) == (FileStatus.LOADED, Decimal("10.25"))
    assert empty.find(first.load_id).status is FileStatus.SUPERSEDED


def test_runs_replace_what_they_share_in_whatever_order_files_arrive(empty: Database) -> None:
    flow = Flow(store=empty)
    loads = []
    for run, part, cost in ((1, 1, "1"), (2, 1, "10"), (1, 2, "2"), (2, 2, "20"), (0, 1, "3")):
        key = f"billing/costs/2026-04-0{run + 1}T00:00:00Z-{RUNS[run]}/c-0000{part}.csv"
        loads.append(flow.load(flow.objects.put(key, month(cost))).load_id)
    assert charged(empty) == 30
    loaded, superseded = FileStatus.LOADED, FileStatus.SUPERSEDED
    statuses = [empty.find(load_id).status for load_id in loads]
    assert statuses == [superseded, loaded, superseded, loaded, superseded]
    for run, account in ((0, "1"), (1, "2")):
        key = f"billing/azure/{RUNS[run]}/march.csv"
        flow.load(flow.objects.put(key, month(f"{run + 4}", account=account)))
    assert charged(empty) == 39
    # Nothing says which of two runs without times is newer.
    newer = flow.load(flow.objects.put(f"billing/azure/{RUNS[2]}/b.csv", month("7", account="2")))
    assert (newer.error_code, charged(empty)) == ("period_is_loaded", Decimal(39))


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_newer_run_with_a_manifest_counts_when_it_is_whole(
    empty: Database, in_parts: bool
) -> None:
    flow = Flow(replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6), store=empty)
    runs = Runs(empty, flow.audit, flow.clock)

    def load(run: int, part: int, cost: str) -> FileEntry:
        flow.workflow.running = False
        folder = f"billing/costs/20260301-20260331/20260401000{run}/{RUNS[run]}"
        source = flow.objects.put(f"{folder}/part_0_000{part}.csv", month(cost))
        entry = flow.load(source)
        return flow.run_workflow(entry.load_id) if in_parts else entry

    def manifest(run: int) -> list[FileEntry]:
        folder = f"billing/costs/20260301-20260331/20260401000{run}/{RUNS[run]}"
        blobs = [{"blobName": f"theirs/part_0_000{part}.csv"} for part in (1, 2)]
        return runs.take_manifest(f"{folder}/manifest.json", json.dumps({"blobs": blobs}).encode())

    first = [load(1, 1, "1"), load(1, 2, "2")]
    assert (manifest(1), charged(empty)) == ([], Decimal(3))
    waiting = load(2, 1, "10")
    assert (waiting.status, waiting.error_code) == (FileStatus.WAITING, "run_is_incomplete")
    assert "the manifest of its run did not come yet" in waiting.error
    assert [one.status for one in manifest(2)] == [FileStatus.WAITING]
    assert charged(empty) == 3
    assert load(2, 2, "20").status is FileStatus.LOADED
    assert charged(empty) == 30
    assert {empty.find(one.load_id).status for one in first} == {FileStatus.SUPERSEDED}
    released = empty.find(waiting.load_id)
    assert (released.status, released.error, released.tally.inserted) == (FileStatus.LOADED, "", 1)
    assert (released.amounts, released.amount_usd) == ({"USD": Decimal(10)}, Decimal(10))
    assert manifest(2) == []
    # What waits can be taken up by a person's word.
    more = load(0, 1, "5")
    assert more.status is FileStatus.SUPERSEDED


def test_files_of_a_run_at_the_same_time_count_at_once(empty: Database) -> None:
    folders = [f"billing/x/2026-04-0{run}T00:00:00Z-{RUNS[run]}" for run in (1, 2)]

    def load(key: str, cost: str) -> FileEntry:
        return delivered(empty, key, month(cost))

    def manifest(folder: str) -> list[FileEntry]:
        flow = Flow(store=empty)
        names = [f"{folder}/x-0000{part}.csv" for part in range(4)]
        content = json.dumps({"dataFiles": names}).encode()
        runs = Runs(empty, flow.audit, flow.clock)
        return again(lambda: runs.take_manifest(f"{folder}/m-manifest.json", content))

    for part in range(4):
        load(f"{folders[0]}/x-0000{part}.csv", "1")
    manifest(folders[0])
    with ThreadPoolExecutor(5) as pool:
        taken = pool.submit(manifest, folders[1])
        files = [pool.submit(load, f"{folders[1]}/x-0000{part}.csv", "10") for part in range(4)]
    taken.result()
    loads = [one.result().load_id for one in files]
    assert charged(empty) == 40
    assert {empty.find(one).status for one in loads} == {FileStatus.LOADED}


def test_files_of_one_month_at_the_same_time_do_not_add_up(empty: Database) -> None:
    def load(key: str, cost: str) -> FileEntry:
        return delivered(empty, f"billing/{key}", month(cost))

    keys = [f"dataset-{number}/march.csv" for number in range(6)]
    with ThreadPoolExecutor(len(keys)) as pool:
        entries = [*pool.map(load, keys, ["1.25"] * len(keys))]
    codes = sorted(one.error_code for one in entries)
    assert codes == ["", *["duplicate_content"] * (len(keys) - 1)]
    assert charged(empty) == Decimal("1.25")
    flow = Flow(store=empty)
    flow.withdraw(next(one for one in entries if not one.error_code))
    runs = [
        f"e/2026-04-0{run}T00:00:00Z-{RUNS[run - 1]}/e-0000{part}.csv"
        for run in (1, 2, 3)
        for part in (1, 2)
    ]
    costs = ["1", "2", "10", "20", "100", "200"]
    with ThreadPoolExecutor(len(runs)) as pool:
        entries = [*pool.map(load, runs, costs)]
    assert charged(empty) == 300
    assert {one.status for one in entries} <= {FileStatus.LOADED, FileStatus.SUPERSEDED}


class DatabaseWorld(World):
    """What `World` is, over the database."""

    def files(self) -> dict[int, FileEntry]:
        found = self.flow.store.files(limit=1000)
        return {one.load_id: one for one in reversed(found)}

    def counted(self) -> dict[int, dict[str, Decimal]]:
        sums: dict[int, dict[str, Decimal]] = {}
        for row in self.flow.store.api.execute(
            "SELECT load_id, billing_account_id AS account, SUM(billed_cost) AS cost FROM focus"
            " GROUP BY load_id, billing_account_id"
        ).rows:
            sums.setdefault(row["load_id"], {})[row["account"]] = Decimal(row["cost"])
        return sums


def ledger(world: World) -> list[tuple[Any, ...]]:
    """What the ledger says of each file, and what of it counts."""
    files, counted = world.files(), world.counted()
    return [
        (
            one.source.key,
            one.status,
            one.error_code,
            one.amount_usd and one.amount_usd.normalize(),
            one.tally.notes,
            one.source.restates,
            one.source.part_of,
            {account: cost.normalize() for account, cost in counted.get(load_id, {}).items()},
            [by.source.key for by in world.flow.store.replaced_by(one)],
        )
        for load_id, one in files.items()
    ]


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(MONTHS)
def test_any_sequence_of_months_leaves_what_the_model_holds(
    empty: Database, steps: list[Drop | Person | Declare | Manifest]
) -> None:
    clear(empty)
    model, database = World(), DatabaseWorld(Flow(store=empty))
    for number, step in enumerate(steps, 3):
        for world in (model, database):
            if isinstance(step, Declare):
                text = '{"replace": true}' if step.replace else "{}"
                world.flow.objects.content[format_key("one"), ""] = text.encode()
            elif isinstance(step, Manifest):
                world.take(step)
            elif isinstance(step, Drop):
                world.drop(step, number, 0)
            else:
                world.do(step, number)
        assert ledger(database) == ledger(model)


def test_charges_do_not_hide_the_bills_of_an_earlier_version(empty: Database) -> None:
    flow = Flow(store=empty)
    flow.load(flow.objects.put("billing/one/a.csv", bills(("a", 1))))
    entry = flow.load(flow.objects.put("billing/one/a.csv", month("5")))
    assert entry.error_code == "version_lacks_charges"
    assert rows(empty) == {("one", "a"): Decimal(1)}


def test_tags_as_deep_as_are_kept_are_stored(empty: Database) -> None:
    flow = Flow(store=empty)
    deep = '{"a":' * 29 + '"\\u0000é😀"' + "}" * 29
    body = tagged(("1.25", MARCH, deep), ("1.25", MARCH, '{"a":1e999}'))
    assert flow.load(flow.objects.put("billing/one/a.csv", body)).status is FileStatus.LOADED
    found = empty.api.execute("SELECT tags FROM focus ORDER BY line").rows
    assert json.loads(found[0]["tags"]) == json.loads(deep)
    assert found[1]["tags"] is None


def test_a_rate_of_a_person_is_not_replaced_by_the_ecb(empty: Database) -> None:
    def put(source: str, *rates: str) -> tuple[Tally, list[tuple[Decimal, str]]]:
        tally = AuroraRates(empty.loader).put_rates(
            (
                Rate(
                    currency="CHF",
                    rate_date=date(2026, 3, number),
                    usd_per_unit=Decimal(rate),
                    source=source,
                )
                for number, rate in enumerate(rates, 1)
            ),
            "",
        )
        found = empty.api.execute("SELECT * FROM fx_rates ORDER BY rate_date").rows
        return tally, [(Decimal(one["usd_per_unit"]), one["source"]) for one in found]

    empty.api.execute("DELETE FROM fx_rates")
    assert put("ECB", "1.1", "1.2")[0].notes == {}
    tally, held = put("csv", "1.1", "1.3")
    assert (tally.updated, tally.notes) == (2, {"rates_replaced": 1})
    assert held == [(Decimal("1.1"), "csv"), (Decimal("1.3"), "csv")]
    tally, held = put("csv", "1.1", "1.3")
    assert (tally.updated, tally.unchanged) == (0, 2)
    tally, held = put("ECB", "1.15", "1.25")
    assert (tally.updated, tally.unchanged, tally.notes) == (0, 2, {"rates_kept": 2})
    assert held == [(Decimal("1.1"), "csv"), (Decimal("1.3"), "csv")]


RATES = b"currency,rate_date,usd_per_unit\nCHF,2026-03-01,1.%b\nCHF,2026-03-02,1.5\n"


@pytest.mark.parametrize("orders", [*permutations("123")], ids="".join)
def test_the_newest_file_of_rates_counts_in_whatever_order_they_arrive(
    empty: Database, orders: Sequence[str]
) -> None:
    """The second version says what the first did, the third another rate."""
    flow, fake = Flow(store=empty), Flow()
    empty.api.execute("DELETE FROM fx_rates")
    told = []
    for one in (flow, fake):
        for order in orders:
            body = RATES % {"1": b"1", "2": b"2", "3": b"1"}[order]
            entry = one.load_rates(one.objects.put("rates/chf.csv", body, order))
            told.append((entry.status, entry.tally.updated, entry.tally.notes))
    assert told[:3] == told[3:]
    found = empty.api.execute("SELECT usd_per_unit FROM fx_rates ORDER BY rate_date").rows
    assert [Decimal(one["usd_per_unit"]) for one in found] == [Decimal("1.1"), Decimal("1.5")]
    # Of a file under another name, too.
    flow.load_rates(flow.objects.put("rates/late.csv", RATES % b"9", "0"))
    again = empty.api.execute("SELECT usd_per_unit FROM fx_rates ORDER BY rate_date").rows
    assert again == found


def test_a_file_that_contradicts_itself_never_flips_its_rates(empty: Database) -> None:
    body = b"currency,rate_date,usd_per_unit\nCHF,2026-03-01,1.1\nCHF,2026-03-01,1.2\n"
    empty.api.execute("DELETE FROM fx_rates")
    for expected in ((1, 0, 0), (0, 0, 1)):
        rejected: list[Quarantined] = []
        tally = AuroraRates(empty.loader).put_rates(
            read_rates(io.BytesIO(body), rejected.append), "1"
        )
        assert (tally.inserted, tally.updated, tally.unchanged) == expected
        assert [one.reason for one in rejected] == ["duplicate_rate"]
        found = empty.api.execute("SELECT usd_per_unit FROM fx_rates").rows
        assert [Decimal(one["usd_per_unit"]) for one in found] == [Decimal("1.1")]


def test_notes_and_the_source_of_a_rate_are_kept(empty: Database) -> None:
    flow = Flow(replace(SETTINGS, rates=RatePolicy(static={"CAD": Decimal("0.79")})), store=empty)
    entry = flow.load(flow.objects.put("billing/one/a.csv", bills(("a", 1), currency="CAD")))
    assert entry.tally.notes == {"static_rate": 1}
    assert empty.api.execute("SELECT rate_source FROM billing").rows == [{"rate_source": "static"}]
    flow.settings = replace(flow.settings, large_file_bytes=1)
    entry = flow.load(flow.objects.put("billing/one/a.csv", bills(("a", 2), currency="CAD")))
    done = flow.run_workflow(entry.load_id)
    assert done.tally.notes == {"corrected": 1, "static_rate": 1}


def test_a_file_that_is_left_alone_is_entered_with_its_reason(empty: Database) -> None:
    flow = Flow(store=empty)
    for _ in range(2):
        entry = enter_left_alone(empty, flow.objects.put("billing/.DS_Store", b"x"), "a mark")
        assert (entry.status, entry.dataset) == (FileStatus.IGNORED, "")
        assert entry.finished_at is not None
    refused = flow.load(flow.objects.put("billing/.csv", bills(("a", 1))))
    assert (refused.status, refused.error_code) == (FileStatus.REJECTED, "invalid_dataset")


def test_rows_of_a_failed_load_are_taken_over(empty: Database) -> None:
    flow = Flow(replace(SETTINGS, large_file_bytes=1), store=empty)
    entry = flow.load(flow.objects.put("billing/one/a.csv", bills(("a", 1), ("b", 2))))
    flow.run_workflow(entry.load_id)
    empty.api.execute("UPDATE billing_files SET status = 'FAILED'")
    flow.settings = SETTINGS
    again = flow.load(flow.objects.put("billing/one/b.csv", bills(("a", 1), ("b", 7))))
    assert (again.status, again.tally.updated) == (FileStatus.LOADED, 2)
    assert rows(empty) == {("one", "a"): Decimal(1), ("one", "b"): Decimal(7)}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing_rows SET amount_usd = 0",
        "DELETE FROM billing_files",
        "INSERT INTO fx_rates VALUES ('EUR', '2026-03-01', 100, 'x', '2026-03-01', '')",
        "DROP VIEW billing",
        "CREATE TABLE mine (id INT)",
        "SELECT sha256 FROM schema_migrations",
        "SELECT user FROM mysql.user",
    ],
)
def test_the_reader_changes_nothing(empty: Database, statement: str) -> None:
    with pytest.raises(ConfigurationError, match="denied"):
        empty.reader.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE billing_rows",
        "ALTER TABLE billing_rows ADD COLUMN mine INT",
        "UPDATE schema_migrations SET sha256 = ''",
        "DELETE FROM billing_reconversions",
        "DELETE FROM billing_files",
        "CREATE USER mine",
        "GRANT SELECT ON billing_rows TO finops_reader_a",
    ],
)
def test_the_loader_changes_rows_and_no_tables_users_or_history(
    empty: Database, statement: str
) -> None:
    with pytest.raises(ConfigurationError, match="denied"):
        empty.loader.execute(statement)


def test_the_reader_sees_tables_and_views(empty: Database) -> None:
    for by in Dimension:
        totals(empty.reader, by)
    for name in ("billing_files", "billing_rows", "focus_charges", "fx_rates", "focus_by_service"):
        empty.reader.execute(f"SELECT * FROM {name} LIMIT 1")
