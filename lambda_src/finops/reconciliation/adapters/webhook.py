"""Reports announced by a webhook."""

from __future__ import annotations

from typing import Any

from finops.reconciliation.messages import webhook_message
from finops.reconciliation.report import Report
from finops.shared.webhook import Webhook


class WebhookChannel:
    """A Slack-compatible incoming webhook, as `finops.shared.webhook.Webhook` makes it."""

    def __init__(self, secrets: Any, secret_arn: str, *, public: bool = True) -> None:
        self._webhook = Webhook(secrets, secret_arn, public=public)

    def __call__(self, report: Report, link: str) -> None:
        self._webhook.post(webhook_message(report, link))
