"""Notifications of subscribers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from finops.invoices.domain import InvoiceRecord, InvoiceStatus
from finops.invoices.messages import message
from finops.shared.aws import aws_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """The ARN of the topic for each kind of event."""

    success: str
    failure: str
    review: str

    def of(self, event: str) -> str:
        """The ARN of the topic for an event."""
        if event == InvoiceStatus.PROCESSED.value:
            return self.success
        return self.review if event.startswith(("NEEDS_REVIEW", "REVIEW")) else self.failure


class SnsNotifications:
    """`NotificationChannel` to the subscribers of the topics."""

    name = "topics"

    def __init__(self, sns: Any, topics: Topics) -> None:
        self._sns = sns
        self._topics = topics

    def send(self, record: InvoiceRecord, event: str) -> bool:
        notice = message(record, event)
        with aws_errors("publish"):
            self._sns.publish(
                TopicArn=self._topics.of(event),
                Subject=notice.subject,
                MessageStructure="json",
                # E-mail subscribers get the text, all others the data.
                Message=json.dumps(
                    {
                        "default": json.dumps(notice.data),
                        "email": notice.text,
                        "sms": notice.subject,
                    }
                ),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in notice.attributes.items()
                },
            )
        return True
