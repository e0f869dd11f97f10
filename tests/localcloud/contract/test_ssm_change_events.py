"""https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html."""

from __future__ import annotations

from typing import Any

import pytest

from tests.localcloud.contract.aws import REGION, Account, Queue, unique

pytestmark = pytest.mark.needs("ssm_change_events")


def watch(account: Account, prefix: str) -> Queue:
    queue = account.queue(may_send="events.amazonaws.com")
    account.rule(
        {
            "source": ["aws.ssm"],
            "detail-type": ["Parameter Store Change"],
            "detail": {"name": [{"prefix": prefix}]},
        },
        queue.arn,
    )
    return queue


def summary(event: dict[str, Any]) -> tuple[str, str, str]:
    detail = event["detail"]
    return detail["operation"], detail["name"], detail["type"]


def test_every_change_of_a_parameter_is_an_event_in_its_account(spoke: Account) -> None:
    prefix = f"/{unique('contract')}"
    queue, ssm = watch(spoke, prefix), spoke.client("ssm")
    name, others = f"{prefix}/budget", [f"{prefix}/a", f"{prefix}/b"]

    ssm.put_parameter(Name=name, Value="1", Type="String")
    ssm.put_parameter(Name=name, Value="2", Overwrite=True)
    ssm.delete_parameter(Name=name)
    for other in others:
        ssm.put_parameter(Name=other, Value="1", Type="StringList")
    ssm.delete_parameters(Names=[*others, f"{prefix}/missing"])

    events = queue.bodies(7)
    assert sorted(map(summary, events)) == sorted(
        [
            ("Create", name, "String"),
            ("Update", name, "String"),
            ("Delete", name, "String"),
            *[(operation, o, "StringList") for o in others for operation in ("Create", "Delete")],
        ]
    )
    create = next(event for event in events if summary(event) == ("Create", name, "String"))
    assert create["source"] == "aws.ssm"
    assert create["account"] == spoke.id
    assert create["region"] == REGION
    assert create["resources"] == [f"arn:aws:ssm:{REGION}:{spoke.id}:parameter{name}"]
    assert set(create["detail"]) <= {"name", "type", "operation", "description"}  # no value


def test_a_refused_change_makes_no_event(spoke: Account) -> None:
    prefix = f"/{unique('contract')}"
    queue, ssm = watch(spoke, prefix), spoke.client("ssm")
    ssm.put_parameter(Name=f"{prefix}/x", Value="1", Type="String")
    with pytest.raises(ssm.exceptions.ParameterAlreadyExists):
        ssm.put_parameter(Name=f"{prefix}/x", Value="2", Type="String")
    ssm.put_parameter(Name=f"{prefix}/last", Value="1", Type="String")

    assert [summary(event)[:2] for event in queue.bodies(2)] == [
        ("Create", f"{prefix}/x"),
        ("Create", f"{prefix}/last"),
    ]


def test_other_accounts_do_not_see_the_event(spoke: Account, foreign: Account) -> None:
    prefix = f"/{unique('contract')}"
    here, there = watch(spoke, prefix), watch(foreign, prefix)
    spoke.client("ssm").put_parameter(Name=f"{prefix}/x", Value="1", Type="String")
    here.next()
    assert there.messages() == []
