"""What the doctor tells of the console's certificate."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from finops.deployment.examination import Severity
from tests.deployment.fake_aws import FakeAws, findings

CERTIFICATE = "arn:aws:acm:eu-central-1:111111111111:certificate/1"


@pytest.fixture
def console(aws: FakeAws) -> FakeAws:
    """A console whose certificate ends in a year."""
    aws.answers |= {
        "describe_load_balancers": {"LoadBalancers": [{"LoadBalancerArn": "arn:lb"}]},
        "describe_listeners": {
            "Listeners": [
                {"Port": 80},
                {"Port": 443, "Certificates": [{"CertificateArn": CERTIFICATE}]},
            ]
        },
        "describe_certificate": {
            "Certificate": {"Status": "ISSUED", "NotAfter": datetime(2027, 3, 4, tzinfo=UTC)}
        },
    }
    return aws


def test_a_deployment_without_a_console_needs_no_certificate(aws: FakeAws) -> None:
    aws.refused["describe_load_balancers"] = "LoadBalancerNotFound"
    assert findings(aws) == []


@pytest.mark.parametrize(
    ("ends", "severity"),
    [
        (datetime(2026, 4, 4, tzinfo=UTC), None),
        (datetime(2026, 4, 3, tzinfo=UTC), Severity.WARNING),
        (datetime(2026, 3, 5, tzinfo=UTC), Severity.WARNING),
        (datetime(2026, 3, 4, tzinfo=UTC), Severity.FAULT),
    ],
)
def test_a_certificate_that_ends_within_a_month_is_told(
    console: FakeAws, ends: datetime, severity: Severity | None
) -> None:
    console.answers["describe_certificate"]["Certificate"]["NotAfter"] = ends
    found = findings(console)
    assert [(one.check, one.subject, one.severity) for one in found] == (
        [("certificates", CERTIFICATE, severity)] if severity else []
    )
    assert all(str(ends.date()) in one.problem and "RenewalSummary" in one.remedy for one in found)


@pytest.mark.parametrize("state", ["EXPIRED", "FAILED", "PENDING_VALIDATION", "gone"])
def test_a_certificate_that_is_not_issued_is_a_fault(console: FakeAws, state: str) -> None:
    console.answers["describe_certificate"]["Certificate"] = {"Status": state}
    if state == "gone":
        console.refused["describe_certificate"] = "ResourceNotFoundException"
    (found,) = findings(console)
    assert (found.check, found.severity) == ("certificates", Severity.FAULT)
    assert state in found.problem
