"""Incoming webhooks of chat programs, whose URLs are secrets."""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlparse

from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, TransientFailure

_WEBHOOK_SECONDS: Final = 10
#: Addresses that a gateway translates into one of IPv4, which stands in their last four bytes:
#: https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-nat64-dns64.html
_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")
#: Translation within a network (RFC 8215), tunnels (RFC 3056, RFC 7526), and forms with an IPv4
#: address that are no longer used (RFC 4291, section 2.5.5; RFC 2765, section 2.1).
_LEADING_ELSEWHERE: Final = tuple(
    ipaddress.ip_network(one)
    for one in ("64:ff9b:1::/48", "2002::/16", "192.88.99.0/24", "::/96", "::ffff:0:0:0/96")
)


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
        handlers = [urllib.request.ProxyHandler({}), _NoRedirects()]
        self._open = urllib.request.build_opener(
            *handlers, *([_PublicHandler()] if public else [])
        ).open

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
            if where.scheme != "https":
                raise _refused("is not of https")
            _require_public(where.hostname)
        return url


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect could lead where the URL itself may not."""

    def redirect_request(self, *_request: Any) -> None:
        return None


class _PublicConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        # A name may lead elsewhere than a moment ago.
        _check_public(str(self.sock.getpeername()[0]))


class _PublicHandler(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PublicConnection, request)


def _require_public(host: str) -> None:
    try:
        found = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except OSError:
        raise TransientFailure(
            "the webhook's host has no address", code="webhook_unreachable", step="post_webhook"
        ) from None
    for one in found:
        _check_public(str(one[4][0]))


def _check_public(address: str) -> None:
    found = ipaddress.ip_address(address.partition("%")[0])
    if found in _TRANSLATED:
        found = ipaddress.IPv4Address(found.packed[-4:])
    elsewhere = found.is_multicast or any(found in one for one in _LEADING_ELSEWHERE)
    if elsewhere or not found.is_global:
        raise _refused("leads to an address that is not public")


def _refused(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the webhook's URL {why}",
        code="unsafe_webhook",
        step="read_webhook_secret",
        remedy="Store the https URL of a public service",
    )
