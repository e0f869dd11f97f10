"""Writes the JSON schema of reconciliation reports from their model: docs/report.schema.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from finops.reconciliation.report import SCHEMA_VERSION, Report

PUBLISHED: Final = Path(__file__).parents[1] / "docs" / "report.schema.json"


def schema() -> dict[str, Any]:
    """The schema (JSON Schema 2020-12) of what `as_document` gives."""
    made = msgspec.json.schema(Report)
    for one in made["$defs"].values():
        if "description" in one:
            one["description"] = "\n".join(map(str.strip, one["description"].splitlines()))
    made["$defs"]["Report"]["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    made["$defs"]["Report"]["required"].append("schema_version")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def text() -> str:
    """As it is published."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    PUBLISHED.write_text(text(), encoding="utf-8")
