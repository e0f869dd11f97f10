"""Reports announced by SNS."""

from __future__ import annotations

from typing import Any

from finops.reconciliation.messages import body, subject
from finops.reconciliation.report import Report
from finops.shared.aws import aws_errors


class TopicChannel:
    """An SNS topic: its mail subscribers read the message as it is."""

    def __init__(self, sns: Any, topic_arn: str) -> None:
        self._sns = sns
        self._topic_arn = topic_arn

    def __call__(self, report: Report, link: str) -> None:
        """Publish."""
        with aws_errors("publish_report"):
            self._sns.publish(
                TopicArn=self._topic_arn,
                Subject=subject(report),
                Message=body(report, link),
                MessageAttributes={
                    "month": {"DataType": "String", "StringValue": report.month},
                    "revision": {"DataType": "Number", "StringValue": str(report.revision)},
                },
            )
