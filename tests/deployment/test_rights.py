"""The rights that a refused call needs are such that IAM has."""

from __future__ import annotations

import re
from pathlib import Path

import boto3
import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from finops import deployment
from finops.deployment.rights import right

#: Whole names of actions in the policies that AWS manages.
KNOWN = frozenset(re.findall(r'"([a-z0-9-]+:[A-Za-z]+)"', aws_managed_policies_data))
#: What the doctor asks, as `of.ask("service", "operation", …)`.
ASKED = sorted(
    {
        found
        for file in Path(deployment.__file__).parent.glob("*.py")
        for found in re.findall(
            r'\.ask\(\s*"([a-z0-9-]+)",\s*"([a-z_]+)"', file.read_text(encoding="utf-8")
        )
    }
    | {
        ("service-quotas", "list_aws_default_service_quotas"),
        ("service-quotas", "list_service_quotas"),
    }
)


def test_all_that_the_doctor_asks_is_read() -> None:
    assert len(ASKED) >= 30


@pytest.mark.parametrize(("service", "operation"), ASKED)
def test_iam_has_the_right_that_a_remedy_names(service: str, operation: str) -> None:
    client = boto3.client(
        service, "eu-central-1", aws_access_key_id="none", aws_secret_access_key="none"
    )
    assert right(client, operation) in KNOWN
