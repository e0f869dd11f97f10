"""Manifests as AWS Data Exports, the legacy CUR and Azure write them."""

from __future__ import annotations

import json

import pytest

from finops.shared.export_manifests import is_manifest, manifest_document, named_files


@pytest.mark.parametrize(
    ("document", "files"),
    [
        (
            {"executionId": "x", "dataFiles": ["s3://b/e/data/a-00001.csv.gz"]},
            ["s3://b/e/data/a-00001.csv.gz"],
        ),
        (
            {"reportKeys": ["p/r/20260301-20260401/x/r-1.csv.gz"]},
            ["p/r/20260301-20260401/x/r-1.csv.gz"],
        ),
        (
            {"blobCount": 1, "blobs": [{"blobName": "d/e/part_0_0001.csv", "byteCount": 3}]},
            ["d/e/part_0_0001.csv"],
        ),
        ({"blobs": [{"byteCount": 3}, "x", None], "dataFiles": [None, 7, ""]}, []),
        ({"blobs": 3, "dataFiles": {"a": 1}, "reportKeys": "x"}, []),
    ],
)
def test_the_files_of_a_delivery(document: object, files: list[str]) -> None:
    assert named_files(manifest_document(json.dumps(document).encode())) == files


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_manifest_names_nothing(content: bytes) -> None:
    assert named_files(manifest_document(content)) == []


def test_manifests_are_known_by_their_names() -> None:
    assert is_manifest("billing/e/metadata/BILLING_PERIOD=2026-03/e-Manifest.json")
    assert is_manifest("billing/e/20260301-20260331/x/manifest.json")
    assert not is_manifest("billing/e/manifest.csv")
    assert not is_manifest("billing/manifest.json/a.csv")
