"""What a policy of IAM or of a resource says, as far as the doctor asks.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

_LISTS: Final = ("Action", "NotAction", "Resource", "NotResource")


def statements(policy: str | Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The statements of a policy, given as JSON or as boto3 has parsed it."""
    document = json.loads(policy) if isinstance(policy, str) else policy
    found = document.get("Statement", [])
    return found if isinstance(found, list) else [found]


def principal(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    """Whom a statement is about, by kind; `*` is everybody under `AWS`."""
    found = statement.get("Principal", {})
    return found if isinstance(found, Mapping) else {"AWS": found}


def policy_digest(policy: str | Mapping[str, Any]) -> str:
    """SHA-256 of what a role's policy says, as modules/lambda_function/iam.tf makes it.

    The order of statements and of what they list says nothing, and Terraform's provider changes no
    policy for it: https://github.com/hashicorp/awspolicyequivalence
    """
    said = sorted(
        _jsonencode(
            [
                one.get("Sid", ""),
                one["Effect"],
                *(sorted(_texts(one.get(name))) for name in _LISTS),
                [
                    [test, [[key, sorted(_texts(values))] for key, values in sorted(keys.items())]]
                    for test, keys in sorted(one.get("Condition", {}).items())
                ],
            ]
        )
        for one in statements(policy)
    )
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _jsonencode(value: Any) -> str:
    """As https://developer.hashicorp.com/terraform/language/functions/jsonencode writes it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for one in "<>&\u2028\u2029":
        text = text.replace(one, f"\\u{ord(one):04x}")
    return text


def allowed_actions(policy: str | Mapping[str, Any]) -> list[str]:
    """The actions that a policy's statements allow, patterns as they stand."""
    return sorted(
        {
            action
            for one in statements(policy)
            if one["Effect"] == "Allow"
            for action in _texts(one.get("Action"))
        }
    )


def _texts(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def services(policy: str | Mapping[str, Any]) -> set[str]:
    """The services of AWS to which a policy allows anything."""
    return {
        service
        for one in statements(policy)
        if one["Effect"] == "Allow"
        for service in _texts(principal(one).get("Service"))
    }


def refused_actions(
    policy: str | Mapping[str, Any], service: str, actions: Iterable[str]
) -> list[str]:
    """Which of these actions a policy of a resource, or a role's trust, refuses to a service."""
    theirs = [
        # Such a policy is about its own resource, which a trust does not name at all.
        {**one, "Resource": "*"}
        for one in statements(policy)
        if service in _texts(principal(one).get("Service")) or _is_about_everybody(one)
    ]
    return [action for action in actions if not allows(theirs, action)]


def _is_about_everybody(statement: Mapping[str, Any]) -> bool:
    """`*` and `{"AWS": "*"}` are the same; a condition may leave services out.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    return "*" in _texts(principal(statement).get("AWS")) and not statement.get("Condition")


def allows(those: Iterable[Mapping[str, Any]], action: str) -> bool:
    """Whether statements allow an action on anything, and none denies it on everything."""
    allowed = False
    for one in those:
        matches = any(
            fnmatchcase(action.lower(), pattern.lower()) for pattern in _texts(one.get("Action"))
        )
        if "NotAction" in one:
            matches = not any(
                fnmatchcase(action.lower(), pattern.lower()) for pattern in _texts(one["NotAction"])
            )
        if matches and one["Effect"] == "Deny" and _is_everywhere(one):
            return False
        allowed = allowed or (matches and one["Effect"] == "Allow")
    return allowed


def _is_everywhere(statement: Mapping[str, Any]) -> bool:
    return "*" in _texts(statement.get("Resource")) and not statement.get("Condition")


def refuses_plain_http(policy: str) -> bool:
    """Whether a bucket's policy denies what does not come by TLS."""
    return any(
        one["Effect"] == "Deny" and "aws:SecureTransport" in json.dumps(one.get("Condition", {}))
        for one in statements(policy)
    )
