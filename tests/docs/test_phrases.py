"""The check of forbidden phrases: it finds each listed phrase, also over the end of a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from check_phrases import PHRASES, main, phrases, problems

LISTED = phrases(PHRASES.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "'abc' is no number",
        "03/2026 is no valid month",
        "XYZ is no ISO currency code",
        "mend the cause",
        "rows to mend and drop again",
        "No budget is like that.",
        "A poison record holds nobody up",
        "where all speaks for that",
        "list prices of us-east-1; look yours up",
        "1 lines cannot be taken",
        "Your invoice 7 over 119.00 EUR",
        "the caller stands aside",
        "amortised cost",
        "not what the days before let expect",
        "counted from nought",
        "Charges held against an invoice",
        "a mapping that stands still",
        "what is no part of it is passed over",
        '"""See the port."""',
    ],
)
def test_a_listed_phrase_is_found(text: str) -> None:
    assert list(problems(text, LISTED))


@pytest.mark.parametrize(
    "text",
    [
        "'abc' is not a number",
        "there is no number",
        "amend the invoice; we recommend it",
        "amended and amortized",
        "Invoice 7 for 119.00 EUR has been processed",
        "One bad record never blocks others",
        "there is no file named so",
    ],
)
def test_plain_english_passes(text: str) -> None:
    assert list(problems(text, LISTED)) == []


@pytest.mark.parametrize(
    "text",
    [
        "a phrase that is no\nnumber",
        "# a comment that is no\n    # number",
        'raise Error(f"{text} is no"\n    f" number")',
        "raise Error('it is no '\n    'number')",
    ],
)
def test_a_phrase_over_two_lines_is_found(text: str) -> None:
    assert len(list(problems(text, LISTED))) == 1


def test_a_problem_names_the_line_and_the_better_words() -> None:
    known = phrases("# a comment\n\nmend(?:ed)? -> fix\n")
    assert list(problems("one\nit is mended\n", known)) == ['2: "mended": write "fix"']


def test_a_line_without_an_arrow_is_refused() -> None:
    with pytest.raises(ValueError, match="PATTERN -> BETTER"):
        phrases("mend\n")


def test_main_fails_for_a_file_with_a_phrase(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "page.md"
    path.write_text("Mend the cause.\n")
    assert main([str(path)]) == 1
    assert f'{path}:1: "Mend": write "fix"' in capsys.readouterr().out
    path.write_text("Fix the cause.\n")
    assert main([str(path)]) == 0
