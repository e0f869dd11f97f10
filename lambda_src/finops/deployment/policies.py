"""What a policy of IAM or of a resource says, as far as the doctor asks.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def statements(policy: str | Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The statements of a policy, given as JSON or as boto3 has parsed it."""
    document = json.loads(policy) if isinstance(policy, str) else policy
    found = document.get("Statement", [])
    return found if isinstance(found, list) else [found]


def principal(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    """Whom a statement is about, by kind; `*` is everybody under `AWS`."""
    found = statement.get("Principal", {})
    return found if isinstance(found, Mapping) else {"AWS": found}


def _texts(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def lets_service(policy: str | Mapping[str, Any], service: str) -> bool:
    """Whether a policy allows anything to a service of AWS."""
    return any(
        one["Effect"] == "Allow" and service in _texts(principal(one).get("Service"))
        for one in statements(policy)
    )


def refuses_plain_http(policy: str) -> bool:
    """Whether a bucket's policy denies what does not come by TLS."""
    return any(
        one["Effect"] == "Deny" and "aws:SecureTransport" in json.dumps(one.get("Condition", {}))
        for one in statements(policy)
    )
