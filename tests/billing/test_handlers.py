"""The files that S3 reports to the functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from finops.billing.domain import SourceObject
from finops.billing.handlers import source_objects

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


def test_a_bucket_without_versions_has_none() -> None:
    plain = event("s3_put.json")
    del plain["Records"][0]["s3"]["object"]["versionId"]
    (source,) = source_objects(plain)
    assert source.version_id == ""
    assert len(source.file_id) == 32
