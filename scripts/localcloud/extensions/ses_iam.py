"""Sending mail is authorized on every identity and configuration set that it concerns.

AWS: "Actions, resources, and condition keys for Amazon Simple Email Service v2"
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsimpleemailservicev2.html
and "Identity and access management in Amazon SES"
https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html

SES checks the sender's identity, the configuration set (named by the request, or the identity's
default one: https://github.com/usdigitalresponse/usdr-gost/pull/3080), and each recipient that the
same account has verified (https://github.com/cloudposse/terraform-aws-ses/issues/40). Policies can
name the sender by ``ses:FromAddress``. MiniStack checks ``ses:SendEmail`` on every resource, and
forgets default configuration sets.
"""

from __future__ import annotations

import contextvars
import json
from collections.abc import Awaitable, Callable, Iterator
from email.utils import parseaddr
from typing import Any
from urllib.parse import parse_qsl

from ministack.core import iam_actions, iam_evaluator
from ministack.services import ses, ses_v2

from localcloud.extensions._patch import Response, wrap

#: What the request at hand sends: the ARNs to check, and the request's condition keys.
_mail: contextvars.ContextVar[tuple[list[str], dict[str, Any]] | None] = contextvars.ContextVar(
    "mail", default=None
)


def _resource(
    original: Callable[..., str],
    service: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
    region: str,
    account: str,
) -> str:
    found = original(service, method, path, headers, body, query, region, account)
    if service not in {"ses", "sesv2"}:
        return found
    sender, recipients, configuration = _message(path, body)
    if not sender:
        _mail.set(None)
        return found
    arn = f"arn:aws:ses:{region}:{account}"
    identity = _identity(sender) or sender
    configuration = configuration or ses_v2._identities.get(identity, {}).get("Configuration", "")
    own = [_identity(one) for one in recipients]
    concerned = [f"{arn}:identity/{one}" for one in (identity, *own) if one]
    if configuration:
        concerned.append(f"{arn}:configuration-set/{configuration}")
    _mail.set((concerned, {"ses:FromAddress": sender, "ses:Recipients": recipients}))
    return concerned[0]


def _message(path: str, body: bytes) -> tuple[str, list[str], str]:
    """(sender, recipients, configuration set), empty for other requests.

    JSON in version 2, a form in version 1.
    """
    if not path.endswith("/outbound-emails"):
        form = dict(parse_qsl(body.decode(errors="replace")))
        if form.get("Action") != "SendEmail":
            return "", [], ""
        to = [value for name, value in form.items() if name.startswith("Destination.")]
        return (
            _address(form.get("Source", "")),
            [_address(one) for one in to],
            form.get("ConfigurationSetName", ""),
        )
    try:
        said = json.loads(body)
        to = [one for group in said.get("Destination", {}).values() for one in group]
        return (
            _address(said["FromEmailAddress"]),
            [_address(one) for one in to],
            said.get("ConfigurationSetName", ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", [], ""


def _address(text: str) -> str:
    return parseaddr(text)[1]


def _identity(address: str) -> str:
    """The verified identity of this account that an address belongs to: itself, or a domain."""
    known = {*ses._identities, *ses_v2._identities}
    return next((one for one in _candidates(address) if one in known), "")


def _candidates(address: str) -> Iterator[str]:
    yield address
    labels = address.rpartition("@")[2].lower().split(".")
    for start in range(len(labels) - 1):
        yield ".".join(labels[start:])


def _enforce(
    original: Callable[..., Any],
    access_key: str,
    action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: dict[str, Any] | None = None,
) -> Any:
    mail = _mail.get() if action in {"ses:SendEmail", "ses:SendRawEmail"} else None
    arns, keys = mail or ([resource_arn], {})
    context = {**(service_context or {}), **keys}
    refused = (original(access_key, action, service, region, arn, context) for arn in arns)
    return next((one for one in refused if one is not None), None)


async def _handle(
    original: Callable[..., Awaitable[Response]],
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
) -> Response:
    response = await original(method, path, headers, body, query)
    if (method, path) == ("POST", "/v2/email/identities") and response[0] == 200:
        said = json.loads(body)
        chosen = said.get("ConfigurationSetName", "")
        ses_v2._identities[said["EmailIdentity"]]["Configuration"] = chosen
    return response


def install() -> None:
    """Check what a message concerns."""
    wrap(iam_actions, "extract_resource_arn", _resource)
    wrap(iam_evaluator, "enforce", _enforce)
    wrap(ses_v2, "handle_request", _handle)
