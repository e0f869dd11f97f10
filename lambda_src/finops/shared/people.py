"""Who did something, as one text, and whether two texts mean one person.

- `NAME <ID>`: a person of the console, by the verified claims: a name, and Cognito's `sub`, which
  never changes: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
- `ARN <ID>`, `ARN <ID ID>`, or an assumed role's ARN: the caller of a command, by
  `sts:GetCallerIdentity`, or of a function's URL:
  https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
- `AWS:ID` or `AWS:ID:SESSION`: the principal in an S3 event, with the same ID:
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
- a function's name, or `schedule`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

_PERSON: Final = re.compile(r"([^<>]*)<([^<>]+)>")
_ROLE_SESSION: Final = re.compile(r"aroa[0-9a-z]*:(.+)")
_ROLE: Final = re.compile(r"arn:[^:/]*:sts::[0-9]*:assumed-role/([^/]+)/.*")
_FEDERATED: Final = re.compile(r"arn:[^:/]*:sts::[0-9]*:federated-user/.*")
#: The roles of IAM Identity Center, which itself names each session after its person:
#: https://docs.aws.amazon.com/singlesignon/latest/userguide/using-service-linked-roles.html
PERSONAL_SESSION_ROLES: Final = ("AWSReservedSSO_*",)
_SESSION_OR_USER: Final = re.compile(r"arn:[^/]*:(?:assumed-role|user)/.*")
_ROOT: Final = re.compile(r"arn:[^:/]*:iam::[0-9]*:root")
#: A tag of an address, and what people write between the parts of a name or leave out.
_TAG_OR_SEPARATOR: Final = re.compile(r"\+.*|[._-]", re.DOTALL)


def person(name: str, identifier: str) -> str:
    """A person by name and by what never changes; the name alone where nothing else is known."""
    plain = name.replace("<", "").replace(">", "").strip()
    return f"{plain} <{identifier}>" if identifier else plain


def name_of(text: str) -> str:
    """The name to show."""
    found = _PERSON.fullmatch(text)
    return found[1].strip() if found else text


def chose_own_name(text: str, personal_session_roles: Iterable[str]) -> bool:
    """Whether a person may have chosen the name that tells them from others.

    Whoever assumes a role names the session, unless the role's trust policy prescribes the name:
    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    A user who asks for a federated session names it, too:
    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html

    Args:
        text: The person.
        personal_session_roles: Patterns of the names of roles whose sessions have their person's
            name for certain, such as `AWSReservedSSO_*`.
    """
    arn = name_of(text).strip()
    found = _ROLE.fullmatch(arn)
    if found is None:
        return bool(_FEDERATED.fullmatch(arn))
    return not any(fnmatchcase(found[1], one) for one in personal_session_roles)


def same_person(one: str, other: str) -> bool:
    """Whether two texts may mean the same person; an empty text means nobody.

    A doubt counts as yes, because it only asks for somebody else. Names are compared without case,
    tags (`ann+aws`) and separators. The console knows people by address; elsewhere they have a name
    that their directory chose: `ann`, `ann@corp.example`, or `ann@corp.onmicrosoft.example`. So an
    address is compared whole with another one of the console, whose addresses are verified, and
    with any other name by what stands before the `@`.
    """
    if not _names(one).isdisjoint(_names(other)):
        return True
    whole = _is_verified(one) and _is_verified(other)
    return not _aliases(one, whole=whole).isdisjoint(_aliases(other, whole=whole))


def is_caller(actor: str, sender: str) -> bool:
    """Whether an actor, as `sts:GetCallerIdentity` names them, has the unique id `sender`.

    Unlike `same_person`, a doubt counts as no: whoever assumes a role may call the session `cfo`.
    """
    if found := _PERSON.fullmatch(actor):
        return found[2] == sender
    return bool(_ROLE.fullmatch(actor)) and actor.rpartition("/")[2] == sender.partition(":")[2]


def _names(text: str) -> set[str]:
    """What a person is known by, in one case: Cognito's addresses may differ in case alone."""
    known = text.strip().casefold()
    if found := _PERSON.fullmatch(known):
        return set().union(_names(found[1]), *map(_names, found[2].split()))
    known = known.removeprefix("aws:")
    names = {known}
    if _SESSION_OR_USER.fullmatch(known):
        names.add(known.rpartition("/")[2])
    elif found := _ROLE_SESSION.fullmatch(known):
        # Not the role's id alone: many people may assume one role.
        names.add(found[1])
    elif _ROOT.fullmatch(known):
        # Who has the password, for whichever account, is in no name.
        names.add("root")
    return names - {""}


def _is_verified(text: str) -> bool:
    """Whether it is a person of the console, by a verified address and `sub`."""
    found = _PERSON.fullmatch(text.strip())
    return found is not None and "@" in found[1] and not found[1].startswith("arn:")


def _aliases(text: str, *, whole: bool) -> set[str]:
    """What a person may be called as well; addresses with their domains where `whole`."""
    found: set[str] = set()
    for name in _names(text):
        local, at, domain = unicodedata.normalize("NFKC", name).casefold().rpartition("@")
        plain = _TAG_OR_SEPARATOR.sub("", local if at else domain)
        if plain and ":" not in name:
            found.add(f"{plain}@{domain}" if whole else plain)
    return found
