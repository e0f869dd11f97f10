"""https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.localcloud.contract.aws import REGION, Account, unique

pytestmark = pytest.mark.needs("repeated_calls")


def create_group(account: Account, name: str, call: str, attempt: int, agent: str) -> int:
    """The status of an attempt to create a log group, which refuses a second of its name."""
    request = AWSRequest(
        "POST",
        f"{account.endpoint_url}/",
        data=json.dumps({"logGroupName": name}),
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "Logs_20140328.CreateLogGroup",
            "User-Agent": agent,
            "amz-sdk-invocation-id": call,
            "amz-sdk-request": f"attempt={attempt}; max=25",
        },
    )
    SigV4Auth(Credentials(account.id, "test"), "logs", REGION).add_auth(request)
    prepared = request.prepare()
    body = prepared.body if isinstance(prepared.body, bytes) else prepared.body.encode()
    http = urllib.request.Request(prepared.url, body, dict(prepared.headers), method="POST")
    try:
        with urllib.request.urlopen(http, timeout=120) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_repeated_attempt_of_terraform_gets_the_first_answer(
    management: Account,
) -> None:
    name, call, agent = unique("/repeated"), str(uuid.uuid4()), "APN/1.0 HashiCorp/1.0 Terraform"
    assert create_group(management, name, call, 1, agent) == 200
    assert create_group(management, name, call, 2, agent) == 200
    assert create_group(management, name, str(uuid.uuid4()), 1, agent) == 400


def test_a_repeated_call_of_another_client_is_a_new_call(management: Account) -> None:
    name, call = unique("/repeated"), str(uuid.uuid4())
    assert create_group(management, name, call, 1, "Boto3/1") == 200
    assert create_group(management, name, call, 2, "Boto3/1") == 400
