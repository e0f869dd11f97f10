"""Named parameters and typed values of the local Data API."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.data_api.errors import DataApiError
from localcloud.data_api.sql import compile_statement
from localcloud.data_api.values import Column, parameters

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
# Text without what opens a string, a name, a comment or a parameter.
PLAIN = st.text(st.characters(exclude_characters="'\"`:#/-\\", exclude_categories=["Cs"]))
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]))


def quoted(text: str, quote: str) -> str:
    escaped = text if quote == "`" else text.replace("\\", "\\\\")
    return f"{quote}{escaped.replace(quote, quote * 2)}{quote}"


OPAQUE = st.one_of(
    st.builds(quoted, ANYTHING, st.sampled_from("'\"`")),
    st.builds(lambda text: f"/*{text.replace('*/', '')} */", ANYTHING),
    st.builds(lambda text: f"-- {text.replace(chr(10), '')}\n", ANYTHING),
    st.builds(lambda text: f"#{text.replace(chr(10), '')}\n", ANYTHING),
)


@given(st.lists(st.tuples(PLAIN, OPAQUE, NAMES), max_size=8), ANYTHING)
def test_only_parameters_are_found_and_all_else_is_kept(
    parts: list[tuple[str, str, str]], value: str
) -> None:
    # A space on either side: a name must not run on into the text around it.
    sql = "".join(f"{plain} {opaque} :{name} " for plain, opaque, name in parts)
    statement = compile_statement(sql)
    assert list(statement.names) == [name for _, _, name in parts]
    filled = statement.fill(dict.fromkeys(statement.names, value), lambda found: f"<{found}>")
    assert filled == "".join(f"{plain} {opaque} <{value}> " for plain, opaque, _ in parts)


@given(ANYTHING)
def test_any_text_compiles_and_fills_with_its_own_names(sql: str) -> None:
    statement = compile_statement(sql)
    assert statement.fill({name: name for name in statement.names}, lambda n: f":{n}") == sql


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("a=:a,b=:b", ["a", "b"]),
        (":a1,:a10,:a1", ["a1", "a10", "a1"]),
        ("':x' :y", ["y"]),
        (r"'\' :x' :y", ["y"]),
        ("'' :y", ["y"]),
        ("''' :x' :y", ["y"]),
        ("@a := :y", ["y"]),
        ("a::x", []),
        ("12:30", []),
        ("a--:y", ["y"]),  # no comment without a space
        ("-- :x\n:y", ["y"]),
        ("--\t:x", []),
        ("/* :x", []),
        ("'unclosed :x", []),
        ("'unclosed \\", []),
        ("/* ' */ :y", ["y"]),
        ("'/*' :y '*/'", ["y"]),
        ("`:x` :y", ["y"]),
        ("#'\n:y", ["y"]),
    ],
)
def test_mysql_lexis(sql: str, names: list[str]) -> None:
    assert list(compile_statement(sql).names) == names


def one(field: Any, hint: str | None = None) -> Any:
    given_parameter = {"name": "v", "value": field}
    if hint:
        given_parameter["typeHint"] = hint
    return parameters([given_parameter])["v"]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_decimals_keep_every_digit(number: Decimal) -> None:
    assert one({"stringValue": str(number)}, "DECIMAL") == number


@given(st.binary())
def test_blobs_are_decoded(value: bytes) -> None:
    assert one({"blobValue": base64.b64encode(value).decode()}) == value


@given(st.dates())
def test_dates_are_accepted(date: Any) -> None:
    assert one({"stringValue": date.isoformat()}, "DATE") == date.isoformat()


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ({}, None),
        (None, None),
        ({"stringValue": "a", "longValue": 1}, None),
        ({"stringValue": 1}, None),
        ({"longValue": "1"}, None),
        ({"longValue": True}, None),
        ({"booleanValue": 1}, None),
        ({"isNull": False}, None),
        ({"arrayValue": {"longValues": [1]}}, None),
        ({"blobValue": "not base64!"}, None),
        ({"unknownValue": "a"}, None),
        ({"longValue": 1}, "DECIMAL"),
        ({"stringValue": "1"}, "MONEY"),
        ({"stringValue": "NaN"}, "DECIMAL"),
        ({"stringValue": "1e999999999"}, "DECIMAL"),
        ({"stringValue": "1,5"}, "DECIMAL"),
        ({"stringValue": "20240131"}, "DATE"),
        ({"stringValue": "2024-02-30"}, "DATE"),
        ({"stringValue": "1:02:03"}, "TIME"),
        ({"stringValue": "2024-01-31T01:02:03"}, "TIMESTAMP"),
        ({"stringValue": "not a uuid"}, "UUID"),
        ({"stringValue": "[1,"}, "JSON"),
    ],
)
def test_refuses_a_field_without_a_value(field: Any, hint: str | None) -> None:
    with pytest.raises(DataApiError) as refused:
        one(field, hint)
    assert (refused.value.code, refused.value.status) == ("BadRequestException", 400)


def test_refuses_a_name_given_twice_or_not_at_all() -> None:
    for names in (["a", "a"], [""]):
        with pytest.raises(DataApiError):
            parameters([{"name": name, "value": {"longValue": 1}} for name in names])


def test_null_keeps_its_place() -> None:
    assert one({"isNull": True}, "DECIMAL") is None


def test_a_column_of_an_unknown_type_is_text() -> None:
    column = Column(
        label="g", name="", table="", type_code=255, flags=0, charset=63, length=1, scale=0
    )
    assert column.metadata()["typeName"] == "VARCHAR"
    assert column.metadata()["name"] == "g"
    assert column.field({})("x") == {"stringValue": "x"}
