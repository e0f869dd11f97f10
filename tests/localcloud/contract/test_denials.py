"""https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from tests.conftest import CloudUnderTest
from tests.localcloud.contract.aws import Account, allow, error_code

pytestmark = pytest.mark.needs("denials")


def test_a_refused_request_is_told_with_its_role_action_and_resource(
    management: Account, local_cloud: CloudUnderTest
) -> None:
    queue = management.queue()
    role = management.role(allow("sqs:ReceiveMessage", queue.arn))
    sqs = management.client("sqs", management.assume(role))

    def told() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{local_cloud.endpoint_url}/_finops/denials") as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return [one for one in found if one["role"] == role.rpartition("/")[2]]

    sqs.receive_message(QueueUrl=queue.url)
    assert told() == []
    error_code(lambda: sqs.purge_queue(QueueUrl=queue.url))
    (denial,) = told()
    assert (denial["action"], denial["resource"]) == ("sqs:PurgeQueue", queue.arn)
