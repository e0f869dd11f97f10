"""Checks requests and answers against botocore's own description of a service."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from localcloud.costs.errors import CostsError, invalid

Document = dict[str, Any]
#: What is asked, and the account that asks → the answer.
Operation = Callable[[Document, str], Document]

_PAGING = {"NextPageToken", "NextToken", "MaxResults"}


class Service:
    """One service's operations, of the form that botocore describes."""

    def __init__(self, name: str, operations: Mapping[str, Operation]) -> None:
        self._model = ServiceModel(Loader().load_service_model(name, "service-2"), name)
        self.operations = operations

    def answer(self, operation: str, request: Document, caller: str) -> Document:
        """The answer to an account's request.

        Raises:
            CostsError: it is refused, or AWS would not give this answer.
        """
        model = self._model.operation_model(operation)
        if problems := _problems(request, model.input_shape):
            raise invalid(f"{len(problems)} validation error(s) detected: {'; '.join(problems)}")
        answer = self.operations[operation](request, caller)
        if problems := _problems(answer, model.output_shape):
            raise CostsError("InternalServerException", "; ".join(problems))
        return answer


def page(
    items: list[Any], request: Document, token: str | None, size: int, *, changed: str, bad: str
) -> tuple[list[Any], str | None]:
    """The items of the page at a token, and the token of the page after it.

    Args:
        items: Of all pages.
        request: What is asked for now.
        token: The token that was returned before, or None for the first page.
        size: Items a page.
        changed: The code that refuses a token of another request.
        bad: The code that refuses a token that was never returned.

    Raises:
        CostsError: the token is refused.
    """
    start = 0
    if token is not None:
        try:
            digest, start = json.loads(base64.urlsafe_b64decode(token))
            items[start:]
        except (ValueError, TypeError):
            raise CostsError(bad, "Invalid next page token.") from None
        if digest != _digest(request):
            raise CostsError(changed, "The request changed between pages.")
    end = start + size
    if end >= len(items):
        return items[start:], None
    following = json.dumps([_digest(request), end]).encode()
    return items[start:end], base64.urlsafe_b64encode(following).decode()


def _digest(request: Document) -> str:
    asked = {key: value for key, value in request.items() if key not in _PAGING}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def _problems(value: Document, shape: Any) -> list[str]:
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        return [report.generate_report()]
    return list(_constraints(value, shape, ""))


def _constraints(value: Any, shape: Any, place: str) -> Iterator[str]:
    """What botocore's validator lets pass: unknown members, enumerations, patterns, maxima."""
    rules = shape.metadata
    if shape.type_name == "structure":
        for name, member in value.items():
            if name in shape.members:
                yield from _constraints(member, shape.members[name], f"{place}.{name}".lstrip("."))
            else:
                yield f"Unknown member '{name}' at '{place}'"
    elif shape.type_name == "list":
        for member in value:
            yield from _constraints(member, shape.member, place)
    elif shape.type_name == "map":
        for member in value.values():
            yield from _constraints(member, shape.value, place)
    elif shape.type_name == "string":
        failed = f"Value '{value}' at '{place}' failed to satisfy constraint: Member must "
        # Patterns with Unicode classes are Java's, which Python cannot read.
        pattern = rules.get("pattern", r"\p")
        if shape.enum and value not in shape.enum:
            yield f"{failed}satisfy enum value set: [{', '.join(shape.enum)}]"
        if r"\p" not in pattern and not re.fullmatch(pattern, value):
            yield f"{failed}satisfy regular expression pattern: {pattern}"
    size = value if shape.type_name == "integer" else None
    size = len(value) if shape.type_name in {"string", "list", "map"} else size
    if size is not None and size > rules.get("max", size):
        yield f"Value at '{place}' failed to satisfy constraint: at most {rules['max']}"
