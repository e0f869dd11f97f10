"""Lambda entry point of the notifier: alarms reach people's chat."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from finops.alarms.messages import Notice, slack, teams
from finops.shared.aws import client
from finops.shared.observability import MetricUnit, logger, metrics
from finops.shared.webhook import Webhook

_FORMATS: Final = {"slack": slack, "teams": teams}


@logger.inject_lambda_context
@metrics.log_metrics
def notify_operators(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Notification of the alarms' topic → the webhook: {"posted": n}.

    A message that cannot be posted fails the call: Lambda tries it twice again, and then puts it
    into the failure queue.
    """
    form = _FORMATS[os.environ["FORMAT"]]
    for record in event["Records"]:
        said = record["Sns"]
        notice = Notice.read(
            said["Message"], subject=said.get("Subject") or "", region=os.environ["AWS_REGION"]
        )
        logger.set_correlation_id(said["MessageId"])
        _webhook().post(form(notice))
        metrics.add_metric("AlarmsPosted", MetricUnit.Count, 1)
        logger.info("alarm posted", extra={"title": notice.title})
    return {"posted": len(event["Records"])}


@cache
def _webhook() -> Webhook:
    return Webhook(
        client("secretsmanager"),
        os.environ["WEBHOOK_SECRET_ARN"],
        public=os.environ["PRIVATE_ADDRESSES"] != "true",
    )
