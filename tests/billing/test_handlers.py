"""The files that S3 reports to the functions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finops.billing import handlers
from finops.billing.domain import FileEntry, SourceObject
from finops.billing.handlers import source_objects
from finops.billing.runs import LARGEST_MANIFEST
from tests.billing.fakes import FakeObjects

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
