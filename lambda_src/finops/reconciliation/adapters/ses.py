"""Reports announced by SES."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finops.reconciliation.messages import body, subject
from finops.reconciliation.report import Report
from finops.shared.aws import aws_errors


class MailChannel:
    """Mail by SES."""

    def __init__(self, ses: Any, sender: str, recipients: Sequence[str]) -> None:
        self._ses = ses
        self._sender = sender
        self._recipients = recipients

    def __call__(self, report: Report, link: str) -> None:
        """Send one mail to all."""
        with aws_errors("mail_report", remedy=f"Verify {self._sender} in SES"):
            self._ses.send_email(
                Source=self._sender,
                Destination={"ToAddresses": list(self._recipients)},
                Message={
                    "Subject": {"Data": subject(report), "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": body(report, link), "Charset": "UTF-8"}},
                },
            )
