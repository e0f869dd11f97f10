"""What CloudFormation makes of a template in one account: conditions and functions resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

_NO_VALUE: Final = object()


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms as `Fn::` mappings."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        raise TypeError(f"!{suffix} of a mapping")
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def read_template(text: str) -> dict[str, Any]:
    """A template as a document with long forms."""
    return dict(yaml.load(text, Loader=_Loader))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a stack is."""

    account_id: str
    region: str

    def arn(self, service: str, name: str, region: str | None = None) -> str:
        where = self.region if region is None else region
        return f"arn:aws:{service}:{where}:{self.account_id}:{name}"


def arn_of(kind: str, properties: Mapping[str, Any], place: Place) -> str:
    """The ARN of a resource by the type and the properties of CloudFormation."""
    match kind:
        case "AWS::IAM::Role":
            return place.arn("iam", f"role/{properties['RoleName']}", region="")
        case "AWS::SQS::Queue":
            return place.arn("sqs", properties["QueueName"])
        case "AWS::SNS::Topic":
            return place.arn("sns", properties["TopicName"])
        case "AWS::Lambda::Function":
            return place.arn("lambda", f"function:{properties['FunctionName']}")
        case "AWS::Lambda::LayerVersion":
            return place.arn("lambda", f"layer:{properties['LayerName']}:1")
    raise AssertionError(f"nobody has asked for the ARN of {kind} yet")


#: What decides the ARN of a resource.
_NAMES: Final = {
    "FunctionName", "LayerName", "LogGroupName", "QueueName", "RoleName", "TopicName",
}  # fmt: skip
#: What `Ref` of a resource gives, where it is a name; ARNs elsewhere.
_REFERENCES: Final = {
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
}


class _Stack:
    def __init__(
        self, template: Mapping[str, Any], parameters: Mapping[str, str], place: Place
    ) -> None:
        declared = template["Parameters"]
        assert set(parameters) == set(declared), "parameters that are not the template's"
        self._template = template
        self._place = place
        self._values: dict[str, Any] = {
            "AWS::AccountId": place.account_id,
            "AWS::Region": place.region,
            "AWS::NoValue": _NO_VALUE,
        }
        for name, value in parameters.items():
            allowed = declared[name].get("AllowedValues")
            assert not allowed or value in allowed, name
            match declared[name]["Type"]:
                case "CommaDelimitedList":
                    self._values[name] = value.split(",")
                case "Number":
                    self._values[name] = int(value)
                case _:
                    self._values[name] = value

    def resources(self) -> dict[str, dict[str, Any]]:
        return {
            name: {"Type": one["Type"], "Properties": self.resolved(one["Properties"])}
            for name, one in self._template["Resources"].items()
            if "Condition" not in one or self._holds(one["Condition"])
        }

    def resolved(self, value: Any) -> Any:
        if isinstance(value, list):
            return [one for one in map(self.resolved, value) if one is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self._called(function, argument)
        found = {name: self.resolved(one) for name, one in value.items()}
        return {name: one for name, one in found.items() if one is not _NO_VALUE}

    def _called(self, function: str, argument: Any) -> Any:
        match function:
            case "Ref":
                return self._reference(argument)
            case "Fn::Sub":
                return re.sub(r"\$\{([\w:]+)\}", lambda m: str(self._values[m[1]]), argument)
            case "Fn::If":
                condition, then, otherwise = argument
                return self.resolved(then if self._holds(condition) else otherwise)
            case "Fn::Equals":
                left, right = map(self.resolved, argument)
                return left == right
            case "Fn::Not":
                return not self.resolved(argument[0])
            case "Fn::Join":
                separator, parts = argument
                return separator.join(self.resolved(parts))
            case "Fn::GetAtt":
                name, attribute = argument
                kind, properties = self._resource(name)
                if attribute == "Arn":
                    return arn_of(kind, properties, self._place)
                return properties[attribute]
        raise AssertionError(f"the template did not use {function} before")

    def _holds(self, condition: str) -> bool:
        return bool(self.resolved(self._template["Conditions"][condition]))

    def _resource(self, name: str) -> tuple[str, dict[str, Any]]:
        found = self._template["Resources"][name]
        named = found["Properties"].items()
        return found["Type"], {key: self.resolved(one) for key, one in named if key in _NAMES}

    def _reference(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        kind, properties = self._resource(name)
        if kind in _REFERENCES:
            return properties[_REFERENCES[kind]]
        return arn_of(kind, properties, self._place)


def resolved_resources(
    template: Mapping[str, Any], parameters: Mapping[str, str], place: Place
) -> dict[str, dict[str, Any]]:
    """Type and properties of each resource that a stack in that place has, by logical id.

    `Ref` of a queue gives its ARN, not its URL: as good a name where only queues are compared.
    """
    return _Stack(template, parameters, place).resources()
