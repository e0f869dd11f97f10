"""What is wrong with a deployment, seen from outside, with a remedy for each.

The checks read, and change nothing. What the caller may not read is told as not checked.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Final

from finops.budgets.domain import Status
from finops.deployment import resources
from finops.deployment.clients import Aws
from finops.deployment.environment import Environment
from finops.deployment.examination import (
    APPLY,
    APPLY_MANAGEMENT,
    FED,
    SCHEDULED,
    Examination,
    Finding,
    Severity,
)
from finops.deployment.keys import check_keys
from finops.deployment.notifier import check_notifier
from finops.deployment.policies import principal, statements
from finops.deployment.roles import check_roles
from finops.deployment.states import again
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, FinOpsError, TransientFailure

#: A mapping that is on, or about to be:
#: https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html
_WORKING: Final = frozenset({"Enabled", "Enabling", "Creating", "Updating"})
#: New accounts may run ten functions at once; the flows need more on a busy morning:
#: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_ENOUGH_CONCURRENCY: Final = 100


class Doctor:
    """The checks of one deployment."""

    def __init__(self, aws: Aws, environment: Environment, *, today: date) -> None:
        self._examination = Examination(aws, environment, today=today)

    def findings(self) -> list[Finding]:
        """Everything that is wrong, in the order of the checks; empty for a sound deployment."""
        found: list[Finding] = []
        for name, check in _CHECKS.items():
            try:
                found.extend(replace(one, check=name) for one in check(self._examination))
                if not self._examination.configurations:
                    break
            except (ConfigurationError, TransientFailure) as error:
                found.append(
                    Finding(
                        self._examination.environment.name,
                        f"this could not be looked at: {error.message}",
                        error.remedy or _remedy(error),
                        Severity.NOT_CHECKED,
                        check=name,
                    )
                )
                if name == "functions":
                    break
        return found


def _remedy(error: FinOpsError) -> str:
    if isinstance(error, TransientFailure):
        return again(error).capitalize()
    return "Sign in as somebody who may read it"


def today() -> date:
    """The day in UTC."""
    return datetime.now(UTC).date()


def _functions(of: Examination) -> Iterator[Finding]:
    if not of.configurations:
        where = of.aws.client("lambda").meta.region_name
        yield Finding(
            of.environment.name,
            f"no function whose name begins with {of.environment.prefix}- is in"
            f" {where}, in the account of these credentials",
            "Set AWS_REGION, AWS_PROFILE or name_prefix to those of the deployment, or deploy it",
        )
        return
    for flow, names in of.environment.flow_functions.items():
        missing = [name for name in names if name not in of.configurations]
        if missing and len(missing) < len(names):
            yield Finding(", ".join(missing), f"a part of the flow {flow} does not exist", APPLY)
    yield from _environments(of)
    hashes = Counter(one.get("CODE_SHA256") for one in of.environments.values())
    usual = next((one for one, _ in hashes.most_common(1)), None)
    for name, answer in of.configurations.items():
        found = answer["Configuration"]
        if "Failed" in {found.get("State"), found.get("LastUpdateStatus")}:
            reason = found.get("StateReason") or found.get("LastUpdateStatusReason") or "?"
            yield Finding(
                name,
                f"the function could not be created or changed: {reason}",
                "Remove the cause, then run terraform apply",
            )
        if of.environments.get(name, {}).get("CODE_SHA256", usual) != usual:
            yield Finding(
                name,
                "the function has other code than most of the deployment",
                "Run terraform apply for every module with the same packages",
            )


def _environments(of: Examination) -> Iterator[Finding]:
    """What the caller may not decrypt, once a key; `keys` tells what is wrong with a key."""
    told = defaultdict(list)
    for name, error in of.unreadable.items():
        told[error.remedy].append(name)
    for remedy, names in told.items():
        yield Finding(
            ", ".join(names),
            "the resources that their environment names were not looked at:"
            f" {of.unreadable[names[0]].message}",
            remedy,
            Severity.NOT_CHECKED,
        )


def _layers(of: Examination) -> Iterator[Finding]:
    for name, answer in of.configurations.items():
        arns = [one["Arn"] for one in answer["Configuration"].get("Layers") or []]
        there = {arn.split(":")[6].rpartition("-")[2] for arn in arns}
        if missing := [one for one in of.environment.layers_of(name) if one not in there]:
            yield Finding(
                name,
                f"the function lacks the layer {', '.join(missing)}, so its code cannot be"
                " imported",
                APPLY,
            )


def _concurrency(of: Examination) -> Iterator[Finding]:
    for name, answer in of.configurations.items():
        if answer.get("Concurrency", {}).get("ReservedConcurrentExecutions") == 0:
            yield Finding(
                name,
                "its reserved concurrency is 0, so it is never run",
                "Somebody may have stopped it on purpose: ask, then run"
                f" aws lambda delete-function-concurrency --function-name {name}",
            )
    limits = of.ask("lambda", "get_account_settings") or {}
    most = limits.get("AccountLimit", {}).get("ConcurrentExecutions", _ENOUGH_CONCURRENCY)
    if most < _ENOUGH_CONCURRENCY:
        yield Finding(
            "account",
            f"the account runs at most {most} functions at once",
            "Ask AWS for more concurrent executions (Service Quotas, AWS Lambda)",
            Severity.WARNING,
        )


def _triggers(of: Examination) -> Iterator[Finding]:
    for name in of.existing(FED):
        states = [one["State"] for one in of.mappings(name)]
        if not states:
            yield Finding(
                name, "nothing invokes it: its event source mapping does not exist", APPLY
            )
        elif not set(states) <= _WORKING:
            yield Finding(
                name,
                f"its event source mapping is {', '.join(sorted(set(states)))}",
                "Find out who switched it off, then run terraform apply",
            )


def _schedules(of: Examination) -> Iterator[Finding]:
    for name in of.existing(SCHEDULED):
        found = of.ask("scheduler", "get_schedule", Name=name)
        if found is None or found.get("State", "ENABLED") != "ENABLED":
            # Terraform makes the role with the schedule. Without both, none is asked for.
            if found is None and of.ask("iam", "get_role", RoleName=f"{name}-schedule") is None:
                continue
            state = "is disabled" if found else "does not exist"
            yield Finding(name, f"its schedule {state}, so it never runs by itself", APPLY)


def _results(of: Examination) -> Iterator[Finding]:
    """Whether spokes may report results, and what they report is recorded."""
    prefix = of.environment.prefix
    publisher, recorder = f"{prefix}-publish-budget", f"{prefix}-record-budget-result"
    if publisher not in of.configurations:
        return
    bus = f"{prefix}-budgets"
    rule = of.ask("events", "describe_rule", Name=recorder, EventBusName=bus)
    if rule is None or rule.get("State") != "ENABLED":
        yield Finding(
            recorder,
            f"its rule on the event bus {bus} is {'disabled' if rule else 'gone'}, so"
            " edits stay PENDING until they fail",
            APPLY_MANAGEMENT,
        )
    described = of.ask("events", "describe_event_bus", Name=bus) or {}
    allowed = [
        one for one in statements(described.get("Policy") or "{}") if one["Effect"] == "Allow"
    ]
    if publisher not in of.environments:
        return
    accounts = of.environments[publisher].get("SPOKE_ACCOUNT_IDS", "").split()
    if accounts:
        named = json.dumps([principal(one) for one in allowed])
        refused = [one for one in accounts if one not in named]
    else:
        refused = [] if "aws:PrincipalOrgID" in json.dumps(allowed) else ["the organization"]
    if refused:
        yield Finding(
            bus,
            f"the bus's policy does not let {', '.join(refused)} report results",
            APPLY_MANAGEMENT,
        )


def _spokes(of: Examination) -> Iterator[Finding]:
    """Whether the role of each spoke trusted us when a budget was last published."""
    from finops.budgets.adapters.dynamodb import DynamoStatusTable

    if f"{of.environment.prefix}-publish-budget" not in of.configurations:
        return
    with aws_errors("read_statuses", remedy="Allow dynamodb:Scan"):
        table = DynamoStatusTable(of.aws.client("dynamodb"), of.environment.budget_status_table)
        refused = {
            one.key.account_id: one.error
            for one in table.all()
            if one.status is Status.FAILED and one.error_step == "assume_role"
        }
    for account_id, error in sorted(refused.items()):
        yield Finding(
            account_id,
            f"the account's role could not be assumed: {error}",
            "Deploy budgets_spoke there, with the external id, the name_prefix and the"
            " role_arns of budgets_management; then run `finops budgets drift --repair`",
        )


_CHECKS: Final[Mapping[str, Callable[[Examination], Iterator[Finding]]]] = {
    "functions": _functions,
    "layers": _layers,
    "concurrency": _concurrency,
    "roles": check_roles,
    "notifier": check_notifier,
    "triggers": _triggers,
    "schedules": _schedules,
    "results": _results,
    "spokes": _spokes,
    "tables": resources.check_tables,
    "buckets": resources.check_buckets,
    "keys": check_keys,
    "mail": resources.check_mail,
    "rates": resources.check_rates,
    "certificates": resources.check_certificates,
    "quotas": resources.check_quotas,
}
