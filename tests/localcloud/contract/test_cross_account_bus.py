"""https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.localcloud.contract.aws import REGION, Account, Queue, allow, policy, unique

pytestmark = pytest.mark.needs("cross_account_bus")


class Bus:
    """A bus of the management account, whose events go to a queue."""

    def __init__(self, account: Account) -> None:
        self.name, self.account = unique("contract"), account
        self.events = account.client("events")
        self.arn = self.events.create_event_bus(Name=self.name)["EventBusArn"]
        self.queue: Queue = account.queue(may_send="events.amazonaws.com")
        account.rule({"source": ["finops.budgets"]}, self.queue.arn, bus=self.name)

    def permit(self, principal: Any, condition: dict[str, Any] | None = None) -> None:
        statement = {
            "Sid": "Spokes",
            "Effect": "Allow",
            "Principal": principal,
            "Action": "events:PutEvents",
            "Resource": self.arn,
            **({"Condition": condition} if condition else {}),
        }
        self.events.put_permission(EventBusName=self.name, Policy=policy(statement))

    def send(
        self,
        sender: Account,
        *,
        source: str = "finops.budgets",
        detail_type: str = "Budget Result",
        credentials: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        entry = {
            "EventBusName": self.arn,
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps({"budget_name": "b"}),
        }
        answer = sender.client("events", credentials).put_events(Entries=[entry])
        assert answer["FailedEntryCount"] == sum("ErrorCode" in e for e in answer["Entries"])
        return dict(answer["Entries"][0])


@pytest.fixture
def bus(management: Account) -> Bus:
    return Bus(management)


def root(account: Account) -> dict[str, str]:
    return {"AWS": f"arn:aws:iam::{account.id}:root"}


def test_a_permitted_account_delivers_with_its_own_account_number(bus: Bus, spoke: Account) -> None:
    bus.permit(root(spoke))
    assert bus.send(spoke)["EventId"]
    (event,) = bus.queue.bodies(1)
    assert event["account"] == spoke.id
    assert event["region"] == REGION
    assert (event["source"], event["detail-type"]) == ("finops.budgets", "Budget Result")
    assert event["detail"] == {"budget_name": "b"}


def test_another_regions_endpoint_does_not_reach_the_bus(bus: Bus, spoke: Account) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html."""
    bus.permit(root(spoke))
    elsewhere = spoke.client("events", region="eu-west-1")
    entry = {"EventBusName": bus.arn, "Source": "finops.budgets", "DetailType": "x", "Detail": "{}"}
    assert elsewhere.put_events(Entries=[entry])["FailedEntryCount"] == 1
    assert bus.queue.messages() == []


def test_an_account_that_the_policy_does_not_name_is_refused(
    bus: Bus, spoke: Account, foreign: Account
) -> None:
    bus.permit(root(spoke))
    assert bus.send(foreign)["ErrorCode"] == "AccessDeniedException"
    assert bus.queue.messages() == []


def test_a_bus_without_a_policy_accepts_nothing_from_other_accounts(
    bus: Bus, spoke: Account
) -> None:
    assert bus.send(spoke)["ErrorCode"] == "AccessDeniedException"


def test_conditions_hold_the_sender_to_its_source_and_detail_type(bus: Bus, spoke: Account) -> None:
    bus.permit(
        root(spoke),
        {
            "StringEquals": {
                "events:source": "finops.budgets",
                "events:detail-type": "Budget Result",
            }
        },
    )
    assert "EventId" in bus.send(spoke)
    assert bus.send(spoke, source="finops.billing")["ErrorCode"] == "AccessDeniedException"
    assert bus.send(spoke, detail_type="Other")["ErrorCode"] == "AccessDeniedException"
    assert len(bus.queue.take(1)) == 1


def test_an_organizations_accounts_may_send_and_others_may_not(bus: Bus, spoke: Account) -> None:
    manager = Account("444444444444", spoke.endpoint_url)
    organizations = manager.client("organizations")
    organization = organizations.describe_organization()["Organization"]["Id"]
    status = organizations.create_account(
        Email=f"{unique('contract')}@example.com", AccountName="spoke"
    )["CreateAccountStatus"]
    member = Account(status["AccountId"], spoke.endpoint_url)

    bus.permit("*", {"StringEquals": {"aws:PrincipalOrgID": organization}})
    assert "EventId" in bus.send(member)
    assert "EventId" in bus.send(manager)
    assert bus.send(spoke)["ErrorCode"] == "AccessDeniedException"


def test_aws_sources_are_reserved(bus: Bus, spoke: Account) -> None:
    bus.permit(root(spoke))
    refused = bus.send(spoke, source="aws.ssm")
    assert refused["ErrorCode"] == "NotAuthorizedForSourceException"


def test_the_senders_role_needs_put_events_on_the_bus(bus: Bus, spoke: Account) -> None:
    bus.permit(root(spoke))
    with_it = spoke.assume(spoke.role(allow("events:PutEvents", bus.arn)))
    without = spoke.assume(spoke.role(allow("events:PutEvents", f"{bus.arn}-other")))
    assert "EventId" in bus.send(spoke, credentials=with_it)
    events = spoke.client("events", without)
    with pytest.raises(events.exceptions.ClientError, match="AccessDenied"):
        bus.send(spoke, credentials=without)


def test_own_and_foreign_entries_of_one_call_are_answered_in_order(
    bus: Bus, spoke: Account
) -> None:
    bus.permit(root(spoke))
    entry = {"Source": "finops.budgets", "DetailType": "Budget Result", "Detail": "{}"}
    answer = spoke.client("events").put_events(
        Entries=[
            entry,
            {**entry, "EventBusName": f"{bus.arn}-missing"},
            {**entry, "EventBusName": bus.arn},
        ]
    )
    assert answer["FailedEntryCount"] == 1
    assert [sorted(e) for e in answer["Entries"]] == [
        ["EventId"],
        ["ErrorCode", "ErrorMessage"],
        ["EventId"],
    ]


def test_the_policy_is_described_as_it_was_put(bus: Bus, spoke: Account) -> None:
    bus.permit(root(spoke), {"StringEquals": {"events:source": "finops.budgets"}})
    described = json.loads(bus.events.describe_event_bus(Name=bus.name)["Policy"])
    (statement,) = described["Statement"]
    assert statement["Principal"] == root(spoke)
    assert statement["Condition"] == {"StringEquals": {"events:source": "finops.budgets"}}
    bus.events.remove_permission(EventBusName=bus.name, StatementId="Spokes")
    assert "Policy" not in bus.events.describe_event_bus(Name=bus.name)
