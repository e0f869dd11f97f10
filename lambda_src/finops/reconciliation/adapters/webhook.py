"""Reports announced by a webhook."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import urlparse

from finops.reconciliation.messages import webhook_message
from finops.reconciliation.report import Report
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, TransientFailure

_WEBHOOK_SECONDS: Final = 10


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
                f"the webhook answered HTTP {error.code}",
                code="webhook_refused",
                step="post_webhook",
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
                "the webhook's secret contains no URL",
                code="no_webhook_url",
                step="read_webhook_secret",
                remedy='Store the URL itself, or {"url": "…"}',
            )
        return url
