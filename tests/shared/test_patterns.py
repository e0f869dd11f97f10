"""No regular expression takes time that grows faster than the text it reads.

Documents, files and rows come from strangers, so one quadratic pattern lets one of them keep a
function busy until its timeout. Each pattern of the source is tried with each method that the
source calls it by, on texts made from the pattern itself: what leads to a repetition, the repeated
part many times, and something that fits nowhere.
https://owasp.org/www-community/attacks/Regular_expression_Denial_of_Service_-_ReDoS
"""

from __future__ import annotations

import ast
import importlib
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from itertools import pairwise, product
from pathlib import Path
from re import _constants as kinds
from re import _parser as parser
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
METHODS = ("search", "match", "fullmatch", "sub", "split", "findall", "finditer")
_SIGNS = ("pattern=", *(f".{one}" for one in METHODS))
#: Of what is not called by its own name: patterns that stand in tables.
IN_TABLES = {
    "LABELS": {"match", "fullmatch"},
    "COLUMNS": {"fullmatch"},
    "_NUMERIC": {"finditer"},
    "_DAY_FIRST": {"finditer"},
    "_MONTH_FIRST": {"finditer"},
    "_YEAR_FIRST": {"finditer"},
    "_SYMBOLS": {"search"},
    "_SHARED": {"search"},
    "_DOLLARS": {"search"},
    "_STATED": {"finditer"},
    "_ELSEWHERE": {"search"},
    "_PATTERNS": {"fullmatch"},
    "_EXPONENT": {"fullmatch"},
    "_MEANS": {"search"},
}
#: What ends the texts: each is a character that many patterns do not take.
ENDS = ("\x00", " ", "@")
#: Characters. A pattern that is exponential shows at the first.
LENGTHS = (24, 512, 4_096)
#: A text of eight times the length takes eight times as long; where that is quadratic, 64 times.
SLACK = 3.0
#: Seconds. What takes less is not worth a measurement.
LITTLE = 0.02


@dataclass(frozen=True, order=True)
class Use:
    """A pattern, and a method that the source calls it by."""

    where: str
    pattern: str
    method: str
    flags: int


def uses() -> list[Use]:
    files = [*(ROOT / "lambda_src" / "finops").rglob("*.py"), *(ROOT / "console").rglob("*.py")]
    sources = {path: path.read_text(encoding="utf-8") for path in files}
    called: dict[str, set[str]] = defaultdict(set)
    found: set[Use] = set()
    for path, source in sources.items():
        if not any(one in source for one in _SIGNS):
            continue  # most of the source, and to parse it takes half a second
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.keyword(arg="pattern", value=ast.Constant(value=str(pattern))):
                    found.add(Use(path.name, pattern, "search", 0))
                case ast.Attribute(value=ast.Name(id=name), attr=method) if method in METHODS:
                    called[name].add(method)  # also where it is handed on
                case ast.Call(func=ast.Attribute(value=ast.Name("re"), attr=method)):
                    found |= _immediate(path, node, method)
    for path, source in sources.items():
        if "re.compile" in source:
            found |= _compiled(path, called)
    return sorted(found)


def _immediate(path: Path, call: ast.Call, method: str) -> set[Use]:
    """Of a call such as `re.search(r"…", text)`."""
    match call:
        case ast.Call(args=[ast.Constant(value=str(pattern)), *rest]) if method in METHODS:
            said = " ".join(ast.unparse(one) for one in (*rest[1:], *call.keywords))
            flags = [flag for flag in (re.IGNORECASE, re.MULTILINE) if str(flag.name) in said]
            return {Use(path.name, pattern, method, sum(map(int, flags)))}
    return set()


def _compiled(path: Path, called: Mapping[str, set[str]]) -> set[Use]:
    """Of a module's own patterns, also in tables."""
    base = ROOT / "lambda_src" if "lambda_src" in path.parts else ROOT
    name = ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")
    found = set()
    for variable, value in vars(importlib.import_module(name)).items():
        methods = IN_TABLES.get(variable) or called.get(variable) or ()
        for one in _patterns(value):
            assert methods, f"no call of {variable} in {path.name} was found: add it to IN_TABLES"
            found |= {Use(path.name, one.pattern, method, one.flags) for method in methods}
    return found


def _patterns(value: Any) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        yield value
    elif isinstance(value, tuple | list | frozenset):
        for one in value:
            yield from _patterns(one)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _patterns(one)
    elif is_dataclass(value) and not isinstance(value, type):
        for part in fields(value):
            yield from _patterns(getattr(value, part.name))


def hostile(pattern: str, flags: int) -> Iterator[tuple[str, str]]:
    """(What leads to a repetition, the repeated part), for each repetition and pair of them."""
    found = dict.fromkeys(_repetitions(parser.parse(pattern, flags), ""))
    yield from found
    for (lead, one), (_, two) in pairwise(found):
        yield lead, one + two
    yield "", " "
    yield "", "a1"


def _repetitions(parsed: Any, lead: str) -> Iterator[tuple[str, str]]:
    for kind, detail in parsed:
        if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
            _, most, body = detail
            if most > 30:
                for text in _texts(body):
                    yield lead, text
            yield from _repetitions(body, lead)
        elif kind is kinds.SUBPATTERN:
            yield from _repetitions(detail[-1], lead)
        elif kind is kinds.BRANCH:
            for branch in detail[1]:
                yield from _repetitions(branch, lead)
        lead += _example([(kind, detail)])


def _texts(body: Any) -> list[str]:
    """Some texts that a repeated part takes."""
    if len(body) == 1 and body[0][0] is kinds.IN:
        return [*dict.fromkeys(_members(body[0][1]))][:4]
    if len(body) == 1 and body[0][0] is kinds.SUBPATTERN:
        return _texts(body[0][1][-1])
    if len(body) == 1 and body[0][0] is kinds.BRANCH:
        return [_example(branch) for branch in body[0][1][1]][:4]
    return [_example(body)]


def _example(parsed: Any) -> str:
    """A short text that the pattern takes, but for references and what it looks around at."""
    text = ""
    for kind, detail in parsed:
        if kind is kinds.LITERAL:
            text += chr(detail)
        elif kind is kinds.NOT_LITERAL:
            text += "b" if detail == ord("a") else "a"
        elif kind is kinds.ANY:
            text += "a"
        elif kind is kinds.IN:
            text += _members(detail)[0]
        elif kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
            text += _example(detail[2]) * detail[0]
        elif kind is kinds.SUBPATTERN:
            text += _example(detail[-1])
        elif kind is kinds.BRANCH:
            text += _example(detail[1][0])
    return text


def _members(members: Any) -> list[str]:
    """Characters of a class: its own, or for a negated one, common ones."""
    known = {
        kinds.CATEGORY_DIGIT: "1",
        kinds.CATEGORY_SPACE: " ",
        kinds.CATEGORY_WORD: "a",
        kinds.CATEGORY_NOT_DIGIT: "a",
        kinds.CATEGORY_NOT_SPACE: "a",
        kinds.CATEGORY_NOT_WORD: " ",
    }
    listed = [
        chr(detail)
        if kind is kinds.LITERAL
        else chr(detail[0])
        if kind is kinds.RANGE
        else known.get(detail, "a")
        for kind, detail in members
        if kind is not kinds.NEGATE
    ]
    if members[0][0] is not kinds.NEGATE:
        return listed
    return [one for one in ("a", "1", ".", "-", " ") if one not in listed] or ["b"]


def seconds(use: Use, text: str) -> float:
    pattern = re.compile(use.pattern, use.flags)
    calls = {"sub": lambda: pattern.sub("", text), "finditer": lambda: [*pattern.finditer(text)]}
    call = calls.get(use.method) or (lambda: getattr(pattern, use.method)(text))
    best = 9.0
    for _ in range(3):
        start = time.thread_time()
        call()
        best = min(best, time.thread_time() - start)
        if best < LITTLE:
            break
    return best


def slow(use: Use) -> Iterator[str]:
    """The texts, written as `lead + part * n`, whose time grows faster than they do."""
    for (lead, part), end in product(hostile(use.pattern, use.flags), ENDS):
        before = 0.0
        for shorter, length in pairwise((LENGTHS[0], *LENGTHS)):
            taken = seconds(use, lead + part * (length // max(len(part), 1)) + end)
            if taken > LITTLE and taken > SLACK * before * length / shorter:
                yield f"{lead!r} + {part!r} * n + {end!r}: {taken:.3f} s, {length} characters"
                break
            before = taken


def test_patterns_that_are_not_linear_are_found() -> None:
    """The first was the pattern of addresses: 5.7 seconds for 20 KB."""
    assert any(slow(Use("", r"[^@\s]+@[^@\s]+\.[^@\s]+", "fullmatch", 0)))
    assert any(slow(Use("", r"\s*x", "search", 0)))
    assert any(slow(Use("", r"(?:a+)+b", "match", 0)))
    assert not any(slow(Use("", r"[^@\s]{1,64}@[^@\s]{1,255}", "fullmatch", 0)))


@pytest.mark.parametrize("use", uses(), ids=lambda one: f"{one.where}-{one.method}")
def test_a_pattern_takes_time_in_proportion_to_the_text(use: Use) -> None:
    assert [*slow(use)] == []
