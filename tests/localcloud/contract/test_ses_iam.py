"""https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html.

What is checked besides the sender's identity: the configuration set
(https://github.com/usdigitalresponse/usdr-gost/pull/3080), and recipients that the same account has
verified (https://github.com/cloudposse/terraform-aws-ses/issues/40).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.localcloud.contract.aws import (
    MANAGEMENT,
    REGION,
    Account,
    Statement,
    allow,
    error_code,
    unique,
)

pytestmark = pytest.mark.needs("ses_iam")


def test_mail_is_sent_only_from_an_identity_that_the_role_may_use(management: Account) -> None:
    sender = f"{unique('sender')}@example.com"
    management.client("sesv2").create_email_identity(EmailIdentity=sender)
    identity = f"arn:aws:ses:{REGION}:{MANAGEMENT}:identity/{sender}"

    def send(resource: str) -> None:
        role = management.role(allow("ses:SendEmail", resource))
        management.client("sesv2", management.assume(role)).send_email(
            FromEmailAddress=sender,
            Destination={"ToAddresses": ["somebody@example.com"]},
            Content={
                "Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}},
            },
        )

    send(identity)
    other = partial(send, f"{identity}.other")
    assert error_code(other) == "AccessDeniedException"


def test_the_first_version_of_the_api_has_the_same_rule(management: Account) -> None:
    sender = f"{unique('sender')}@example.com"
    management.client("ses").verify_email_identity(EmailAddress=sender)
    identity = f"arn:aws:ses:{REGION}:{MANAGEMENT}:identity/{sender}"

    def send(resource: str) -> None:
        role = management.role(allow("ses:SendEmail", resource))
        management.client("ses", management.assume(role)).send_email(
            Source=f"Reports <{sender}>",
            Destination={"ToAddresses": ["somebody@example.com"]},
            Message={"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}},
        )

    send(identity)
    other = partial(send, f"{identity}.other")
    assert error_code(other) == "AccessDenied"


def sending(management: Account, statement: Statement, sender: str, **rest: Any) -> Any:
    """A call that sends mail as a role with the statement."""
    mail = {
        "FromEmailAddress": sender,
        "Destination": {"ToAddresses": ["somebody@elsewhere.example.net"]},
        "Content": {"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}},
    }
    role = management.role(statement)
    return partial(
        management.client("sesv2", management.assume(role)).send_email, **{**mail, **rest}
    )


@pytest.mark.parametrize("default", [False, True], ids=["named", "default"])
def test_the_configuration_set_is_checked_too(management: Account, *, default: bool) -> None:
    ses, name = management.client("sesv2"), unique("set")
    ses.create_configuration_set(ConfigurationSetName=name)
    named = {"ConfigurationSetName": name}
    sender = f"{unique('sender')}@example.com"
    ses.create_email_identity(EmailIdentity=sender, **(named if default else {}))
    arn = f"arn:aws:ses:{REGION}:{MANAGEMENT}"
    asked = {} if default else named
    alone = sending(management, allow("ses:SendEmail", f"{arn}:identity/{sender}"), sender, **asked)
    assert error_code(alone) == "AccessDeniedException"
    both = [f"{arn}:identity/{sender}", f"{arn}:configuration-set/{name}"]
    assert sending(management, allow("ses:SendEmail", both), sender, **asked)()["MessageId"]


@pytest.mark.parametrize("identity", ["customer@{domain}", "{domain}"])
def test_a_recipient_that_the_account_has_verified_is_checked_too(
    management: Account, identity: str
) -> None:
    ses, domain = management.client("sesv2"), f"{unique('customer')}.example.com"
    sender = f"{unique('sender')}@example.com"
    for one in (sender, identity.format(domain=domain)):
        ses.create_email_identity(EmailIdentity=one)
    to = {"Destination": {"ToAddresses": [f"customer@{domain}"]}}
    own = f"arn:aws:ses:{REGION}:{MANAGEMENT}:identity/{sender}"
    alone = sending(management, allow("ses:SendEmail", own), sender, **to)
    assert error_code(alone) == "AccessDeniedException"

    # The condition names who may be the sender, whichever resources the message concerns.
    def may_send_as(address: str) -> Statement:
        return {
            **allow("ses:SendEmail", f"arn:aws:ses:{REGION}:{MANAGEMENT}:identity/*"),
            "Condition": {"StringEquals": {"ses:FromAddress": address}},
        }

    assert sending(management, may_send_as(sender), sender, **to)()["MessageId"]
    other = sending(management, may_send_as("other@example.com"), sender, **to)
    assert error_code(other) == "AccessDeniedException"
