"""What the doctor looks at: a deployment's functions, and AWS's answers about the rest.

The caller asks. What that person may not read says nothing about the deployment.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final

from botocore.exceptions import ClientError

from finops.deployment.clients import Aws
from finops.deployment.environment import Environment
from finops.deployment.functions import variables_of
from finops.deployment.rights import right
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError

#: What services answer for what does not exist.
_NOT_THERE: Final = frozenset(
    {
        "404",
        "LoadBalancerNotFound",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchEntity",
        "NoSuchResourceException",
        "NotFound",
        "NotFoundException",
        "ObjectLockConfigurationNotFoundError",
        "StateMachineDoesNotExist",
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
    }
)

#: Functions that a queue or a stream feeds.
FED: Final = (
    "publish-budget",
    "expire-pending-budget",
    "repair-budget-drift",
    "load-billing-file",
    "receive-invoices",
    "finish-extraction",
    "append-audit-entries",
)

#: Functions that a schedule starts.
SCHEDULED: Final = (
    "repair-budget-drift",
    "migrate-billing-database",
    "fetch-billing-rates",
    "reconcile-month",
    "write-audit-head",
)
#: Functions that start executions of a state machine, and know it as WORKFLOW_ARN.
WITH_WORKFLOW: Final = ("load-billing-file", "receive-invoices")

#: The remedy of what Terraform makes whole again.
APPLY: Final = "Run terraform apply"
APPLY_MANAGEMENT: Final = "Run terraform apply for the management account"


class Severity(enum.StrEnum):
    """How bad a finding is."""

    #: Something does not work, or will not.
    FAULT = "FAULT"
    #: It works, and may not for long.
    WARNING = "WARNING"
    #: The caller may not look.
    NOT_CHECKED = "NOT_CHECKED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, what, and what to do."""

    subject: str
    problem: str
    remedy: str
    severity: Severity = Severity.FAULT
    #: The check that found it.
    check: str = ""


class Examination:
    """One deployment, as the caller sees it.

    Attributes:
        aws: The caller's clients.
        environment: The names of the deployment.
        today: The day in UTC.
    """

    def __init__(self, aws: Aws, environment: Environment, *, today: date) -> None:
        self.aws = aws
        self.environment = environment
        self.today = today
        self._answers: dict[str, Any] = {}

    @cached_property
    def configurations(self) -> Mapping[str, Mapping[str, Any]]:
        """What Lambda says about each function, by name, of flows that are deployed."""
        found = {
            name: self.ask("lambda", "get_function", FunctionName=name)
            for name in (
                *self.environment.management_functions,
                *self.environment.optional_functions,
            )
        }
        return {name: answer for name, answer in found.items() if answer}

    def existing(self, names: tuple[str, ...]) -> Iterator[str]:
        """The whole names of these functions, of those that are deployed."""
        for name in names:
            if f"{self.environment.prefix}-{name}" in self.configurations:
                yield f"{self.environment.prefix}-{name}"

    @cached_property
    def _environments(self) -> Mapping[str, Mapping[str, str] | ConfigurationError]:
        found: dict[str, Mapping[str, str] | ConfigurationError] = {}
        for name, answer in self.configurations.items():
            try:
                found[name] = variables_of(answer["Configuration"])
            except ConfigurationError as error:
                found[name] = error
        return found

    @property
    def unreadable(self) -> Mapping[str, ConfigurationError]:
        """The functions whose environment the caller may not decrypt, and why."""
        return {
            name: found
            for name, found in self._environments.items()
            if isinstance(found, ConfigurationError)
        }

    @property
    def environments(self) -> Mapping[str, Mapping[str, str]]:
        """The variables of each function, of those whose environment is readable."""
        return {
            name: found
            for name, found in self._environments.items()
            if not isinstance(found, ConfigurationError)
        }

    def configured(self, names: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Like `existing`, of those whose environment is readable, with their variables."""
        for name in self.existing(names):
            if name in self.environments:
                yield name, self.environments[name]

    @property
    def account_id(self) -> str:
        """The account of the deployment."""
        return self._arn_parts[4]

    @property
    def _arn_parts(self) -> Sequence[str]:
        arn: str = next(iter(self.configurations.values()))["Configuration"]["FunctionArn"]
        return arn.split(":")

    @property
    def alarm_topic_arn(self) -> str:
        """The topic of the module observability, whether or not there is one."""
        _, partition, _, region, account_id, *_ = self._arn_parts
        return f"arn:{partition}:sns:{region}:{account_id}:{self.environment.prefix}-alarms"

    def mappings(self, name: str) -> Sequence[Mapping[str, Any]]:
        """A function's event source mappings."""
        found = self.ask("lambda", "list_event_source_mappings", FunctionName=name) or {}
        mappings: Sequence[Mapping[str, Any]] = found.get("EventSourceMappings", [])
        return mappings

    def ask(self, service: str, operation: str, **arguments: Any) -> Any:
        """An answer of AWS, asked once; None where what is asked for does not exist."""
        question = repr((service, operation, sorted(arguments.items())))
        if question not in self._answers:
            self._answers[question] = self._ask(service, operation, arguments)
        return self._answers[question]

    def _ask(self, service: str, operation: str, arguments: Mapping[str, Any]) -> Any:
        client = self.aws.client(service)
        with aws_errors(operation, remedy=f"Allow {right(client, operation)}"):
            try:
                return getattr(client, operation)(**arguments)
            except ClientError as error:
                if error.response["Error"]["Code"] in _NOT_THERE:
                    return None
                raise
