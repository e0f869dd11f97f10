"""Text that a spreadsheet would run is made harmless, and can be restored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.shared.spreadsheets import guard, unguard


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\tx", "\r=1", "'quoted"])
def test_formulas_become_text(text: str) -> None:
    assert guard(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "+5.25", "-0.1E3", "plain", "", "5-3"])
def test_numbers_and_plain_texts_stay(text: str) -> None:
    assert guard(text) == text


@given(st.text())
def test_every_text_is_restored(text: str) -> None:
    assert unguard(guard(text)) == text
    assert not guard(text).startswith(("=", "@", "\t", "\r"))
