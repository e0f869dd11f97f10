"""Whatever DynamoDB can hold, as a stream's event and as boto3 give it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from finops.budgets.attributes import ATTRIBUTES

_BYTES = st.binary(max_size=12)
_TEXT = st.text(max_size=12)
# 38 digits, from 1E-130 to 9.99E+125:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
_NUMBERS = st.builds(
    lambda digits, exponent: str(Decimal(digits).scaleb(exponent)),
    st.integers(-(10**38) + 1, 10**38 - 1),
    st.integers(-130, 88),
)
_SCALARS = st.one_of(
    st.fixed_dictionaries({"S": _TEXT}),
    st.fixed_dictionaries({"N": _NUMBERS}),
    st.fixed_dictionaries({"B": _BYTES}),
    st.fixed_dictionaries({"BOOL": st.booleans()}),
    st.just({"NULL": True}),
    st.fixed_dictionaries({"SS": st.lists(_TEXT, min_size=1, max_size=3, unique=True)}),
    st.fixed_dictionaries({"NS": st.lists(_NUMBERS, min_size=1, max_size=3, unique=True)}),
    st.fixed_dictionaries({"BS": st.lists(_BYTES, min_size=1, max_size=3, unique=True)}),
)
VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.fixed_dictionaries({"L": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries(
            {"M": st.dictionaries(st.sampled_from(["type", "percent", "Service", "é"]), inner)}
        )
    ),
    max_leaves=5,
)
_TYPED = ("updated_by", "request_id", "note", "Amount", "tresholds", "updated_at", "emails_cc")
#: Attributes of a row: those that the flow knows, near misses, and notes.
ROWS = st.dictionaries(
    st.sampled_from([one.name for one in ATTRIBUTES] + list(_TYPED)) | st.text(min_size=1),
    VALUES,
    max_size=6,
)


def in_event(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item as Lambda gets it from a stream, where binary values are base64 text."""
    return _converted(item, lambda value: base64.b64encode(value).decode())


def in_client(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item as boto3's client answers it."""
    return _converted(item, bytes)


def _converted(item: Mapping[str, Any], binary: Any) -> dict[str, Any]:
    def convert(value: Mapping[str, Any]) -> dict[str, Any]:
        ((kind, held),) = value.items()
        if kind == "B":
            return {kind: binary(held)}
        if kind == "BS":
            return {kind: [binary(one) for one in held]}
        if kind == "L":
            return {kind: [convert(one) for one in held]}
        return {kind: _converted(held, binary)} if kind == "M" else {kind: held}

    return {name: convert(value) for name, value in item.items()}


#: One value of each of DynamoDB's types.
EACH_TYPE = (
    {"S": "[/red]\x1b[2J"},
    {"N": "1E-130"},
    {"B": b"\xff\x00"},
    {"BOOL": True},
    {"NULL": True},
    {"SS": ["b", "a"]},
    {"NS": ["2", "-1.5E+125"]},
    {"BS": [b"b", b"\xff"]},
    {"L": [{"B": b"x"}, {"NULL": True}]},
    {"M": {"Service": {"NS": ["1"]}, "type": {"BS": [b"\xff"]}}},
)
