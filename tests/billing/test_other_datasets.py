"""Bills that are loaded in another dataset do not count twice, however a file writes them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace

import pytest

from finops.billing.dataset_format import format_key
from finops.billing.domain import FileEntry, FileStatus
from tests.billing.use_cases import SETTINGS, Flow, bills


@pytest.fixture(params=[False, True], ids=["whole", "in parts"])
def in_parts(request: pytest.FixtureRequest) -> bool:
    found: bool = request.param
    return found


def load(flow: Flow, key: str, body: bytes, *, in_parts: bool = False) -> FileEntry:
    flow.settings = replace(SETTINGS, large_file_bytes=1 if in_parts else 10**6)
    flow.workflow.running = False
    entry = flow.load(flow.objects.put(f"billing/{key}", body))
    return flow.run_workflow(entry.load_id) if in_parts else entry


def reversed_columns(body: bytes) -> bytes:
    lines = body.decode().splitlines()
    return "".join(",".join(reversed(one.split(","))) + "\n" for one in lines).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body,
        gzip.compress,
        lambda body: b"\xef\xbb\xbf" + body.replace(b"\n", b"\r\n"),
        reversed_columns,
        lambda body: body.replace(b"10.50", b"10.5").replace(b",USD,", b", usd ,"),
        lambda body: body.replace(b"company_name", b"buyer"),
    ],
    ids=["copy", "gzip", "line ends", "order of columns", "numbers", "without a company"],
)
def test_a_copy_is_known_however_it_is_written(
    change: Callable[[bytes], bytes], in_parts: bool
) -> None:
    flow = Flow()
    body = bills(("a", "10.50"), ("b", "3"))
    assert load(flow, "march.csv", body, in_parts=in_parts).status is FileStatus.LOADED
    copy = load(flow, "march (1).csv", change(body), in_parts=in_parts)
    assert (copy.status, copy.error_code) == (FileStatus.REJECTED, "duplicate_content")
    assert "load 1, dataset march" in copy.error
    assert "`finops billing retry 2 --part-of 1`" in copy.error


def test_bills_that_both_hold_are_told_with_what_to_do(in_parts: bool) -> None:
    flow = Flow()
    load(flow, "one/jan-feb.csv", bills(("a", 1), ("b", 2)), in_parts=in_parts)
    load(flow, "one/march.csv", bills(("c", 3)), in_parts=in_parts)
    body = bills(("b", 2), ("c", 3), ("d", 4))
    both = load(flow, "two/feb-apr.csv", body, in_parts=in_parts)
    assert (both.status, both.error_code) == (FileStatus.REJECTED, "bills_are_loaded")
    assert "2 of the 3 bills that it brings are loaded in dataset one already" in both.error
    assert "`finops billing load FILE --dataset one`" in both.error
    assert "`finops billing retry 3 --part-of 1`" in both.error
    again = load(flow, "one/feb-apr.csv", body)
    assert (again.tally.inserted, again.tally.unchanged) == (1, 2)


def test_a_person_says_that_they_are_other_bills() -> None:
    flow = Flow()
    body = bills(("1", "9.99"), ("2", "9.99"))
    load(flow, "north/march.csv", body)
    refused = load(flow, "south/march.csv", body)
    assert refused.error_code == "duplicate_content"
    both = flow.retry(refused, part_of="billing/north/march.csv")
    assert (both.status, both.tally.inserted) == (FileStatus.LOADED, 2)
    corrected = load(flow, "south/march.csv", bills(("1", "9.99"), ("2", "8")))
    assert (corrected.status, corrected.tally.updated) == (FileStatus.LOADED, 1)


@pytest.mark.parametrize(
    "other",
    [
        bills(("a", "3"), ("b", "10.50")),
        bills(("c", "10.50")),
        bills(("a", "10.50")).replace(b"2026-03-05", b"2026-03-06"),
        bills(("a", "10.50")).replace(b"a,A,", b"a,Other Ltd,"),
        bills(("n", "0")),
    ],
    ids=["amount", "id", "day", "company", "of nothing"],
)
def test_other_bills_are_loaded(other: bytes) -> None:
    flow = Flow()
    load(flow, "one/m.csv", bills(("a", "10.50"), ("b", "3"), ("n", "0")))
    found = load(flow, "two/m.csv", other)
    assert (found.status, found.error) == (FileStatus.LOADED, "")


def test_a_company_in_the_format_tells_branches_apart() -> None:
    flow = Flow()
    body = b"id,date,currency,amount\n1,2026-03-05,USD,9.99\n"
    for name in ("north", "south"):
        form = f'{{"constants": {{"company_name": "{name}"}}}}'
        flow.objects.content[format_key(name), ""] = form.encode()
        assert load(flow, f"{name}/m.csv", body + b"\n" * len(name)).status is FileStatus.LOADED
        body += b"\n"


def test_what_was_taken_back_is_no_obstacle(in_parts: bool) -> None:
    flow = Flow()
    body = bills(("a", 1), ("b", 2))
    first = load(flow, "one/m.csv", body)
    flow.withdraw(first)
    assert load(flow, "two/m.csv", body + b"\n", in_parts=in_parts).status is FileStatus.LOADED
    flow.settings = SETTINGS
    assert flow.retry(flow.store.files[1]).error_code == "duplicate_content"


HASHED = b'{"id_from": ["item", "bill_amount"]}'


@pytest.mark.parametrize("first", ["plain", "hashed"])
def test_a_copy_whose_ids_are_made_by_another_rule_is_known(first: str, in_parts: bool) -> None:
    flow = Flow()
    flow.objects.content[format_key("hashed"), ""] = HASHED
    second = "hashed" if first == "plain" else "plain"
    body = bills(("a", "10.50"), ("b", "3"), ("n", "0"))
    load(flow, f"{first}/m.csv", body, in_parts=in_parts)
    copy = load(flow, f"{second}/other.csv", body + b"\n", in_parts=in_parts)
    assert (copy.status, copy.error_code) == (FileStatus.REJECTED, "duplicate_content")
    assert "`finops billing retry 2 --part-of 1`" in copy.error


@pytest.mark.parametrize(
    "other",
    [
        bills(("a", "10.50"), ("b", "3"), ("c", "4")),
        bills(("a", "10.50")),
        bills(("a", "10.50"), ("b", "3")).replace(b",A,B", b",Other Ltd,B"),
        bills(("a", "10.50"), ("b", "3")).replace(b"2026-03-05", b"2026-03-06"),
    ],
    ids=["more", "fewer", "company", "day"],
)
def test_other_bills_with_ids_of_another_rule_are_loaded(other: bytes) -> None:
    flow = Flow()
    flow.objects.content[format_key("hashed"), ""] = HASHED
    load(flow, "plain/m.csv", bills(("a", "10.50"), ("b", "3")))
    assert load(flow, "hashed/m.csv", other).status is FileStatus.LOADED
