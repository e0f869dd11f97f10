import tomllib

from compare_checks import REPLACED, REPOSITORY, checks, compare, files_now

TEST = """
def test_{name}() -> None:
    found = total([1, 2, 3], currency="USD")
    assert found == {total}
    assert found.rounded is False


class TestTotals:
    def test_nothing_is_zero(self) -> None:
        assert total([]) == 0
"""


def tree(
    name: str = "a_sum_is_exact",
    total: str = "6",
    path: str = "tests/test_a.py",
    lint: str = "style",
) -> dict[str, str]:
    return {path: TEST.format(name=name, total=total), "scripts/lint": f'check "{lint}" ruff'}


def test_a_check_of_the_same_name_is_the_same_whatever_it_says_now() -> None:
    found = compare(checks(tree()), checks(tree(total="7")))
    assert (found.same, found.moved, found.renamed, found.gone) == (3, {}, {}, ())


def test_a_check_may_move_to_another_file() -> None:
    found = compare(checks(tree()), checks(tree(path="tests/units/test_b.py")))
    for name in ("test_a_sum_is_exact", "TestTotals::test_nothing_is_zero"):
        assert found.moved[f"test_a.py::{name}"] == f"units/test_b.py::{name}"


def test_a_check_with_nearly_the_same_body_was_renamed() -> None:
    found = compare(checks(tree()), checks(tree(name="totals_are_exact", total="6.0")))
    new, likeness = found.renamed["test_a.py::test_a_sum_is_exact"]
    assert new == "test_a.py::test_totals_are_exact"
    assert 0.75 < likeness < 1


def test_a_check_that_nothing_resembles_is_gone() -> None:
    now = tree(name="other")
    now["tests/test_a.py"] = "def test_other() -> None:\n    assert True\n"
    assert compare(checks(tree()), checks(now)).gone == (
        "test_a.py::TestTotals::test_nothing_is_zero",
        "test_a.py::test_a_sum_is_exact",
    )


def test_a_line_of_make_lint_is_a_check_too() -> None:
    assert compare(checks(tree()), checks(tree(lint="types"))).gone == ("make lint: style",)


def test_each_entry_of_a_replaced_check_names_a_check_that_is_there() -> None:
    entries = tomllib.loads((REPOSITORY / REPLACED).read_text())["replaced"]
    names = {name for entry in entries for name in entry["by"]}
    files = {"scripts/lint", *(f"tests/{name.partition('::')[0]}" for name in names)}
    named = {path: text for path, text in files_now().items() if path in files}
    assert names <= checks(named).keys()
    assert all(entry["why"] for entry in entries)
