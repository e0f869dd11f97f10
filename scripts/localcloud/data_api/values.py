"""Values on their way in and out.

AWS: "Calling RDS Data API", data types and type hints
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.calling.html
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from localcloud.data_api.errors import bad_request

Value = None | bool | int | float | Decimal | str | bytes
Document = Mapping[str, Any]

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?\Z", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d:\d\d(\.\d{1,6})?\Z", re.ASCII)


def _decimal(text: str) -> Decimal:
    if not _DECIMAL.match(text):
        raise ValueError
    return Decimal(text)


def _date(text: str) -> str:
    if not _DATE.match(text):
        raise ValueError
    datetime.date.fromisoformat(text)
    return text


def _time(text: str) -> str:
    if not _TIME.match(text):
        raise ValueError
    datetime.time.fromisoformat(text.partition(".")[0])
    return text


def _timestamp(text: str) -> str:
    date, separator, time = text.partition(" ")
    if not separator:
        raise ValueError
    return f"{_date(date)} {_time(time)}"


def _json(text: str) -> str:
    json.loads(text)
    return text


def _uuid(text: str) -> str:
    return str(uuid.UUID(text))


_HINTS: Mapping[str, Callable[[str], Value]] = {
    "DECIMAL": _decimal,
    "DATE": _date,
    "TIME": _time,
    "TIMESTAMP": _timestamp,
    "JSON": _json,
    "UUID": _uuid,
}

_KINDS: Mapping[str, tuple[type, ...]] = {
    "booleanValue": (bool,),
    "longValue": (int,),
    "doubleValue": (float, int),
    "stringValue": (str,),
    "blobValue": (str,),
}


def parameters(given: Sequence[Document] | None) -> dict[str, Value]:
    """The values of a parameter list by name.

    Raises:
        DataApiError: BadRequestException, for a value that is none or does not fit its hint.
    """
    values: dict[str, Value] = {}
    for parameter in given or ():
        name = parameter.get("name")
        if not name:
            raise bad_request("A parameter has no name")
        if name in values:
            raise bad_request(f"Parameter {name} is given more than once")
        values[name] = _parameter(name, parameter)
    return values


def _parameter(name: str, parameter: Document) -> Value:
    field = parameter.get("value")
    if not isinstance(field, dict) or len(field) != 1:
        raise bad_request(f"Parameter {name} must have exactly one value")
    ((kind, value),) = field.items()
    return _value(name, kind, value, parameter.get("typeHint"))


def _value(name: str, kind: str, value: Any, hint: str | None) -> Value:
    if kind == "isNull":
        if value is not True:
            raise bad_request(f"Parameter {name}: isNull must be true")
        return None
    if kind == "arrayValue":
        raise bad_request("Array parameters are not supported.")
    if not _fits(kind, value):
        raise bad_request(f"Parameter {name} has an invalid {kind}")
    if kind == "blobValue":
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            raise bad_request(f"Parameter {name} has an invalid blobValue") from None
    if hint is None:
        found: Value = float(value) if kind == "doubleValue" else value
        return found
    if kind != "stringValue":
        raise bad_request(f"Parameter {name}: a type hint needs a stringValue")
    if hint not in _HINTS:
        raise bad_request(f"Parameter {name} has an unknown type hint {hint}")
    try:
        return _HINTS[hint](value)
    except ValueError:
        raise bad_request(f"Parameter {name}: {value[:100]!r} is not a valid {hint}") from None


def _fits(kind: str, value: object) -> bool:
    if isinstance(value, bool):
        return kind == "booleanValue"
    return isinstance(value, _KINDS.get(kind, ()))


# MySQL's column type codes and flags, as its protocol gives them.
_TINY, _SHORT, _LONG, _FLOAT, _DOUBLE, _TIMESTAMP = 1, 2, 3, 4, 5, 7
_LONGLONG, _INT24, _DATE_TYPE, _TIME_TYPE, _DATETIME, _YEAR = 8, 9, 10, 11, 12, 13
_BIT, _JSON_TYPE, _NEWDECIMAL, _BLOB, _VAR_STRING, _STRING = 16, 245, 246, 252, 253, 254
_NOT_NULL, _UNSIGNED, _BINARY_FLAG, _ENUM, _AUTO_INCREMENT, _SET = 1, 32, 128, 256, 512, 2048
_BINARY_CHARSET = 63

# Name in MySQL and number in java.sql.Types.
_TYPES: Mapping[int, tuple[str, int]] = {
    _TINY: ("TINYINT", -6),
    _SHORT: ("SMALLINT", 5),
    _INT24: ("MEDIUMINT", 4),
    _LONG: ("INT", 4),
    _LONGLONG: ("BIGINT", -5),
    _FLOAT: ("FLOAT", 7),
    _DOUBLE: ("DOUBLE", 8),
    _NEWDECIMAL: ("DECIMAL", 3),
    _DATE_TYPE: ("DATE", 91),
    _TIME_TYPE: ("TIME", 92),
    _DATETIME: ("DATETIME", 93),
    _TIMESTAMP: ("TIMESTAMP", 93),
    _YEAR: ("YEAR", 91),
    _BIT: ("BIT", -7),
    _JSON_TYPE: ("JSON", -1),
}
_TEXTS = {_VAR_STRING: ("VARCHAR", 12), _STRING: ("CHAR", 1), _BLOB: ("TEXT", -1)}
_BINARIES = {_VAR_STRING: ("VARBINARY", -3), _STRING: ("BINARY", -2), _BLOB: ("BLOB", -4)}
_INTEGERS = {_TINY, _SHORT, _INT24, _LONG, _LONGLONG, _YEAR}

# What the driver makes of the server's text; all the rest stays text, digit for digit.
DECODERS: Mapping[int, Callable[[str], Any]] = {
    **dict.fromkeys(_INTEGERS, int),
    _FLOAT: float,
    _DOUBLE: float,
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a result, as the MySQL protocol describes it."""

    label: str
    name: str
    table: str
    type_code: int
    flags: int
    charset: int
    length: int
    scale: int

    @property
    def is_boolean(self) -> bool:
        """TINYINT(1), which BOOLEAN is a name for, and BIT(1)."""
        return self.length == 1 and self.type_code in {_TINY, _BIT}

    def metadata(self) -> dict[str, Any]:
        """The column's entry in ``columnMetadata``."""
        name, number = self._type()
        unsigned = bool(self.flags & _UNSIGNED)
        return {
            "name": self.name or self.label,
            "label": self.label,
            "tableName": self.table,
            "schemaName": "",
            "typeName": f"{name} UNSIGNED" if unsigned and self.type_code in _INTEGERS else name,
            "type": number,
            "nullable": 0 if self.flags & _NOT_NULL else 1,
            "isAutoIncrement": bool(self.flags & _AUTO_INCREMENT),
            "isSigned": self.type_code in DECODERS.keys() | {_NEWDECIMAL} and not unsigned,
            "isCaseSensitive": self._is_text() and bool(self.flags & _BINARY_FLAG),
            "isCurrency": False,
            "precision": self._precision(),
            "scale": self.scale if self.type_code == _NEWDECIMAL else 0,
            "arrayBaseColumnType": 0,
        }

    def field(self, options: Document) -> Callable[[Any], dict[str, Any]]:
        """Makes the field of a value of this column that is not NULL."""
        if self.is_boolean:
            return _boolean_field
        if self.type_code == _BIT or (self.type_code in _BINARIES and not self._is_text()):
            return _blob_field
        if self.type_code in _INTEGERS:
            return _string_field if options.get("longReturnType") == "STRING" else _long_field
        if self.type_code in {_FLOAT, _DOUBLE}:
            return _double_field
        if self.type_code == _NEWDECIMAL and options.get("decimalReturnType") == "DOUBLE_OR_LONG":
            return _double_field if self.scale else _long_field
        return _string_field

    def _type(self) -> tuple[str, int]:
        if self.type_code == _TINY and self.is_boolean:
            return "TINYINT", -7
        if self.flags & _ENUM:
            return "ENUM", 1
        if self.flags & _SET:
            return "SET", 1
        if self.type_code in _TYPES:
            return _TYPES[self.type_code]
        names = _TEXTS if self._is_text() else _BINARIES
        return names.get(self.type_code, ("VARCHAR", 12))

    def _is_text(self) -> bool:
        return self.type_code in _TEXTS and self.charset != _BINARY_CHARSET

    def _precision(self) -> int:
        if self.type_code == _NEWDECIMAL:
            # The length counts a sign and a point, where there are some.
            return self.length - (not self.flags & _UNSIGNED) - bool(self.scale)
        return self.length // 4 if self._is_text() else self.length


def _boolean_field(value: Any) -> dict[str, Any]:
    return {"booleanValue": value not in {0, b"\0"}}


def _blob_field(value: bytes) -> dict[str, Any]:
    return {"blobValue": base64.b64encode(value).decode()}


def _long_field(value: int | str) -> dict[str, Any]:
    return {"longValue": int(value)}


def _double_field(value: float | str) -> dict[str, Any]:
    return {"doubleValue": float(value)}


def _string_field(value: Any) -> dict[str, Any]:
    return {"stringValue": str(value)}


NULL_FIELD = {"isNull": True}
