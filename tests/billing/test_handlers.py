"""The files that S3 reports to the functions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finops.billing import handlers
from finops.billing.domain import FileEntry, FileStatus, SourceObject
from finops.billing.handlers import source_objects
from finops.billing.runs import LARGEST_MANIFEST
from finops.shared.errors import RejectedInput
from tests.billing.fakes import FakeObjects
from tests.billing.use_cases import Flow, bills

EVENTS = Path(__file__).parent.parent / "shared" / "events"


def event(name: str) -> dict[str, Any]:
    return dict(json.loads((EVENTS / name).read_text()))


def test_an_event_names_a_version_of_an_object_by_its_real_key() -> None:
    assert list(source_objects(event("s3_put.json"))) == [
        SourceObject(
            bucket="finops-billing-111111111111-us-east-1",
            key="billing/café chain/märz +1.csv",
            version_id="096fKKXTRTtl3on89fVO.nfljtsv6qko",
            etag="d41d8cd98f00b204e9800998ecf8427e-2",
            size=1024,
            order="2026-03-05T08:15:30.123Z/000000000000000055AED6DCD90281E5"[:64],
            principal="AWS:AIDAEXAMPLE",
        )
    ]


def test_formats_are_no_files_and_manifests_are_told() -> None:
    keys = ["billing/acme/_format.json", "billing/e/manifest.json", "billing/a.csv"]
    events = []
    for key in keys:
        one = event("s3_put.json")
        one["Records"][0]["s3"]["object"]["key"] = key
        events += one["Records"]
    found = list(source_objects({"Records": events}))
    assert [one.key for one in found] == keys[1:]


def test_a_manifest_is_read_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[str, bytes]] = []

    class Kept:
        def __init__(self, *_: object) -> None:
            pass

        def take_manifest(self, key: str, content: bytes) -> list[FileEntry]:
            taken.append((key, content))
            return []

    objects = FakeObjects()
    for name, instead in {
        "Runs": Kept,
        "_objects": lambda: objects,
        "_store": lambda: None,
        "audit_recorder": lambda: None,
    }.items():
        monkeypatch.setattr(handlers, name, instead)
    small = objects.put("billing/e/manifest.json", b"{}")
    large = objects.put("billing/f/manifest.json", b" " * (LARGEST_MANIFEST + 1))
    for source in (small, large, replace(small, version_id="gone")):
        handlers._take_manifest(source)
    assert taken == [("billing/e/manifest.json", b"{}")]


def test_a_bucket_without_versions_has_none() -> None:
    plain = event("s3_put.json")
    del plain["Records"][0]["s3"]["object"]["versionId"]
    (source,) = source_objects(plain)
    assert source.version_id == ""
    assert len(source.file_id) == 32


@pytest.fixture
def flow(monkeypatch: pytest.MonkeyPatch) -> Flow:
    """The function that withdraws, over a ledger in memory."""
    made = Flow()

    class Copies:
        """Copies in the bucket, each loaded at once, as its event has it."""

        @staticmethod
        def newest(_s3: object, _bucket: str, key: str) -> SourceObject | None:
            versions = [version for name, version in made.objects.content if name == key]
            known = {one.source.version_id: one.source for one in made.store.files.values()}
            return known[versions[-1]] if versions else None

        @staticmethod
        def copy(_s3: object, source: SourceObject, key: str, before: object) -> str:
            content = made.objects.content[source.key, source.version_id]
            return made.load(made.objects.put(key, content)).source.file_id

    monkeypatch.setenv("BUCKET", "bucket")
    for name, instead in {
        "_store": lambda: SimpleNamespace(
            find=made.store.files.__getitem__,
            files=lambda *, ending, limit: [
                one for one in made.store.files.values() if one.source.key.endswith(ending)
            ][:limit],
        ),
        "AuroraWithdrawals": lambda _: made.store,
        "audit_recorder": lambda: made.audit,
        "_database": lambda: None,
        "_s3": lambda: None,
        "_now": made.clock,
        "newest_version": Copies.newest,
        "copy_version": Copies.copy,
    }.items():
        monkeypatch.setattr(handlers, name, instead)
    return made


def withdraw(**event: object) -> dict[str, Any]:
    context = SimpleNamespace(
        function_name="withdraw-billing-file",
        memory_limit_in_mb=512,
        invoked_function_arn="arn",
        aws_request_id="1",
    )
    done: dict[str, Any] = handlers.withdraw_billing_file(event, context)
    return done


def test_the_console_has_a_file_withdrawn_in_the_name_of_a_person(flow: Flow) -> None:
    entry = flow.load(flow.objects.put("billing/one/a.csv", bills(("a", 1), ("b", 2))))
    why = {"requested_by": "anna", "reason": "dropped twice"}
    done = withdraw(load_id=entry.load_id, **why)
    counted = {"rows_removed": 2, "rows_kept": 0, "also_in": [], "replaced": []}
    assert done == {**counted, "versions": [entry.load_id]}
    now = flow.store.files[entry.load_id]
    assert (now.status, now.error) == (FileStatus.WITHDRAWN, "withdrawn by anna: dropped twice")
    event = flow.audit.events[-1]
    # Nobody has proven who it was: the function did it, for whom the console names.
    assert (event.action, event.actor) == ("billing_file.withdrawn", "withdraw-billing-file")
    assert (event.details["said_to_be"], event.details["reason"]) == ("anna", "dropped twice")
    assert withdraw(load_id=entry.load_id, **why)["refused"]["code"] == "nothing_to_withdraw"


def test_the_console_has_a_file_moved_and_back(flow: Flow) -> None:
    entry = flow.load(flow.objects.put("billing/one/a.csv", bills(("a", 1))))
    why = {"requested_by": "anna", "reason": "wrong dataset"}
    done = withdraw(load_id=entry.load_id, dataset="two", **why)
    assert (done["rows_removed"], done["key"]) == (1, "billing/two/a.csv")
    assert list(done["copies"]) == ["billing/two/a.csv"]
    (copy,) = (
        one
        for one in flow.store.files.values()
        if one.source.file_id == done["copies"]["billing/two/a.csv"]
    )
    assert (copy.dataset, copy.status) == ("two", FileStatus.LOADED)
    again = withdraw(load_id=copy.load_id, dataset="one", **why)
    assert again["key"] == "billing/one/a.csv"
    for dataset in ("one/../two", "/two", "a\nb", "x" * 129):
        refused = withdraw(load_id=entry.load_id, dataset=dataset, **why)["refused"]
        assert refused["code"] == "invalid_dataset", dataset
    assert len(flow.store.files) == 3


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"load_id": "1", "requested_by": "anna", "reason": "why"},
        {"load_id": 1, "requested_by": "anna", "reason": "  "},
        {"load_id": 1, "requested_by": "", "reason": "why"},
        {"load_id": 1, "requested_by": "anna", "reason": ["why"]},
    ],
)
def test_a_request_says_which_file_who_asks_and_why(flow: Flow, event: dict[str, Any]) -> None:
    flow.load(flow.objects.put("billing/one/a.csv", bills(("a", 1))))
    with pytest.raises(RejectedInput) as refused:
        withdraw(**event)
    assert refused.value.code == "invalid_request"
    assert flow.store.files[1].status is FileStatus.LOADED
