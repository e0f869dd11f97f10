"""Lambda entry point of the reconciliation flow."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from finops.audit.recorder import audit_recorder
from finops.reconciliation.adapters.s3 import S3AnswerCache, S3Files
from finops.reconciliation.adapters.ses import MailChannel
from finops.reconciliation.adapters.sns import TopicChannel
from finops.reconciliation.adapters.webhook import WebhookChannel
from finops.reconciliation.composition import Deployment, payer_roles
from finops.reconciliation.configuration import parse
from finops.reconciliation.cost_explorer import CLIENT_SETTINGS
from finops.reconciliation.delivery import Delivery
from finops.reconciliation.domain import months_due
from finops.reconciliation.service import Outcome
from finops.reconciliation.stores import Reports
from finops.shared.aws import client, with_stored_settings
from finops.shared.errors import FinOpsError, RejectedInput
from finops.shared.observability import MetricUnit, logger, metrics
from finops.shared.periods import Month

#: Clients that wait for Cost Explorer by themselves.
_COST_CLIENTS: Final = frozenset({"ce", "invoicing"})


@logger.inject_lambda_context
@metrics.log_metrics
def reconcile_month(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The schedule, {} → the running month, and the one before while it may change.

    By hand, {"month": "2026-10", "close": false, "allow_empty": false, "source": "athena",
    "requested_by": "…"} → that month; without `source`, by the deployment's.

    Returns:
        {"months": [{month, revision, actual, budget, currency, reports, is_new}]}, and where Athena
        was asked, "athena": {queries, reused, bytes_scanned, cost_usd}.
    """
    now = datetime.now(UTC)
    logger.set_correlation_id(context.aws_request_id)
    months = _months(event, now)
    with tempfile.TemporaryDirectory() as scratch:
        deployment = replace(
            _deployment(now, Path(scratch), context.aws_request_id),
            actor="reconcile-month" if event else "schedule",
            # Lambda does not say who invokes a function.
            said_to_be=str(event.get("requested_by") or ""),
        )
        done, failed = [], []
        for month, close in months:
            try:
                done.append(
                    _reconcile(
                        deployment,
                        month,
                        source=str(event.get("source") or os.environ["SOURCE"]),
                        close=close,
                        allow_empty=event.get("allow_empty") is True,
                    )
                )
            except FinOpsError as error:
                logger.exception(
                    "month could not be reconciled",
                    extra={"billing_period": str(month), "error_code": error.code},
                )
                failed.append(error)
        _log_usage(deployment)
    if failed:
        raise failed[0]
    return {"months": done, **_asked_of_athena(deployment)}


def _months(event: Mapping[str, Any], now: datetime) -> list[tuple[Month, bool]]:
    unknown = sorted(event.keys() - {"month", "close", "allow_empty", "source", "requested_by"})
    if unknown:
        raise RejectedInput(
            f"the event has unknown keys: {', '.join(unknown)}",
            code="unknown_event",
            remedy='Send {} for the months that are due, or {"month": "2026-10", "close": false}',
        )
    if "month" in event:
        return [(Month.parse(str(event["month"])), event.get("close") is True)]
    return months_due(
        now.date(),
        close_day=int(os.environ["CLOSE_DAY"]),
        watch_until_day=int(os.environ["WATCH_UNTIL_DAY"]),
    )


def _reconcile(
    deployment: Deployment, month: Month, *, source: str, close: bool, allow_empty: bool
) -> dict[str, Any]:
    files = S3Files(deployment.client("s3"), os.environ["BUCKET"])
    reconciler = deployment.reconciler(
        source,
        month=month,
        store=Reports(files),
        formats=os.environ["FORMATS"].split(","),
    )
    outcome = reconciler.run(month, now=deployment.now, close=close, allow_empty=allow_empty)
    if outcome.report.revision:
        _delivery(files, deployment.variables["MAIL_RECIPIENTS"]).announce(
            outcome.report, outcome.stored
        )
    return _described(outcome)


def _described(outcome: Outcome) -> dict[str, Any]:
    report = outcome.report
    broken = [check.name for check in report.checks if check.holds is False]
    metrics.add_metric("MonthsReconciled", MetricUnit.Count, 1)
    metrics.add_metric("ReconciliationChecksBroken", MetricUnit.Count, len(broken))
    logger.info(
        "month reconciled",
        extra={
            "billing_period": report.month,
            "revision": report.revision,
            "is_new": outcome.is_new,
            "unmapped_accounts": len(report.unmapped),
            "anomalies": len(report.anomalies),
            "broken_checks": broken,
        },
    )
    return {
        "month": report.month,
        "revision": report.revision,
        "actual": f"{report.totals.actual:f}",
        "budget": f"{report.totals.budget:f}",
        "currency": report.currency,
        "reports": dict(outcome.stored.locations),
        "is_new": outcome.is_new,
    }


def _deployment(now: datetime, scratch: Path, correlation_id: str) -> Deployment:
    s3 = client("s3")
    files = S3Files(s3, os.environ["BUCKET"])
    key = os.environ["CONFIGURATION_KEY"]
    return Deployment(
        variables=with_stored_settings(os.environ, s3),
        client=_client,
        roles=payer_roles(os.environ, session_name="reconcile-month", **CLIENT_SETTINGS),
        configuration=parse(files.read(key).decode(), name=key),
        cache=S3AnswerCache(s3, os.environ["BUCKET"]),
        now=now,
        scratch=scratch,
        audit=audit_recorder(),
        correlation_id=correlation_id,
        measure=_measure,
    )


def _measure(name: str, value: int) -> None:
    metrics.add_metric(name, MetricUnit.Count, value)


def _client(service: str) -> Any:
    settings = CLIENT_SETTINGS if service in _COST_CLIENTS else {}
    return client(service, **settings)


def _delivery(files: S3Files, mail_recipients: str) -> Delivery:
    channels: dict[str, Any] = {
        "topic": TopicChannel(client("sns"), os.environ["TOPIC_ARN"]),
    }
    recipients = [one for one in mail_recipients.split(",") if one]
    if recipients:
        channels["mail"] = MailChannel(client("ses"), os.environ["MAIL_SENDER"], recipients)
    if os.environ["WEBHOOK_SECRET_ARN"]:
        channels["webhook"] = WebhookChannel(
            client("secretsmanager"), os.environ["WEBHOOK_SECRET_ARN"]
        )
    seconds, page = int(os.environ["LINK_SECONDS"]), os.environ.get("PAGE_URL", "")

    def link(location: str) -> str:
        return page or files.link(location, seconds)

    return Delivery(marks=files, link=link, channels=channels)


def _asked_of_athena(deployment: Deployment) -> dict[str, Any]:
    engines = deployment.engines
    return {"athena": engines.athena.usage.document()} if engines.asked_athena else {}


def _log_usage(deployment: Deployment) -> None:
    for service, usage in _asked_of_athena(deployment).items():
        metrics.add_metric("AthenaBytesScanned", MetricUnit.Bytes, usage["bytes_scanned"])
        logger.info("Athena was asked", extra={service: usage})
    if os.environ["SOURCE"] != "ce":
        return
    usage = deployment.cost_explorer.usage
    metrics.add_metric("CostExplorerCalls", MetricUnit.Count, usage.calls)
    if deployment.cost_explorer.has_reached_cap:
        metrics.add_metric("SpendingCapsReached", MetricUnit.Count, 1)
    logger.info(
        "Cost Explorer was asked",
        extra={
            "calls": usage.calls,
            "throttled": usage.throttled,
            "from_cache": usage.cached,
            "cost_usd": f"{usage.cost_usd:f}",
        },
    )
