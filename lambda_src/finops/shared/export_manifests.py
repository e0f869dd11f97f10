"""What the manifest of a cost export says: which files belong to one delivery.

- AWS Data Exports: https://docs.aws.amazon.com/cur/latest/userguide/dataexports-manifest.html
- the legacy CUR: https://docs.aws.amazon.com/cur/latest/userguide/understanding-report-versions.html
- Azure Cost Management:
  https://learn.microsoft.com/en-us/azure/cost-management-billing/costs/tutorial-improved-exports
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

_IDENTITY: Final = {"exportConfig": ("resourceId",), "deliveryConfig": ("containerUri",)}


def is_manifest(name: str) -> bool:
    """Whether a file may name the files of a delivery."""
    return PurePosixPath(name).name.lower().endswith("manifest.json")


def manifest_document(content: bytes) -> Mapping[str, Any]:
    """A manifest's content; empty where it is not a JSON object."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def named_files(document: Mapping[str, Any]) -> list[str]:
    """The files with charges that a manifest names, as it writes them: URIs, or keys."""
    lists = [document.get(one) for one in ("dataFiles", "reportKeys", "blobs")]
    data, keys, blobs = (one if isinstance(one, list) else [] for one in lists)
    names = (*data, *keys, *(one.get("blobName") for one in blobs if isinstance(one, dict)))
    return [one for one in names if isinstance(one, str) and one]


def named_sizes(document: Mapping[str, Any]) -> dict[str, int]:
    """The bytes of each file, where a manifest says them, as Azure's does."""
    blobs = document.get("blobs")
    return {
        str(one.get("blobName")): size
        for one in (blobs if isinstance(blobs, list) else [])
        if isinstance(one, dict) and isinstance(size := one.get("byteCount"), int)
    }


def export_identity(document: Mapping[str, Any]) -> str:
    """What tells an export from others of the same name and folders, as far as a manifest says.

    The legacy CUR names its account and bucket, Azure the export's resource and its container.
    Empty where the manifest says none of them.
    """
    parts = [document.get("account"), document.get("bucket"), document.get("reportName")]
    for section, names in _IDENTITY.items():
        found = document.get(section)
        parts += [found.get(name) for name in names] if isinstance(found, dict) else []
    return " ".join(one.casefold() for one in parts if isinstance(one, str) and one)
