"""https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html."""

from __future__ import annotations

from functools import partial

import pytest

from tests.localcloud.contract.aws import (
    MANAGEMENT,
    REGION,
    Account,
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
