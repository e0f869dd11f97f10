"""The check against AWS provider 6's schema finds what provider 6 does not know."""

from __future__ import annotations

import pytest

import check_provider

TABLE = """
resource "aws_dynamodb_table" "budgets" {
  name         = "budgets"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "account_id"
  attribute {
    name = "account_id"
    type = "S"
  }
}

output "arn" {
  value = aws_dynamodb_table.budgets.arn
}
"""

SEEDED = {
    ("hash_key ", "hash_keys "): "aws_dynamodb_table.budgets: no argument hash_keys",
    ("name         =", "# name ="): "aws_dynamodb_table.budgets: name is required",
    ("attribute {", "attributes {"): "aws_dynamodb_table.budgets: no block attributes",
    ("type = ", "kind = "): "aws_dynamodb_table.budgets.attribute: no argument kind",
    ("budgets.arn", "budgets.arm"): "aws_dynamodb_table.budgets.arm: no attribute arm",
    ('"aws_dynamodb_table"', '"aws_dynamodb_tabel"'): (
        "aws_dynamodb_tabel.budgets: provider 6 has no such resource"
    ),
}


def test_a_seeded_fault_is_found_and_nothing_else() -> None:
    if reason := check_provider.fetch():
        pytest.skip(reason)
    assert list(check_provider.check_text(check_provider.PACKAGE, TABLE)) == []
    for (right, wrong), finding in SEEDED.items():
        assert right in TABLE
        found = list(
            check_provider.check_text(check_provider.PACKAGE, TABLE.replace(right, wrong, 1))
        )
        assert finding in found, wrong
