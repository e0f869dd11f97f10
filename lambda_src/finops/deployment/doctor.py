"""What is wrong with a deployment, seen from outside, with a remedy for each.

The checks read, and change nothing. They ask as whoever signed in: what that person may not read
is told as not checked, and says nothing about the deployment.
"""

from __future__ import annotations

import enum
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from botocore.exceptions import ClientError

from finops.budgets.domain import Status
from finops.deployment.clients import Aws
from finops.deployment.environment import Environment
from finops.deployment.policies import lets_service, principal, refuses_plain_http, statements
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, TransientFailure

#: Functions that a queue or a stream feeds, that a schedule starts, and that an event rule starts.
FED: Final = (
    "publish-budget",
    "expire-pending-budget",
    "repair-budget-drift",
    "load-billing-file",
    "receive-invoices",
    "finish-extraction",
    "append-audit-entries",
)
SCHEDULED: Final = (
    "repair-budget-drift",
    "migrate-billing-database",
    "reconcile-month",
    "write-audit-head",
)
#: A mapping that is on, or about to be:
#: https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html
_WORKING: Final = frozenset({"Enabled", "Enabling", "Creating", "Updating"})
#: What services answer for what does not exist.
_NOT_THERE: Final = frozenset(
    {
        "404",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchEntity",
        "NotFoundException",
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
    }
)
#: New accounts may run ten functions at once; the flows need more on a busy morning:
#: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_ENOUGH_CONCURRENCY: Final = 100


class Severity(enum.StrEnum):
    """How bad a finding is."""

    #: Something does not work, or will not.
    FAULT = "FAULT"
    #: It works, and may not for long.
    WARNING = "WARNING"
    #: The caller may not look.
    NOT_CHECKED = "NOT_CHECKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: where, what, and what to do."""

    check: str
    subject: str
    problem: str
    remedy: str
    severity: Severity = Severity.FAULT


class Doctor:
    """The checks of one deployment."""

    def __init__(self, aws: Aws, environment: Environment, *, today: date) -> None:
        self._aws = aws
        self._environment = environment
        self._today = today

    def findings(self) -> list[Finding]:
        """Everything that is wrong, in the order of the checks; empty for a sound deployment."""
        found: list[Finding] = []
        for name, check in self._checks().items():
            try:
                found.extend(check())
                if not self._configurations:
                    break
            except (ConfigurationError, TransientFailure) as error:
                found.append(
                    Finding(
                        check=name,
                        subject=self._environment.name,
                        problem=f"this could not be looked at: {error.message}",
                        remedy=error.remedy or "Sign in as somebody who may read it",
                        severity=Severity.NOT_CHECKED,
                    )
                )
                if name == "functions":
                    break
        return found

    def _checks(self) -> Mapping[str, Callable[[], Iterator[Finding]]]:
        return {
            "functions": self._check_functions,
            "layers": self._check_layers,
            "concurrency": self._check_concurrency,
            "roles": self._check_roles,
            "triggers": self._check_triggers,
            "schedules": self._check_schedules,
            "results": self._check_results,
            "spokes": self._check_spokes,
            "buckets": self._check_buckets,
            "keys": self._check_keys,
            "mail": self._check_mail,
            "rates": self._check_rates,
        }

    @cached_property
    def _configurations(self) -> Mapping[str, Mapping[str, Any]]:
        """What Lambda says about each function, by name, of flows that are deployed."""
        found = {
            name: self._ask("lambda", "get_function", FunctionName=name)
            for name in self._environment.management_functions
        }
        return {name: answer for name, answer in found.items() if answer}

    def _check_functions(self) -> Iterator[Finding]:
        if not self._configurations:
            where = self._aws.client("lambda").meta.region_name
            yield Finding(
                check="functions",
                subject=self._environment.name,
                problem=f"no function whose name begins with {self._environment.prefix}- is in"
                f" {where}, in the account of these credentials",
                remedy="Set AWS_REGION, AWS_PROFILE or name_prefix to those of the deployment, or"
                " deploy it",
            )
            return
        for flow, names in self._environment.flow_functions.items():
            missing = [name for name in names if name not in self._configurations]
            if missing and len(missing) < len(names):
                yield Finding(
                    check="functions",
                    subject=", ".join(missing),
                    problem=f"a part of the flow {flow} does not exist",
                    remedy="Run terraform apply",
                )
        hashes = Counter(self._variables(name).get("CODE_SHA256") for name in self._configurations)
        usual, _ = hashes.most_common(1)[0]
        for name, answer in self._configurations.items():
            found = answer["Configuration"]
            if "Failed" in {found.get("State"), found.get("LastUpdateStatus")}:
                reason = found.get("StateReason") or found.get("LastUpdateStatusReason") or "?"
                yield Finding(
                    check="functions",
                    subject=name,
                    problem=f"the function could not be created or changed: {reason}",
                    remedy="Remove the cause, then run terraform apply",
                )
            if self._variables(name).get("CODE_SHA256") != usual:
                yield Finding(
                    check="functions",
                    subject=name,
                    problem="the function has other code than most of the deployment",
                    remedy="Run terraform apply for every module with the same packages",
                )

    def _check_layers(self) -> Iterator[Finding]:
        for name, answer in self._configurations.items():
            layers = [one["Arn"] for one in answer["Configuration"].get("Layers") or []]
            if not any("-core:" in arn for arn in layers):
                yield Finding(
                    check="layers",
                    subject=name,
                    problem="the function has no core layer, so its code cannot be imported",
                    remedy="Run terraform apply",
                )

    def _check_concurrency(self) -> Iterator[Finding]:
        for name, answer in self._configurations.items():
            if answer.get("Concurrency", {}).get("ReservedConcurrentExecutions") == 0:
                yield Finding(
                    check="concurrency",
                    subject=name,
                    problem="its reserved concurrency is 0, so it is never run",
                    remedy="Somebody may have stopped it on purpose: ask, then run"
                    f" aws lambda delete-function-concurrency --function-name {name}",
                )
        limits = self._ask("lambda", "get_account_settings") or {}
        most = limits.get("AccountLimit", {}).get("ConcurrentExecutions", _ENOUGH_CONCURRENCY)
        if most < _ENOUGH_CONCURRENCY:
            yield Finding(
                check="concurrency",
                subject="account",
                problem=f"the account runs at most {most} functions at once",
                remedy="Ask AWS for more concurrent executions (Service Quotas, AWS Lambda)",
                severity=Severity.WARNING,
            )

    def _check_roles(self) -> Iterator[Finding]:
        for name, answer in self._configurations.items():
            role = answer["Configuration"]["Role"].rpartition("/")[2]
            found = self._ask("iam", "get_role", RoleName=role)
            trust = found["Role"]["AssumeRolePolicyDocument"] if found else {}
            if not lets_service(trust, "lambda.amazonaws.com"):
                yield Finding(
                    check="roles",
                    subject=name,
                    problem=f"its role {role} is not there, or does not trust Lambda",
                    remedy="Run terraform apply",
                )

    def _check_triggers(self) -> Iterator[Finding]:
        for name in self._existing(FED):
            found = self._ask("lambda", "list_event_source_mappings", FunctionName=name) or {}
            states = [one["State"] for one in found.get("EventSourceMappings", [])]
            if not states:
                yield Finding(
                    check="triggers",
                    subject=name,
                    problem="nothing invokes it: its event source mapping does not exist",
                    remedy="Run terraform apply",
                )
            elif not set(states) <= _WORKING:
                yield Finding(
                    check="triggers",
                    subject=name,
                    problem=f"its event source mapping is {', '.join(sorted(set(states)))}",
                    remedy="Find out who switched it off, then run terraform apply",
                )

    def _check_schedules(self) -> Iterator[Finding]:
        for name in self._existing(SCHEDULED):
            found = self._ask("scheduler", "get_schedule", Name=name)
            if found is None or found.get("State", "ENABLED") != "ENABLED":
                state = "is disabled" if found else "does not exist"
                yield Finding(
                    check="schedules",
                    subject=name,
                    problem=f"its schedule {state}, so it never runs by itself",
                    remedy="Run terraform apply",
                )

    def _check_results(self) -> Iterator[Finding]:
        """Whether spokes may report results, and what they report is recorded."""
        prefix = self._environment.prefix
        publisher, recorder = f"{prefix}-publish-budget", f"{prefix}-record-budget-result"
        if publisher not in self._configurations:
            return
        bus = f"{prefix}-budgets"
        rule = self._ask("events", "describe_rule", Name=recorder, EventBusName=bus)
        if rule is None or rule.get("State") != "ENABLED":
            yield Finding(
                check="results",
                subject=recorder,
                problem=f"its rule on the event bus {bus} is {'disabled' if rule else 'gone'}, so"
                " edits stay PENDING until they fail",
                remedy="Run terraform apply for the management account",
            )
        described = self._ask("events", "describe_event_bus", Name=bus) or {}
        allowed = [
            one for one in statements(described.get("Policy") or "{}") if one["Effect"] == "Allow"
        ]
        accounts = self._variables(publisher).get("SPOKE_ACCOUNT_IDS", "").split()
        if accounts:
            named = json.dumps([principal(one) for one in allowed])
            refused = [one for one in accounts if one not in named]
        else:
            refused = [] if "aws:PrincipalOrgID" in json.dumps(allowed) else ["the organization"]
        if refused:
            yield Finding(
                check="results",
                subject=bus,
                problem=f"the bus's policy does not let {', '.join(refused)} report results",
                remedy="Run terraform apply for the management account",
            )

    def _check_spokes(self) -> Iterator[Finding]:
        """Whether the role of each spoke trusted us when a budget was last published."""
        from finops.budgets.adapters.dynamodb import DynamoStatusTable

        if f"{self._environment.prefix}-publish-budget" not in self._configurations:
            return
        with aws_errors("read_statuses"):
            table = DynamoStatusTable(
                self._aws.client("dynamodb"), self._environment.budget_status_table
            )
            refused = {
                one.key.account_id: one.error
                for one in table.all()
                if one.status is Status.FAILED and one.error_step == "assume_role"
            }
        for account_id, error in sorted(refused.items()):
            yield Finding(
                check="spokes",
                subject=account_id,
                problem=f"the account's role could not be assumed: {error}",
                remedy="Deploy budgets_spoke there, with the external id, the name_prefix and the"
                " role_arns of budgets_management; then run finops budgets drift --repair",
            )

    def _check_buckets(self) -> Iterator[Finding]:
        for receiver in ("load-billing-file", "receive-invoices", "reconcile-month"):
            for name in self._existing((receiver,)):
                bucket = self._variables(name)["BUCKET"]
                policy = self._ask("s3", "get_bucket_policy", Bucket=bucket) or {}
                if not refuses_plain_http(policy.get("Policy") or "{}"):
                    yield Finding(
                        check="buckets",
                        subject=bucket,
                        problem="its policy does not refuse requests without TLS",
                        remedy="Run terraform apply; find out who changed the policy",
                    )
                if receiver != "reconcile-month":
                    yield from self._check_notification(bucket)

    def _check_notification(self, bucket: str) -> Iterator[Finding]:
        found = (self._ask("s3", "get_bucket_notification_configuration", Bucket=bucket) or {}).get(
            "QueueConfigurations", []
        )
        if not found:
            yield Finding(
                check="buckets",
                subject=bucket,
                problem="it notifies no queue of dropped files, so nothing happens to them",
                remedy="Run terraform apply, then drop again what was dropped meanwhile",
            )
        for queue in {one["QueueArn"].rpartition(":")[2] for one in found}:
            url = self._ask("sqs", "get_queue_url", QueueName=queue)
            attributes = url and self._ask(
                "sqs", "get_queue_attributes", QueueUrl=url["QueueUrl"], AttributeNames=["Policy"]
            )
            policy = (attributes or {}).get("Attributes", {}).get("Policy") or "{}"
            if not lets_service(policy, "s3.amazonaws.com"):
                yield Finding(
                    check="buckets",
                    subject=queue,
                    problem=f"the queue is gone, or does not take the events of {bucket}",
                    remedy="Run terraform apply, then drop again what was dropped meanwhile",
                )

    def _check_keys(self) -> Iterator[Finding]:
        keys = {
            arn
            for answer in self._configurations.values()
            if (arn := answer["Configuration"].get("KMSKeyArn"))
        }
        for arn in sorted(keys):
            found = self._ask("kms", "describe_key", KeyId=arn)
            state = found["KeyMetadata"]["KeyState"] if found else "gone"
            if state != "Enabled":
                yield Finding(
                    check="keys",
                    subject=arn,
                    problem=f"the key that encrypts the deployment is {state}",
                    remedy="Enable it, or cancel its deletion, before anything else",
                )
                continue
            policy = self._ask("kms", "get_key_policy", KeyId=arn, PolicyName="default") or {}
            region = arn.split(":")[3]
            for service in (f"logs.{region}.amazonaws.com", "s3.amazonaws.com"):
                if not lets_service(policy.get("Policy") or "{}", service):
                    yield Finding(
                        check="keys",
                        subject=arn,
                        problem=f"its policy does not let {service} use it",
                        remedy="Add the statement of environments/prod/management/encryption.tf",
                    )

    def _check_mail(self) -> Iterator[Finding]:
        for name in self._existing(("notify-invoice", "reconcile-month")):
            sender = self._variables(name).get("MAIL_SENDER")
            if not sender:
                continue
            asked = [sender, sender.rpartition("@")[2]]
            found = self._ask("ses", "get_identity_verification_attributes", Identities=asked) or {}
            states = found.get("VerificationAttributes", {}).values()
            if not any(one["VerificationStatus"] == "Success" for one in states):
                yield Finding(
                    check="mail",
                    subject=sender,
                    problem=f"SES has not verified the sender, so {name} can send no mail",
                    remedy=f"aws ses verify-email-identity --email-address {sender}, then open the"
                    " link in the mail; or verify the domain",
                )

    def _check_rates(self) -> Iterator[Finding]:
        from finops.deployment.billing import BillingDeployment

        if not any(self._existing(("load-billing-file",))):
            return
        billing = BillingDeployment(self._environment)
        oldest = self._today - timedelta(days=billing.settings.rates.max_age_days)
        newest = billing.database.execute("SELECT MAX(rate_date) AS newest FROM fx_rates").rows
        found = newest[0]["newest"] if newest else None
        if found is None or date.fromisoformat(found) < oldest:
            state = f"the newest exchange rate is of {found}" if found else "there are no rates"
            yield Finding(
                check="rates",
                subject="exchange rates",
                problem=f"{state}: bills of today in other currencies than USD are quarantined",
                remedy="finops fx load FILE, with the ECB's eurofxref-hist",
                severity=Severity.WARNING if found else Severity.FAULT,
            )

    def _existing(self, names: tuple[str, ...]) -> Iterator[str]:
        for name in names:
            if f"{self._environment.prefix}-{name}" in self._configurations:
                yield f"{self._environment.prefix}-{name}"

    def _variables(self, name: str) -> Mapping[str, str]:
        answer = self._configurations[name]["Configuration"]
        variables: Mapping[str, str] = answer.get("Environment", {}).get("Variables", {})
        return variables

    def _ask(self, service: str, operation: str, **arguments: Any) -> Any:
        """An answer of AWS; None where what is asked for does not exist."""
        with aws_errors(operation, remedy=f"Allow {service}:{operation.replace('_', '')}"):
            try:
                return getattr(self._aws.client(service), operation)(**arguments)
            except ClientError as error:
                if error.response["Error"]["Code"] in _NOT_THERE:
                    return None
                raise


def today() -> date:
    """The day in UTC."""
    return datetime.now(UTC).date()
