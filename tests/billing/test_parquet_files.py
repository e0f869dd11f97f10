"""A Parquet file is loaded like the CSV file of the same charges, exactly."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.billing import parquet_files
from finops.billing.dataset_format import DatasetFormat, used_format
from finops.billing.deliveries import Relation, delivery_of, relation
from finops.billing.domain import FileEntry
from finops.billing.mapping import open_bills
from finops.shared.errors import RejectedInput
from tests.billing.use_cases import FOCUS, SETTINGS, Flow

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
COST = pa.decimal128(38, 18)
UTC_TIME = pa.timestamp("us", "UTC")
TEXTS = {"BillingAccountId": "111111111111", "ServiceName": "EC2", "ChargeCategory": "Usage"}
TIMES = {
    "BillingPeriodStart": MARCH,
    "BillingPeriodEnd": datetime(2026, 4, 1, tzinfo=UTC),
    "ChargePeriodStart": MARCH,
    "ChargePeriodEnd": MARCH + timedelta(days=1),
}


def charges(
    costs: Sequence[Decimal], more: Mapping[str, pa.Array] | None = None, **options: Any
) -> bytes:
    """FOCUS charges as AWS writes them: decimals, times in UTC and a map of tags."""
    columns: dict[str, pa.Array] = {
        name: pa.array(costs, COST)
        for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
    }
    columns |= {name: pa.array([text] * len(costs)) for name, text in TEXTS.items()}
    columns |= {name: pa.array([time] * len(costs), UTC_TIME) for name, time in TIMES.items()}
    columns["BillingCurrency"] = pa.array(["USD"] * len(costs))
    return written(pa.table(columns | dict(more or {})), **options)


def written(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def records(content: bytes, document: Mapping[str, Any] | None = None) -> list[tuple[int, Any]]:
    used = used_format("d", DatasetFormat.from_document("d", document)) if document else None
    return [*open_bills(io.BytesIO(content), used).records()]


def load(content: bytes, flow: Flow, name: str = "march.parquet") -> FileEntry:
    return flow.load(flow.objects.put(f"billing/d/{name}", content))


def stored(flow: Flow) -> list[dict[str, Any]]:
    """The charges of the table, with its numbers as numbers."""
    costs = ("billed_cost", "billed_cost_usd", "effective_cost", "list_cost", "contracted_cost")
    return [
        row | {name: Decimal(row[name]) for name in costs if row.get(name) is not None}
        for _, row in sorted(flow.store.charges.items())
    ]


@pytest.mark.parametrize("compression", ["snappy", "gzip", "zstd", "none"])
def test_charges_are_loaded_exactly(compression: str) -> None:
    flow = Flow()
    cost = Decimal("12345678901234567.123456789012345678")
    entry = load(charges([cost, Decimal("-0.000000000000000001")], compression=compression), flow)
    assert (entry.status, entry.tally.inserted, entry.tally.notes) == ("LOADED", 2, {})
    first, second = stored(flow)
    assert (first["billed_cost"], second["billed_cost"]) == (cost, Decimal("-1e-18"))
    assert first["charge_period_start"] == "2026-03-01 00:00:00"


def tags(array: pa.Array) -> list[Any]:
    flow = Flow()
    entry = load(charges([Decimal(1)] * len(array), {"Tags": array}), flow)
    assert entry.status == "LOADED"
    return [row["tags"] and json.loads(row["tags"]) for row in stored(flow)]


def test_tags_are_maps_structs_lists_of_keys_and_values_or_texts() -> None:
    pair = pa.struct([("key", pa.string()), ("value", pa.string())])
    wide = pa.struct([("team", pa.string()), ("env", pa.string())])
    expected = [{"team": "a"}, {"env": "b\n"}, None]
    maps = pa.array([[("team", "a")], [("env", "b\n")], None], pa.map_(pa.string(), pa.string()))
    structs = pa.array([{"team": "a"}, {"env": "b\n"}, None], wide)
    pairs = pa.array(
        [[{"key": "team", "value": "a"}], [{"key": "env", "value": "b\n"}], None], pa.list_(pair)
    )
    texts = pa.array(['{"team":"a"}', '{"env":"b\\n"}', None])
    assert tags(maps) == tags(structs) == tags(pairs) == tags(texts) == expected


def test_times_keep_their_zone_and_doubles_their_digits() -> None:
    table = pa.table(
        {
            "id": pa.array([7]),
            "date": pa.array([datetime(2026, 3, 5, 23, tzinfo=UTC)], pa.timestamp("ms", "+05:00")),
            "currency": pa.array(["EUR"]).dictionary_encode(),
            "amount": pa.array([1234.5]),
            "item": pa.array([b"roll"]),
        }
    )
    assert records(written(table)) == [
        (2, ["7", "2026-03-05 23:00:00+00", "EUR", "1234.5", "roll"])
    ]
    # A point would separate thousands here.
    comma = {"decimal_comma": True, "thousands": "."}
    assert records(written(table), comma)[0][1][3] == "1234,5"


def test_a_newer_version_replaces_the_csv_of_the_same_name_and_a_copy_is_refused() -> None:
    flow = Flow()
    assert load(charges([Decimal(1)]), flow, "march.parquet").status == "LOADED"
    assert load(charges([Decimal(2)]), flow, "march.parquet").status == "LOADED"
    assert [row["billed_cost"] for row in stored(flow)] == [2]
    other = load(charges([Decimal(3)]), flow, "again.parquet")
    assert (other.status, other.error_code) == ("REJECTED", "period_is_loaded")
    as_csv = FOCUS + (
        b"4,1,1,1,USD,2026-03-01,2026-04-01,2026-03-01,2026-03-02,111111111111,EC2,Usage\n"
    )
    assert load(as_csv, flow, "march.csv").error_code == "period_is_loaded"


def test_parts_of_one_delivery_add_up() -> None:
    names = ("billing/d/costs-00001.snappy.parquet", "billing/d/costs-00002.snappy.parquet")
    assert relation(*map(delivery_of, names)) is Relation.PART
    flow = Flow()
    for at, name in enumerate(names, 1):
        content = charges([Decimal(at)])
        assert flow.load(flow.objects.put(name, content)).status == "LOADED"
    assert sum(row["billed_cost"] for row in stored(flow)) == 3


def test_a_large_file_is_loaded_in_parts_like_the_whole() -> None:
    more = {"ChargeDescription": pa.array([f"line {at}\nbelow" for at in range(300)])}
    content = charges([Decimal(at) / 8 for at in range(300)], more)
    whole, parts = Flow(), Flow(settings=replace(SETTINGS, large_file_bytes=1000))
    load(content, whole)
    entry = parts.run_workflow(load(content, parts).load_id, part_bytes=5000)
    assert (entry.status, entry.tally.inserted) == ("LOADED", 300)
    assert sorted(map(str, stored(parts))) == sorted(map(str, stored(whole)))


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_row_with_a_line_end_in_a_text_is_one_row(end: str) -> None:
    flow = Flow()
    text = f"line{end}below"
    entry = load(charges([Decimal(1)], {"ChargeDescription": pa.array([text])}), flow)
    assert (entry.status, entry.tally.read) == ("LOADED", 1)
    assert [row["charge_description"] for row in stored(flow)] == [text]


class TestRefusals:
    def refusal(self, content: bytes) -> RejectedInput:
        with pytest.raises(RejectedInput) as raised:
            records(content)
        return raised.value

    def test_damaged_files(self) -> None:
        content = charges([Decimal(1)] * 50)
        for damaged in (content[:-20], content[:4], content[:4] + b"x" * 40 + content[44:]):
            error = self.refusal(damaged)
            assert (error.code, "finops-parquet" in error.message) == ("damaged_parquet", False)
            flow = Flow()
            assert load(damaged, flow).status == "REJECTED"
            assert stored(flow) == []

    def test_encrypted_files(self) -> None:
        assert "encrypt" in self.refusal(b"PARE\x20\0\0\0" + b"x" * 100).message

    def test_decimals_that_would_be_read_as_floats(self) -> None:
        wide = pa.array([Decimal("0.1")], pa.decimal256(39, 18))
        error = self.refusal(charges([Decimal(1)], {"BilledCost": wide}))
        assert error.code == "too_many_digits"
        assert "'BilledCost'" in error.message
        fits = pa.array([Decimal("0.1")], pa.decimal256(38, 18))
        assert records(charges([Decimal(1)], {"BilledCost": fits}))[0][1][0][:3] == "0.1"

    def test_two_columns_of_one_name(self) -> None:
        table = pa.Table.from_arrays(
            [pa.array(["a"]), pa.array([1]), pa.array([2])], ["id", "Amount", "amount"]
        )
        assert self.refusal(written(table)).code == "ambiguous_header"

    def test_files_that_are_too_large_or_expand_without_end(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = charges([Decimal(1)] * 5000)
        monkeypatch.setattr(parquet_files, "ALWAYS_ALLOWED", 1000)
        monkeypatch.setattr(parquet_files, "MOST_EXPANSION", 10)
        assert self.refusal(content).code == "expands_too_much"
        monkeypatch.setattr(parquet_files, "LARGEST_PARQUET", 1000)
        assert self.refusal(content).code == "parquet_too_large"


def test_nothing_is_left_on_disk(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    table = open_bills(io.BytesIO(charges([Decimal(1)] * 9000)), None)
    assert [*tmp_path.iterdir()]
    next(table.records())
    del table
    records(charges([Decimal(1)]))
    assert [*tmp_path.iterdir()] == []


class TestVersionsOfFocus:
    """1.3 deprecates ProviderName for ServiceProviderName, and a file may have either or both.

    https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec, specification/datasets
    """

    def provider(self, **names: str) -> str:
        flow = Flow()
        more = {name: pa.array([text]) for name, text in names.items()}
        assert load(charges([Decimal(1)], more), flow).status == "LOADED"
        return str(stored(flow)[0]["provider_name"])

    def test_the_provider_is_known_in_each_version(self) -> None:
        assert self.provider(ProviderName="AWS", PublisherName="AWS") == "AWS"
        assert self.provider(ServiceProviderName="AWS", HostProviderName="AWS") == "AWS"
        both = {"ProviderName": "AWS", "ServiceProviderName": "Seller", "HostProviderName": "AWS"}
        assert self.provider(**both) == "AWS"

    def test_each_row_has_the_provider_that_it_states(self) -> None:
        flow = Flow()
        more = {
            "ProviderName": pa.array(["AWS", "", None, "NULL"]),
            "ServiceProviderName": pa.array(["x", "Seller", "Seller", "NULL"]),
        }
        assert load(charges([Decimal(1)] * 4, more), flow).status == "LOADED"
        providers = [one["provider_name"] for one in stored(flow)]
        assert providers == ["AWS", "Seller", "Seller", None]

    def test_a_month_of_rows_without_the_old_name_counts_once(self) -> None:
        flow = Flow()
        both = {"ProviderName": pa.array([""]), "ServiceProviderName": pa.array(["AWS"])}
        assert load(charges([Decimal(1)], both), flow, "a.parquet").status == "LOADED"
        new = {"ServiceProviderName": pa.array(["AWS"])}
        entry = load(charges([Decimal(2)], new), flow, "b.parquet")
        assert (entry.status, entry.error_code) == ("REJECTED", "period_is_loaded")
        other = {"ProviderName": pa.array(["Azure"])}
        assert load(charges([Decimal(2)], other), flow, "c.parquet").status == "LOADED"

    def test_what_1_3_adds_is_kept(self) -> None:
        more = {
            "HostProviderName": pa.array(["AWS"]),
            "AllocatedMethodId": pa.array(["split-cost"]),
            "AllocatedResourceId": pa.array(["pod/1"]),
            "AllocatedResourceName": pa.array(["api"]),
            "AllocatedTags": pa.array(['{"team": "a"}']),
        }
        flow = Flow()
        load(charges([Decimal(1)], more), flow)
        (row,) = stored(flow)
        names = ("host_provider_name", "allocated_method_id", "allocated_resource_id")
        assert [row[name] for name in names] == ["AWS", "split-cost", "pod/1"]
        assert (row["allocated_resource_name"], row["allocated_tags"]) == ("api", '{"team":"a"}')

    def test_a_month_counts_once_whatever_its_version(self) -> None:
        flow = Flow()
        for name, column in (("a", "ProviderName"), ("b", "ServiceProviderName")):
            more = {column: pa.array(["AWS"])}
            entry = load(charges([Decimal(1)], more), flow, f"{name}.parquet")
        assert (entry.status, entry.error_code) == ("REJECTED", "period_is_loaded")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.decimals(-(10**17), 10**17, places=18, allow_nan=False),
            st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001
            st.dictionaries(st.text(max_size=4), st.text(max_size=6), max_size=3),
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
        ),
        min_size=1,
        max_size=15,
    )
)
def test_parquet_and_csv_of_the_same_charges_load_to_the_same_table(
    rows: list[tuple[Decimal, datetime, dict[str, str], str]],
) -> None:
    costs, times, tagged, texts = map(list, zip(*rows, strict=True))
    times = [time.replace(microsecond=0, tzinfo=UTC) for time in times]
    more = {
        "ChargePeriodStart": pa.array(times, UTC_TIME),
        "Tags": pa.array([[*one.items()] for one in tagged], pa.map_(pa.string(), pa.string())),
        "ChargeDescription": pa.array(texts),
    }
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*FOCUS.decode().strip().split(","), "Tags", "ChargeDescription"])
    for cost, time, tag, description in zip(costs, times, tagged, texts, strict=True):
        start, end = "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"
        writer.writerow(
            [f"{cost:f}"] * 4
            + ["USD", start, end, time.isoformat(), "2026-03-02T00:00:00Z", "111111111111"]
            + ["EC2", "Usage", json.dumps(tag), description]
        )
    first, second = Flow(), Flow()
    one = load(text.getvalue().encode(), first, "march.csv")
    other = load(charges(costs, more), second)
    assert (one.status, one.tally.inserted) == (other.status, other.tally.inserted)
    assert stored(first) == stored(second)
