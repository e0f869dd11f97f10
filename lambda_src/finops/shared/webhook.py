"""Incoming webhooks of chat programs, whose URLs are secrets."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlparse

from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, TransientFailure
from finops.shared.public_web import NotPublicError, opener, require_public

_WEBHOOK_SECONDS: Final = 10


class Webhook:
    """An incoming webhook, whose URL is a secret.

    Args:
        secrets: The Secrets Manager client.
        secret_arn: Of a secret that holds the URL as it is, or as JSON `{"url": …}`.
        public: Whether the URL must be of https and lead to public addresses, so that whoever may
            write the secret reaches nothing that only the function can reach.
    """

    def __init__(self, secrets: Any, secret_arn: str, *, public: bool = True) -> None:
        self._secrets = secrets
        self._secret_arn = secret_arn
        self._public = public
        self._open = opener(public=public).open

    def post(self, document: Mapping[str, Any]) -> None:
        """Post a message, as JSON in the form that the chat program takes.

        Raises:
            ConfigurationError: the secret holds no URL, or nobody listens there any more.
            TransientFailure: the webhook could not be reached, or is busy.
        """
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked
            self._url(),
            data=json.dumps(document).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with self._open(request, timeout=_WEBHOOK_SECONDS):
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
        except NotPublicError as error:
            raise _refused(str(error)) from None
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
        where = urlparse(url)
        if where.scheme not in {"https", "http"} or not where.hostname:
            raise ConfigurationError(
                "the webhook's secret contains no URL",
                code="no_webhook_url",
                step="read_webhook_secret",
                remedy='Store the URL itself, or {"url": "…"}',
            )
        if self._public:
            try:
                require_public(url)
            except NotPublicError as error:
                raise _refused(str(error)) from None
            except OSError:
                raise TransientFailure(
                    "the webhook's host has no address",
                    code="webhook_unreachable",
                    step="post_webhook",
                ) from None
        return url


def _refused(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the webhook's URL {why}",
        code="unsafe_webhook",
        step="read_webhook_secret",
        remedy="Store the https URL of a public service",
    )
