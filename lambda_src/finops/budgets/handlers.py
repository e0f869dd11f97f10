"""Lambda entry points of the budgets flow, and the only place where it is composed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from finops.audit.recorder import audit_recorder
from finops.budgets.adapters.budgets import AwsBudgets
from finops.budgets.adapters.cloudformation import answer_stack, is_stack_request
from finops.budgets.adapters.dynamodb import (
    DynamoBudgetTable,
    DynamoReportCounts,
    DynamoStatusTable,
    decode_change,
    decode_key,
)
from finops.budgets.adapters.eventbridge import EventBridgeResults, decode_result
from finops.budgets.adapters.organizations import ListedAccounts, OrganizationAccounts
from finops.budgets.adapters.spokes import Accounts, AssumedSpokes
from finops.budgets.adapters.sqs import SqsAccounts, SqsDeadlines
from finops.budgets.adapters.ssm import SsmParameters
from finops.budgets.applier import BudgetApplier
from finops.budgets.approval_desk import ApprovalDesk
from finops.budgets.approval_requests import answer
from finops.budgets.approvals import RaiseLimit
from finops.budgets.batches import publish_in_order
from finops.budgets.comparison import Drift
from finops.budgets.coverage import coverage
from finops.budgets.default_rows import DefaultRows
from finops.budgets.defaults import is_default
from finops.budgets.documents import seed_document
from finops.budgets.domain import (
    BudgetChange,
    BudgetKey,
    NotificationType,
    RemovalPolicy,
    Status,
    Threshold,
    as_percent,
    edit_version,
)
from finops.budgets.drift import DriftRepairer
from finops.budgets.drift_run import NO_TIME_LEFT
from finops.budgets.drift_schedule import DriftSchedule
from finops.budgets.publications import Publication
from finops.budgets.results import ResultRecorder
from finops.budgets.service import BudgetPublisher
from finops.shared.audit import AuditEvent
from finops.shared.aws import AssumedRoles, client
from finops.shared.errors import RejectedInput
from finops.shared.events import batch_response, handle_messages
from finops.shared.observability import MetricUnit, logger, metrics, status_metric

# A client slows down to the rate that its account's quotas allow, once AWS has refused a call:
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_PACED: Final[Mapping[str, Any]] = {"mode": "adaptive", "total_max_attempts": 6}


@logger.inject_lambda_context
@metrics.log_metrics
def publish_budget(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """DynamoDB stream of the budgets table → parameters of the spokes.

    Returns the partial batch response: the records that the stream delivers again.
    """
    _defaults.cache_clear()
    changes, unreadable = _decode_changes(event["Records"])
    done = publish_in_order(
        changes,
        _publisher().publish,
        concurrency=int(os.environ["PUBLISH_CONCURRENCY"]),
        would_wait=_publisher().would_wait,
    )
    for change, publication in done:
        _log_publication(change, publication)
    _publisher().audit(done)
    published = [one for _, one in done if isinstance(one, Publication)]
    _deadlines().schedule([one.document for one in published if one.document])
    # Also after a run that stopped before it got here, and so finds nothing left to do.
    if any(is_default(change.key.account_id) for change in changes):
        _account_queue().send_all_accounts()
    failed = {change.version for change, one in done if isinstance(one, Exception)} | unreadable
    sequence_numbers = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]
    return batch_response(one for one in sequence_numbers if edit_version(one) in failed)


@logger.inject_lambda_context
@metrics.log_metrics
def record_budget_result(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """EventBridge "Budget Result" of a spoke → the status table."""
    result = decode_result(event["detail"])
    logger.set_correlation_id(result.request_id)
    recorded = _recorder().record(result, sender=event["account"])
    if recorded:
        metrics.add_metric(status_metric("Budgets", result.status), MetricUnit.Count, 1)
        # What failed is late in any case, and is counted by its own metric.
        timed = result.status is not Status.FAILED and result.action != "unchanged"
        if result.latency_ms is not None and timed:
            metrics.add_metric("BudgetLatency", MetricUnit.Milliseconds, result.latency_ms)
    logger.info(
        "budget result recorded" if recorded else "outdated budget result ignored",
        extra=_about(result.key, status=result.status, action=result.action),
    )
    return {"recorded": recorded}


@logger.inject_lambda_context
@metrics.log_metrics
def expire_pending_budget(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Deadline queue → FAILED for each version whose spoke has not reported.

    Returns the partial batch response: the messages that the queue delivers again.
    """

    def expire(due: Mapping[str, str]) -> None:
        key = BudgetKey(account_id=due["account_id"], budget_name=due["budget_name"])
        if _recorder().expire(key, due["version"]):
            metrics.add_metric("BudgetsUnanswered", MetricUnit.Count, 1)
            logger.error("spoke did not report a result", extra=_about(key, version=due["version"]))

    return handle_messages(event, expire, failure="the deadline could not be checked")


@logger.inject_lambda_context
@metrics.log_metrics
def repair_budget_drift(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Schedule, or `finops budgets drift` → the drift of every account, repaired on request.

    The schedule's {"all_accounts": true} begins a run: all accounts go to a queue, whose messages
    invoke this function again, and it returns {"accounts": n, "failing": n, "begun": bool}. The
    same message in the queue, after the edit of a default, begins one at once. People
    send {"repair": bool, "requested_by": str | absent, "account_id": str | absent,
    "account_ids": [str] | absent} and get {"drift": [...]}. With {"coverage": true} they get the
    accounts that may have budgets as {"members": {id: name}}, and with "account_ids" the budgets of
    those as {"accounts": [...]}.

    Function URL: a person's approval of a raise, by the person's own signature (see
    `ApprovalRequest`).
    """
    if "requestContext" in event:
        return answer(_approval_desk(), event)
    logger.set_correlation_id(context.aws_request_id)
    if event.get("all_accounts"):
        return _begin_drift_run()
    if "Records" in event:
        return handle_messages(
            event, partial(_repair_part, context), failure="accounts could not be compared"
        )
    if event.get("coverage"):
        return _coverage(event.get("account_ids"))
    account_id = event.get("account_id")
    drift = _repairer().run(
        repair=bool(event.get("repair")),
        request_id=context.aws_request_id,
        account_ids=[account_id] if account_id else event.get("account_ids"),
        requested_by=str(event.get("requested_by") or ""),
        seconds_left=partial(_seconds_left, context),
    )
    _report_drift(drift)
    return {
        "drift": [
            {"account_id": one.key.account_id, "name": one.key.budget_name, **_drift_facts(one)}
            for one in drift
        ]
    }


def _begin_drift_run(*, at_once: bool = False) -> dict[str, Any]:
    run = _drift_schedule().begin(at_once=at_once)
    metrics.add_metric("AccountsFailing", MetricUnit.Count, len(run.failing))
    metrics.add_metric("BudgetsFailing", MetricUnit.Count, run.failing_budgets)
    if run.failing:
        shown = {"accounts": run.failing[:100], "budgets": run.failing_budgets}
        logger.error("accounts whose budgets are not as their rows say", extra=shown)
    if not run.begun:
        logger.warning("the drift run before is not over, and no new one has begun")
    return {"accounts": len(run.accounts), "failing": len(run.failing), "begun": run.begun}


def _coverage(account_ids: Sequence[str] | None) -> dict[str, Any]:
    if account_ids is None:
        return {"members": _accounts().members()}
    found = coverage(
        account_ids,
        table=DynamoBudgetTable(_dynamodb(), os.environ["BUDGETS_TABLE"]),
        statuses=_statuses(),
        spokes=_spokes(),
        organization=_accounts(),
    )
    return {"accounts": [asdict(one) for one in found]}


def _repair_part(context: LambdaContext, part: Mapping[str, Any]) -> None:
    """Compare and repair the accounts of a message; those without time go into a new message."""
    if part.get("all_accounts"):
        _begin_drift_run(at_once=True)
        return
    drift = _repairer().run(
        repair=True,
        request_id=context.aws_request_id,
        account_ids=part["account_ids"],
        scheduled=True,
        defaults=part.get("defaults"),
        seconds_left=partial(_seconds_left, context),
    )
    _report_drift([one for one in drift if one.reason != NO_TIME_LEFT])
    if left := sorted({one.key.account_id for one in drift if one.reason == NO_TIME_LEFT}):
        logger.warning("accounts are left for another run", extra={"accounts": len(left)})
        _account_queue().send([left], defaults=part.get("defaults"))


def _report_drift(drift: Sequence[Drift]) -> None:
    metrics.add_metric("BudgetsDrifted", MetricUnit.Count, len(drift))
    metrics.add_metric("BudgetsRepaired", MetricUnit.Count, sum(one.repaired for one in drift))
    for one in drift:
        logger.warning("budget has drifted", extra=_about(one.key, **_drift_facts(one)))


def _seconds_left(context: LambdaContext) -> float:
    return context.get_remaining_time_in_millis() / 1000


@logger.inject_lambda_context
@metrics.log_metrics
def apply_budget(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Parameter change, drift schedule, Terraform or CloudFormation → the account's AWS Budgets.

    Returns {"applied": [names]}, or when the spoke is removed {"removed": [names]}. A budget that
    AWS refuses fails no deployment: its name is left out, and the drift schedule tries again.
    CloudFormation gets its answer where it asks for it.
    """
    if is_stack_request(event):
        return answer_stack(event, partial(_deploy, event["RequestType"].lower(), context))
    if terraform := event.get("tf", {}).get("action"):
        return _deploy(terraform, context)
    if event.get("source") == "finops.drift":
        return {"applied": _apply_all(context, report_unchanged=False)}
    name = event["detail"]["name"].removeprefix(f"{os.environ['PARAMETER_PREFIX']}/")
    result = _applier().apply(name)
    if result is None:
        logger.info("parameter is gone", extra={"budget_name": name})
        return {"applied": []}
    logger.set_correlation_id(result.request_id)
    logger.info(
        "budget applied" if result.effective else "budget could not be applied",
        extra=_about(result.key, status=result.status, action=result.action),
    )
    metrics.add_metric(status_metric("Budgets", result.status), MetricUnit.Count, 1)
    return {"applied": [name] if result.effective else []}


def _deploy(action: str, context: LambdaContext) -> dict[str, Any]:
    """What a deployment asks for: `create`, `update` or `delete`."""
    if action == "delete":
        return {"removed": _applier().remove_all()}
    if action == "create":
        seed = json.loads(os.environ["SEED_BUDGET"])
        _applier().seed(seed_document(os.environ["ACCOUNT_ID"], seed))
    return {"applied": _apply_all(context, report_unchanged=True)}


def _apply_all(context: LambdaContext, *, report_unchanged: bool) -> list[str]:
    done = _applier().apply_all(
        report_unchanged=report_unchanged,
        seconds_left=partial(_seconds_left, context),
    )
    metrics.add_metric("BudgetsDeferred", MetricUnit.Count, len(done.left))
    if done.left:
        logger.warning("budgets are left for the next run", extra={"budgets": len(done.left)})
    for result in done.results:
        if result.error:
            logger.error(str(result.error), extra=_about(result.key, error_code=result.error.code))
        elif result.action != "unchanged":
            logger.warning("budget had drifted", extra=_about(result.key, action=result.action))
    return [one.key.budget_name for one in done.results if one.effective]


def _decode_changes(
    records: Sequence[Mapping[str, Any]],
) -> tuple[list[BudgetChange], set[str]]:
    """The edits in a batch, and the versions of records that cannot be read."""
    changes: list[BudgetChange] = []
    unreadable: set[str] = set()
    for record in records:
        try:
            changes.append(decode_change(record))
        except Exception as error:  # noqa: BLE001 - one record must not fail the others
            logger.exception("stream record cannot be read", extra={"record": record})
            unreadable.add(edit_version(record["dynamodb"]["SequenceNumber"]))
            _fail_unreadable(record, error)
    return changes, unreadable


def _fail_unreadable(record: Mapping[str, Any], error: Exception) -> None:
    """Tell the editor, where the record at least names the budget."""
    try:
        change = BudgetChange(
            key=decode_key(record),
            version=edit_version(record["dynamodb"]["SequenceNumber"]),
            request_id=record.get("eventID", ""),
            edited_at=_now(),
            row={},
        )
        _publisher().fail(change, error)
    except Exception:  # noqa: BLE001 - the failure queue gets the record after its retries
        logger.exception("unreadable record could not be marked as failed")


@cache
def _publisher() -> BudgetPublisher:
    return BudgetPublisher(
        statuses=_statuses(),
        spokes=_spokes(),
        removal=_removal(),
        audit=audit_recorder(),
        defaults=_defaults,
        units_known=not os.environ.get("SPOKE_ACCOUNT_IDS"),
        raises=_raise_limit(),
    )


def _raise_limit() -> RaiseLimit | None:
    limits = {
        name: Decimal(os.environ[f"RAISE_{name.upper()}"])
        for name in ("percent", "usd")
        if os.environ.get(f"RAISE_{name.upper()}")
    }
    return RaiseLimit(**limits) if limits else None


@cache
def _approval_desk() -> ApprovalDesk:
    return ApprovalDesk(
        table=DynamoBudgetTable(_dynamodb(), os.environ["BUDGETS_TABLE"]),
        statuses=_statuses(),
        accounts=_account_queue(),
        audit=audit_recorder(),
        clock=_now,
        personal_session_roles=json.loads(os.environ["PERSONAL_SESSION_ROLES"]),
    )


@cache
def _defaults() -> DefaultRows:
    """The defaults as they are when an invocation first asks for them."""
    return DefaultRows(DynamoBudgetTable(_dynamodb(), os.environ["BUDGETS_TABLE"]), _accounts())


@cache
def _recorder() -> ResultRecorder:
    return ResultRecorder(
        statuses=_statuses(),
        reports=DynamoReportCounts(_dynamodb(), os.environ["STATUS_TABLE"]),
        audit=audit_recorder(),
        withheld=_withheld,
        clock=_now,
        payer_account_id=os.environ["PAYER_ACCOUNT_ID"],
    )


def _withheld(event: AuditEvent) -> None:
    """Keep an entry in the log, from where `finops audit recover` can send it."""
    metrics.add_metric("BudgetResultsWithheld", MetricUnit.Count, 1)
    logger.warning(
        "report is kept from the audit trail: nobody has asked for it",
        extra={"audit_entry": event.document(os.environ.get("CODE_SHA256", ""))},
    )


@cache
def _repairer() -> DriftRepairer:
    return DriftRepairer(
        table=DynamoBudgetTable(_dynamodb(), os.environ["BUDGETS_TABLE"]),
        statuses=_statuses(),
        spokes=_spokes(),
        publisher=_publisher(),
        deadlines=_deadlines(),
        removal=_removal(),
        audit=audit_recorder(),
        clock=_now,
        organization=_accounts(),
        concurrency=int(os.environ["PUBLISH_CONCURRENCY"]),
    )


@cache
def _drift_schedule() -> DriftSchedule:
    return DriftSchedule(
        table=DynamoBudgetTable(_dynamodb(), os.environ["BUDGETS_TABLE"]),
        statuses=_statuses(),
        queue=_account_queue(),
        clock=_now,
        members=_accounts().members,
    )


@cache
def _account_queue() -> SqsAccounts:
    return SqsAccounts(client("sqs"), os.environ["ACCOUNT_QUEUE_URL"])


@cache
def _applier() -> BudgetApplier:
    account_id = os.environ["ACCOUNT_ID"]
    return BudgetApplier(
        account_id=account_id,
        parameters=SsmParameters(client("ssm", retries=_PACED), os.environ["PARAMETER_PREFIX"]),
        budgets=AwsBudgets(client("budgets", retries=_PACED), account_id),
        results=EventBridgeResults(client("events"), os.environ["RESULT_BUS_ARN"]),
        topic_arn=os.environ["ALERT_TOPIC_ARN"],
        default_thresholds=_default_thresholds(os.environ["DEFAULT_THRESHOLDS"]),
        default_emails=json.loads(os.environ["DEFAULT_EMAILS"]),
        clock=_now,
    )


@cache
def _statuses() -> DynamoStatusTable:
    return DynamoStatusTable(_dynamodb(), os.environ["STATUS_TABLE"])


@cache
def _spokes() -> AssumedSpokes:
    role_name = os.environ["SPOKE_ROLE_NAME"]
    partition = os.environ.get("AWS_PARTITION", "aws")
    return AssumedSpokes(
        AssumedRoles(
            role_arn=lambda account_id: f"arn:{partition}:iam::{account_id}:role/{role_name}",
            external_id=os.environ["EXTERNAL_ID"],
            session_name=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "finops-budgets"),
            retries=_PACED,
        ),
        accounts=_accounts(),
        prefix=os.environ["PARAMETER_PREFIX"],
        role_name=role_name,
        payer_account_id=os.environ["PAYER_ACCOUNT_ID"],
    )


@cache
def _accounts() -> Accounts:
    listed = os.environ.get("SPOKE_ACCOUNT_IDS", "")
    return (
        ListedAccounts(listed.split())
        if listed
        else OrganizationAccounts(partial(client, "organizations"))
    )


@cache
def _deadlines() -> SqsDeadlines:
    return SqsDeadlines(client("sqs"), os.environ["DEADLINE_QUEUE_URL"])


@cache
def _dynamodb() -> Any:
    return client("dynamodb")


def _removal() -> RemovalPolicy:
    return RemovalPolicy(os.environ["REMOVAL_POLICY"])


def _default_thresholds(text: str) -> list[Threshold]:
    return [
        Threshold(type=NotificationType(one["type"]), percent=as_percent(one["percent"]))
        for one in json.loads(text)
    ]


def _now() -> datetime:
    return datetime.now(UTC)


def _about(key: BudgetKey, **facts: object) -> dict[str, object]:
    return {"account_id": key.account_id, "budget_name": key.budget_name, **facts}


def _drift_facts(drift: Drift) -> dict[str, object]:
    return {
        "wanted": drift.wanted,
        "actual": drift.actual,
        "reason": drift.reason,
        "repaired": drift.repaired,
        "error": drift.error,
    }


def _log_publication(change: BudgetChange, publication: Publication | Exception) -> None:
    facts = _about(change.key, version=change.version, correlation_id=change.request_id)
    if isinstance(publication, Exception):
        metrics.add_metric("BudgetPublicationsRetried", MetricUnit.Count, 1)
        logger.error("budget was not published", exc_info=publication, extra=facts)
        return
    metrics.add_metric(publication.outcome.value, MetricUnit.Count, 1)
    error = publication.error
    if error is None:
        logger.info(publication.outcome.value, extra=facts)
    else:
        level = logger.warning if isinstance(error, RejectedInput) else logger.error
        level(str(error), extra={**facts, "error_code": error.code})
