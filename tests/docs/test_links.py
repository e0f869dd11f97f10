"""Links in Markdown: a file that is not there and a heading that is not there are both found."""

from __future__ import annotations

from pathlib import Path

import pytest

from check_links import anchors, main, problems
from tracked import tracked_files


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "other.md").write_text("# Other\n\n## How to: `redrive`?\n\n## Twice\n\n## Twice\n")
    path = tmp_path / "page.md"
    path.write_text("# Page\n")
    return path


def linked(page: Path, text: str) -> list[str]:
    page.write_text(f"# Page\n\n{text}\n")
    return [one.split(": ", 1)[1] for one in problems(page, page.parent)]


@pytest.mark.parametrize(
    "link",
    ["other.md", "other.md#how-to-redrive", "other.md#twice-1", "#page", "https://example.com/x"],
)
def test_a_link_that_leads_somewhere_is_fine(page: Path, link: str) -> None:
    assert linked(page, f"[text]({link})") == []


def test_a_missing_file_is_named(page: Path) -> None:
    assert linked(page, "[text](gone.md)") == ["gone.md does not exist"]


def test_a_missing_picture_is_named(page: Path) -> None:
    assert linked(page, "![text](gone.png)") == ["gone.png does not exist"]


def test_a_missing_heading_is_named(page: Path) -> None:
    assert linked(page, "[text](other.md#twice-2)") == [
        "other.md#twice-2: other.md has no heading for #twice-2"
    ]


def test_a_link_out_of_the_repository_is_named(page: Path) -> None:
    root = page.parent / "root"
    root.mkdir()
    inside = root / "page.md"
    inside.write_text("[text](../other.md)")
    assert [one.split(": ", 1)[1] for one in problems(inside, root)] == [
        "../other.md is outside the repository"
    ]


def test_code_holds_no_links(page: Path) -> None:
    assert linked(page, "`[a](gone.md)`\n\n```md\n[b](gone.md)\n```") == []


def test_the_line_is_the_one_of_the_link(page: Path) -> None:
    page.write_text("# Page\n\n```sh\necho\n```\n[text](gone.md)\n")
    assert next(problems(page, page.parent)).split(": ")[0] == f"{page}:6"


def test_headings_become_anchors_as_on_github() -> None:
    assert anchors("# What it costs\n## `make demo`, step by step\n```sh\n# not one\n```") == {
        "what-it-costs",
        "make-demo-step-by-step",
    }


def test_main_fails_for_a_broken_link(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page.write_text("[text](gone.md)")
    assert main([str(page)]) == 1
    assert "gone.md does not exist" in capsys.readouterr().out


def test_every_link_of_this_repository_leads_somewhere() -> None:
    pages = tracked_files(suffixes=(".md",))
    assert len(pages) > 20
    assert [one for path in pages for one in problems(path)] == []
