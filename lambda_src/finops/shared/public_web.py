"""Requests that reach public services, and nothing that only the function can reach.

Their URLs are settings of a deployment, or secrets that somebody else may write.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import urllib.request
from typing import Any, Final
from urllib.parse import urlparse

#: Addresses that a gateway translates into one of IPv4, which stands in their last four bytes:
#: https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-nat64-dns64.html
_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")
#: Translation within a network (RFC 8215), tunnels (RFC 3056, RFC 7526), and forms with an IPv4
#: address that are no longer used (RFC 4291, section 2.5.5; RFC 2765, section 2.1).
_LEADING_ELSEWHERE: Final = tuple(
    ipaddress.ip_network(one)
    for one in ("64:ff9b:1::/48", "2002::/16", "192.88.99.0/24", "::/96", "::ffff:0:0:0/96")
)


class NotPublicError(Exception):
    """What a URL does that it may not, such as: is not of https."""


def opener(*, public: bool = True) -> urllib.request.OpenerDirector:
    """What opens URLs, without proxies, and follows no redirect: that is an HTTPError.

    Args:
        public: Whether a connection to another address than a public one is refused by
            `NotPublicError`, also where its name led elsewhere a moment ago.
    """
    handlers = [urllib.request.ProxyHandler({}), _NoRedirects()]
    return urllib.request.build_opener(*handlers, *([_PublicHandler()] if public else []))


def require_public(url: str) -> None:
    """Refuse a URL that is not of https, or leads to an address that is not public.

    Raises:
        NotPublicError: with the reason.
        OSError: its host has no address.
    """
    where = urlparse(url)
    if where.scheme != "https" or not where.hostname:
        raise NotPublicError("is not of https")
    for one in socket.getaddrinfo(where.hostname, 443, type=socket.SOCK_STREAM):
        check_public(str(one[4][0]))


def check_public(address: str) -> None:
    """Refuse an address that is not public.

    Raises:
        NotPublicError: it is private, or leads to such a one.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if found in _TRANSLATED:
        found = ipaddress.IPv4Address(found.packed[-4:])
    elsewhere = found.is_multicast or any(found in one for one in _LEADING_ELSEWHERE)
    if elsewhere or not found.is_global:
        raise NotPublicError("leads to an address that is not public")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect could lead where the URL itself may not."""

    def redirect_request(self, *_request: Any) -> None:
        return None


class _PublicConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        # A name may lead elsewhere than a moment ago.
        check_public(str(self.sock.getpeername()[0]))


class _PublicHandler(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PublicConnection, request)
