"""What MySQL refuses in statements, and MariaDB takes: `make engines` runs all of them on MySQL."""

from __future__ import annotations

import pytest

from finops.billing.database.row_statements import row_statements
from finops.billing.schemas import SCHEMAS, Schema


@pytest.mark.parametrize("schema", [one for one in SCHEMAS if one.key], ids=lambda one: one.table)
def test_no_locking_read_is_of_json_table_itself(schema: Schema) -> None:
    """MySQL refuses it with error 3569, "appears in multiple locking clauses"."""
    statements = [one for one in vars(row_statements(schema)).values() if isinstance(one, str)]
    locking = [one for one in statements if one.endswith(("LOCK IN SHARE MODE", "FOR UPDATE"))]
    assert locking
    for one in locking:
        assert one.count("JSON_TABLE") == one.count("(SELECT * FROM JSON_TABLE")
