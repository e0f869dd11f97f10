"""Whether two texts may mean one person."""

from __future__ import annotations

from uuid import NAMESPACE_DNS, uuid5

import pytest

from finops.shared.people import name_of, person, same_person

ANNA = person("anna@example.com", "6f9d")


@pytest.mark.parametrize(
    "other",
    [
        "anna@example.com",
        "Anna@Example.com <6F9D>",
        person("anna@new-address.example", "6f9d"),
        "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Finance_1/anna@example.com",
        "arn:aws:iam::111111111111:user/staff/anna@example.com",
        "AWS:AROAEXAMPLE:anna@example.com",
    ],
)
def test_a_person_is_the_same_by_id_address_or_session(other: str) -> None:
    assert same_person(ANNA, other)
    assert same_person(other, ANNA)


@pytest.mark.parametrize("other", ["", "bea@example.com <77>", "AWS:AIDAEXAMPLE", "schedule"])
def test_others_are_others_and_nobody_is_nobody(other: str) -> None:
    assert not same_person(ANNA, other)
    assert not same_person("", other)


def user(name: str, account: str = "111111111111") -> str:
    """Somebody with a user of IAM, as the caller of a function's URL."""
    return person(f"arn:aws:iam::{account}:user/{name}", f"AIDA{account}{name}")


def session(name: str) -> str:
    """Somebody of IAM Identity Center, whose directory chose the name."""
    role = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Finance_1"
    return person(f"{role}/{name}", "")


def login(address: str) -> str:
    """Somebody of the console, each with a `sub` of their own."""
    return person(address, str(uuid5(NAMESPACE_DNS, address)))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (user("anna"), login("anna@example.com"), True),
        (user("Anna"), login("ANNA+aws@example.com"), True),
        (user("anna+aws@example.com"), login("anna@example.com"), True),
        (user("anna", "222222222222"), user("anna"), True),
        (user("anna-lee"), login("anna.lee@example.com"), True),
        (user("anna_lee"), session("annalee"), True),
        (session("anna"), login("anna@example.com"), True),
        (session("anna"), user("anna"), True),
        (session("Anna.Lee"), login("anna.lee@example.com"), True),
        (session("anna@tenant.example"), login("anna@example.com"), True),
        (session("anna@example.com"), user("anna"), True),
        ("AWS:AROAFINANCE:anna", login("anna@example.com"), True),
        ("anna@elsewhere.example", login("anna@example.com"), True),
        ("\uff41nna", login("anna@example.com"), True),
        (login("anna+1@example.com"), login("anna+2@example.com"), True),
        (login("anna.lee@example.com"), login("annalee@Example.com"), True),
        ("arn:aws:iam::1:root <1>", "arn:aws:iam::2:root <2>", True),
        (login("anna@example.com"), login("anna@example.org"), False),
        (login("anna@example.com"), login("bea@example.com"), False),
        (login("anna@example.com"), user("bea"), False),
        (login("anna@example.com"), session("bea@example.com"), False),
        (session("anna@example.com"), session("bea@example.com"), False),
        (user("anna"), user("bea"), False),
        (user("anna"), user("joanna"), False),
        ("...", "___", False),
    ],
)
def test_a_name_that_may_be_the_same_persons_is_nobody_elses(
    one: str, other: str, *, same: bool
) -> None:
    assert same_person(one, other) is same
    assert same_person(other, one) is same


EVE = person("arn:aws:iam::111111111111:user/eve", "AIDAEVE")
ALICE = person("arn:aws:sts::111111111111:assumed-role/Finance/alice", "")


@pytest.mark.parametrize(
    ("caller", "uploader", "same"),
    [
        (EVE, "AWS:AIDAEVE", True),
        (EVE, "AWS:AIDAOTHER", False),
        (ALICE, "AWS:AROAFINANCE:alice", True),
        (ALICE, "AWS:AROAFINANCE:bob", False),
        (ALICE, "AWS:AROAOTHER:alice", True),
    ],
)
def test_the_caller_of_a_command_is_the_uploader_by_the_unique_id(
    caller: str, uploader: str, same: bool
) -> None:
    """S3's events name ids and no ARNs. Many people assume one role, each in an own session."""
    assert same_person(caller, uploader) is same


def test_a_name_cannot_bring_an_id_of_its_own() -> None:
    """A user name is free text on a local cloud, and in some directories."""
    forged = person("eve <6f9d>", "77")
    assert forged == "eve 6f9d <77>"
    assert not same_person(forged, ANNA)


def test_the_name_is_shown() -> None:
    assert name_of(ANNA) == "anna@example.com"
    assert name_of("arn:aws:iam::111111111111:root") == "arn:aws:iam::111111111111:root"
