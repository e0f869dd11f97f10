"""Telling people of a report: a topic, mail, and a webhook, each once for each revision."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlparse

from finops.reconciliation.messages import headline, subject, webhook_message
from finops.reconciliation.ports import Stored
from finops.reconciliation.report import Report
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, FinOpsError, TransientFailure
from finops.shared.observability import logger

_WEBHOOK_SECONDS: Final = 10


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """`Announcer` over channels that are set.

    Attributes:
        marks: Where it is kept what was told, by revision and channel.
        link: A URL of a report's location that opens without an account.
        channels: By name; each gets the report and the link.
    """

    marks: Marks
    link: Callable[[str], str]
    channels: Mapping[str, Callable[[Report, str], None]] = field(default_factory=dict)

    def announce(self, report: Report, stored: Stored) -> None:
        """See the port.

        Raises:
            TransientFailure: a channel failed. All others were told; the next run tells this one.
        """
        failed = []
        where = stored.locations.get("html") or next(iter(stored.locations.values()), "")
        for name, tell in self.channels.items():
            mark = f"reports/{report.month}/revision-{report.revision}-told-{name}"
            if mark in self.marks.names(mark):
                continue
            try:
                tell(report, self.link(where))
            except FinOpsError as error:
                logger.exception("report was not announced", extra={"channel": name})
                failed.append(f"{name}: {error}")
            else:
                self.marks.create(mark, b"")
        if failed:
            raise TransientFailure(
                f"the report of {report.month} is kept, but not everybody was told: "
                + "; ".join(failed),
                code="not_announced",
                step="announce_report",
            )


class Marks(Protocol):
    """Files of the report bucket."""

    def names(self, prefix: str) -> Iterable[str]:
        """The names that begin so."""

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one."""


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
                Message=_text(report, link),
                MessageAttributes={
                    "month": {"DataType": "String", "StringValue": report.month},
                    "revision": {"DataType": "Number", "StringValue": str(report.revision)},
                },
            )


class MailChannel:
    """Mail by SES."""

    def __init__(self, ses: Any, sender: str, recipients: Sequence[str]) -> None:
        self._ses = ses
        self._sender = sender
        self._recipients = recipients

    def __call__(self, report: Report, link: str) -> None:
        """Send one mail to all."""
        with aws_errors("mail_report", remedy=f"SES must know {self._sender}"):
            self._ses.send_email(
                Source=self._sender,
                Destination={"ToAddresses": list(self._recipients)},
                Message={
                    "Subject": {"Data": subject(report), "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": _text(report, link), "Charset": "UTF-8"}},
                },
            )


class WebhookChannel:
    """A Slack-compatible incoming webhook, whose URL is a secret.

    Args:
        secrets: The Secrets Manager client.
        secret_arn: Of a secret that holds the URL as it is, or as JSON `{"url": …}`.
    """

    def __init__(self, secrets: Any, secret_arn: str) -> None:
        self._secrets = secrets
        self._secret_arn = secret_arn

    def __call__(self, report: Report, link: str) -> None:
        """Post.

        Raises:
            ConfigurationError: the secret holds no URL, or nobody listens there any more.
            TransientFailure: the webhook could not be reached, or is busy.
        """
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked
            self._url(),
            data=json.dumps(webhook_message(report, link)).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_WEBHOOK_SECONDS):  # noqa: S310
                return
        except urllib.error.HTTPError as error:
            error.close()
            kind = TransientFailure if error.code in {429, *range(500, 600)} else ConfigurationError
            # The URL is a secret, and so is not named.
            raise kind(
                f"the webhook answered {error.code}", code="webhook_refused", step="post_webhook"
            ) from None
        except OSError as error:
            raise TransientFailure(
                f"the webhook could not be reached: {type(error).__name__}",
                code="webhook_unreachable",
                step="post_webhook",
            ) from None

    def _url(self) -> str:
        with aws_errors("read_webhook_secret"):
            text: str = self._secrets.get_secret_value(SecretId=self._secret_arn)["SecretString"]
        if text.lstrip().startswith("{"):
            text = str(json.loads(text).get("url", ""))
        url = text.strip()
        if urlparse(url).scheme not in {"https", "http"}:
            raise ConfigurationError(
                "the webhook's secret holds no URL",
                code="no_webhook_url",
                step="read_webhook_secret",
                remedy='Store the URL itself, or {"url": "…"}',
            )
        return url


def _text(report: Report, link: str) -> str:
    return "\n".join([*headline(report), "", f"Report: {link}", ""])
