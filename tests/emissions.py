"""Which metrics and log fields a function's code emits, read from the code itself.

From a handler it follows names: functions, classes with all of their methods, and what these name
in turn. It never misses what can be emitted, and tells a little more where a class has methods that
the handler does not call.
"""

from __future__ import annotations

import ast
import enum
import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1] / "lambda_src"
#: Calls whose first argument names a metric.
_EMITTERS = {"add_metric", "measure", "_measure"}
Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


class Module:
    """One module of `lambda_src`: what it defines and what it imports."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.definitions: dict[str, Definition] = {}
        #: Local name → module and name in it, which is empty for a module.
        self.imports: dict[str, tuple[str, str]] = {}
        for node in ast.walk(tree := ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("finops"):
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = (str(node.module), alias.name)
        for top in tree.body:
            if isinstance(top, (ast.FunctionDef, ast.ClassDef)):
                self.definitions[top.name] = top
            for target in _targets(top):
                self.definitions[target] = top  # type: ignore[assignment]

    @property
    def flow(self) -> str:
        """Such as `finops.budgets`."""
        return ".".join(self.name.split(".")[:2])


def _targets(node: ast.stmt) -> list[str]:
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return [one.id for one in targets if isinstance(one, ast.Name)]


@cache
def module(name: str) -> Module | None:
    """A module by its dotted name; None if there is none."""
    path = ROOT / Path(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return Module(name, file)
    return None


class Function:
    """A Lambda function by its handler, such as `finops.budgets.handlers.publish_budget`."""

    def __init__(self, handler: str) -> None:
        self.handler = handler

    @cached_property
    def definitions(self) -> list[tuple[Module, Definition]]:
        """Everything that the handler may run."""
        where, _, name = self.handler.rpartition(".")
        found: dict[tuple[str, str], tuple[Module, Definition]] = {}
        self._follow(where, name, found)
        assert found, f"there is no {self.handler}"
        return list(found.values())

    def _follow(
        self, where: str, name: str, found: dict[tuple[str, str], tuple[Module, Definition]]
    ) -> None:
        there = module(where)
        if there is None or (where, name) in found:
            return
        if name not in there.definitions:
            if name in there.imports:
                self._follow(*there.imports[name], found)
            return
        node = there.definitions[name]
        found[where, name] = (there, node)
        for one in ast.walk(node):
            if isinstance(one, ast.Name):
                self._follow(where, one.id, found)
            elif isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name):
                package, local = there.imports.get(one.value.id, ("", ""))
                if module(f"{package}.{local}"):
                    self._follow(f"{package}.{local}", one.attr, found)

    @cached_property
    def metrics(self) -> set[str]:
        """Metrics with the function as their dimension `service`."""
        return {name for there, call in self._calls(_EMITTERS) for name in _names(there, call)}

    @cached_property
    def metrics_of_others(self) -> set[str]:
        """Metrics with another service, such as a queue."""
        return {name for there, call in self._calls({"count_of"}) for name in _names(there, call)}

    @cached_property
    def log_fields(self) -> set[str]:
        """Fields that log lines have beside those of every line."""
        fields = set()
        for there, node in self.definitions:
            for one in ast.walk(node):
                if isinstance(one, ast.keyword) and one.arg == "extra":
                    fields |= set(_keys(there, node, one.value))
        return fields

    def _calls(self, names: set[str]) -> Iterator[tuple[Module, tuple[ast.Call, Definition]]]:
        for there, node in self.definitions:
            for call in _called(node, names):
                yield there, (call, node)


def _called(node: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    for one in ast.walk(node):
        if isinstance(one, ast.Call):
            called = one.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in names:
                yield one


def _names(there: Module, call: tuple[ast.Call, Definition]) -> set[str]:
    """The metrics that the first argument may name."""
    (argument, *_), within = call[0].args or [call[0].keywords[0].value], call[1]
    match argument:
        case ast.Constant(value=str(name)):
            return {name}
        case ast.Call(
            func=ast.Name(id="status_metric"), args=[ast.Constant(value=str(counted)), _]
        ):
            return {
                counted + "".join(word.title() for word in str(status.value).split("_"))
                for one in _enums(f"{there.flow}.domain")
                if one.__name__.endswith("Status")
                for status in one
            }
        case ast.Attribute(attr="value", value=ast.Attribute(attr=attribute)):
            found = [one for one in _enums(there.flow) if one.__name__.lower() == attribute]
            assert len(found) == 1, f"{there.name}: which enumeration is {attribute}?"
            return {str(one.value) for one in found[0]}
        case ast.Name(id=name):
            if name in _parameters(within):
                return set()  # whoever passes it is a call of its own
            loops = [
                one.iter.func.value.keys
                for one in ast.walk(within)
                if isinstance(one, ast.For)
                and name in {each.id for each in ast.walk(one.target) if isinstance(each, ast.Name)}
                and isinstance(one.iter, ast.Call)
                and isinstance(one.iter.func, ast.Attribute)
                and isinstance(one.iter.func.value, ast.Dict)
            ]
            keys = [str(key.value) for one in loops for key in one if isinstance(key, ast.Constant)]
            assert keys, f"{there.name}: which metrics are {name}?"
            return set(keys)
    raise AssertionError(f"{there.name}: which metric is {ast.unparse(argument)}?")


def _parameters(node: Definition) -> set[str]:
    return {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}


def _enums(package: str) -> list[type[enum.Enum]]:
    """Enumerations of a module, or of the modules in a package."""
    loaded = importlib.import_module(package)
    modules = [
        loaded,
        *(
            importlib.import_module(f"{package}.{one.name}")
            for one in pkgutil.iter_modules(getattr(loaded, "__path__", []))
            if one.name in {"domain", "service"}
        ),
    ]
    found: dict[str, Any] = {
        name: value
        for one in modules
        for name, value in vars(one).items()
        if isinstance(value, type) and issubclass(value, enum.StrEnum)
    }
    return list(found.values())


def _keys(there: Module, within: ast.AST, value: ast.expr) -> Iterator[str]:
    """The keys of a dictionary: written, spread, or returned by a function of the module."""
    match value:
        case ast.Dict(keys=keys, values=values):
            for key, one in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant):
                    yield str(key.value)
                elif key is None:
                    yield from _keys(there, within, one)
        case ast.Call(func=ast.Name(id=name), keywords=keywords):
            for keyword in keywords:
                yield from [keyword.arg] if keyword.arg else _keys(there, within, keyword.value)
            for returned in ast.walk(there.definitions.get(name, ast.Pass())):
                if isinstance(returned, ast.Return) and returned.value:
                    yield from _keys(there, returned, returned.value)
        case ast.Name(id=name):
            for assigned in ast.walk(within):
                if isinstance(assigned, ast.Assign) and name in _targets(assigned):
                    yield from _keys(there, ast.Pass(), assigned.value)
