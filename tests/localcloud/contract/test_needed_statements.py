"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html."""

from __future__ import annotations

import json
import urllib.request

import pytest

from tests.conftest import CloudUnderTest
from tests.localcloud.contract.aws import Account, allow, policy

pytestmark = pytest.mark.needs("needed_statements")


@pytest.fixture
def sids(local_cloud: CloudUnderTest) -> Told:
    return Told(local_cloud.endpoint_url)


class Told:
    """The statements of a role that were needed."""

    def __init__(self, url: str) -> None:
        self._url = url

    def of(self, role: str) -> set[str]:
        with urllib.request.urlopen(f"{self._url}/_finops/needed") as answer:
            found = json.load(answer)
        return {one["statement"] for one in found if one["role"] == role.rpartition("/")[2]}


def test_a_statement_is_needed_once_a_request_was_made_that_only_it_allows(
    management: Account, sids: Told
) -> None:
    queue = management.queue()
    role = management.role(
        allow("sqs:PurgeQueue", queue.arn) | {"Sid": "Purge"},
        allow("sqs:SendMessage", queue.arn) | {"Sid": "Send"},
        allow("sqs:Receive*", queue.arn) | {"Sid": "Receive"},
        allow("sqs:ReceiveMessage") | {"Sid": "ReceiveAnywhere"},
    )
    sqs = management.client("sqs", management.assume(role))
    assert sids.of(role) == set()
    sqs.purge_queue(QueueUrl=queue.url)
    sqs.receive_message(QueueUrl=queue.url)
    assert sids.of(role) == {"Purge"}


def test_a_statement_is_not_needed_for_what_the_policy_of_the_resource_allows(
    management: Account, sids: Told
) -> None:
    queue = management.queue()
    role = management.role(allow("sqs:*", queue.arn) | {"Sid": "UseQueue"})
    grant = allow("sqs:SendMessage", queue.arn) | {"Principal": {"AWS": role}}
    management.client("sqs").set_queue_attributes(
        QueueUrl=queue.url, Attributes={"Policy": policy(grant)}
    )
    sqs = management.client("sqs", management.assume(role))
    sqs.send_message(QueueUrl=queue.url, MessageBody="x")
    assert sids.of(role) == set()
    sqs.receive_message(QueueUrl=queue.url)
    assert sids.of(role) == {"UseQueue"}


def test_a_statement_on_a_key_is_needed_beside_the_keys_policy(
    management: Account, sids: Told
) -> None:
    kms = management.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    root = {"AWS": f"arn:aws:iam::{management.id}:root"}
    grant = allow("kms:*") | {"Sid": "Account", "Principal": root}
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy(grant))
    role = management.role(allow("kms:Encrypt", key) | {"Sid": "Encrypt"})
    management.client("kms", management.assume(role)).encrypt(KeyId=key, Plaintext=b"x")
    assert sids.of(role) == {"Encrypt"}
