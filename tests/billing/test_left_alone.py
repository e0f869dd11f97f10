"""Files that programs leave beside others are told by their names, and are no failures."""

from __future__ import annotations

from typing import Any

import pytest

from finops.billing import handlers
from finops.billing.domain import FileStatus
from finops.billing.ledger_rules import enter_left_alone
from finops.shared.left_alone import why_left_alone
from tests.billing.use_cases import Flow, bills

LEFT_ALONE = [
    *("billing/.DS_Store", "billing/acme/.DS_Store", "billing/acme/._march.csv"),
    *("billing/acme/Thumbs.db", "billing/acme/desktop.ini", "billing/acme/~$march.xlsx"),
    *("billing/acme/.~lock.march.csv#", "billing/acme/_SUCCESS", "billing/acme/_committed_123"),
    *("billing/acme/._SUCCESS.crc", "billing/acme/.part-00000-c000.csv.crc", "billing/a/.crc"),
    *("billing/acme/_started_99", "billing/acme_$folder$", "billing/a/_delta_log/0001.json"),
    *("billing/acme/__MACOSX/march.csv", "billing/acme/march.csv.md5", "billing/a/SHA256SUMS"),
    *("billing/acme/manifest.json.sha256", "billing/acme/costs-Manifest.json.checksum"),
    *("billing/a/march.csv.crdownload", "billing/a/march.csv.tmp", "billing/a/march.csv.part"),
    *("billing/a/march.csv~", "billing/a/.march.csv.swp", "rates/ecb.zip.download"),
    *("billing/acme/_metadata", "billing/aws-programmatic-access-test-object", "rates/.DS_Store"),
]
READ = [
    *("billing/acme/march.csv", "billing/march.csv.gz", "billing/_acme/march.csv", "rates/x.csv"),
    *("billing/acme/.march.csv", "billing/acme/success.csv", "billing/acme/thumbs.csv"),
    *("billing/tmp/march.csv", "billing/a/march.part.csv", "billing/~a/march.csv", "billing/part"),
    *("billing/md5/march", "billing/acme/part-00000-c000.snappy.parquet", "billing/a/_march.csv"),
]


@pytest.mark.parametrize("key", LEFT_ALONE)
def test_what_programs_leave_is_entered_as_ignored(key: str) -> None:
    why = why_left_alone(key)
    assert why
    flow = Flow()
    source = flow.objects.put(key, b"\0" * 20)
    for _ in range(2):  # the event comes again
        entry = enter_left_alone(flow.store, source, why)
        assert (entry.status, entry.error_code) == (FileStatus.IGNORED, "ignored_by_name")
        assert why in entry.error
        assert entry.status.is_final
    assert len(flow.store.files) == 1


@pytest.mark.parametrize("key", READ)
def test_what_people_drop_is_read(key: str) -> None:
    assert why_left_alone(key) == ""


def test_the_function_enters_such_a_file_and_loads_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow = Flow()
    monkeypatch.setattr(handlers, "_store", lambda: flow.store)
    monkeypatch.setattr(handlers, "_file_loader", lambda _context: flow)
    keys = ["billing/.DS_Store", "billing/a/_SUCCESS", "rates/.crc", "billing/a/march.csv"]
    sources = [flow.objects.put(key, bills(("a", 1))) for key in keys]
    monkeypatch.setattr(handlers, "source_objects", lambda _event: sources)
    handle: Any = handlers.load_billing_file
    answer = handle.__wrapped__.__wrapped__(
        {"Records": [{"messageId": "1", "body": "{}", "attributes": {"SentTimestamp": "0"}}]}, None
    )
    assert answer == {"batchItemFailures": []}
    found = [one.status.value for one in flow.store.files.values()]
    assert found == ["IGNORED", "IGNORED", "IGNORED", "LOADED"]


@pytest.mark.parametrize("key", ["billing/.csv", f"billing/{'x' * 129}/a.csv"])
def test_a_file_whose_dataset_has_no_name_is_refused_in_the_ledger(key: str) -> None:
    """It failed again and again, and stood in no list."""
    flow = Flow()
    entry = flow.load(flow.objects.put(key, bills(("a", 1))))
    assert (entry.status, entry.error_code) == (FileStatus.REJECTED, "invalid_dataset")
    assert flow.load(flow.objects.put("billing/a/b.csv", bills(("a", 1)))).status == "LOADED"
