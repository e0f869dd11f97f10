"""Whether two texts may mean one person."""

from __future__ import annotations

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
