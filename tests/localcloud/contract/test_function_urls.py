"""https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html, AuthType AWS_IAM, and
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html, what the function is told."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.localcloud.contract.aws import (
    REGION,
    Account,
    Statement,
    allow,
    error_code,
    policy,
    unique,
)

pytestmark = pytest.mark.needs("function_urls")

CODE = """
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}
"""


@dataclass(frozen=True)
class Person:
    """An IAM user with one policy."""

    user: dict[str, Any]
    keys: dict[str, Any]


@dataclass(frozen=True)
class Site:
    """A function with a URL."""

    account: Account
    arn: str
    url: str

    def person(self, *statements: Statement) -> Person:
        iam, name = self.account.client("iam"), unique("contract")
        user = iam.create_user(UserName=name)["User"]
        iam.put_user_policy(
            UserName=name, PolicyName="contract", PolicyDocument=policy(*statements)
        )
        return Person(user, iam.create_access_key(UserName=name)["AccessKey"])

    def call(
        self, keys: dict[str, Any] | None, *, service: str = "lambda", **headers: str
    ) -> tuple[int, Any]:
        """POST an empty document: (HTTP status, the event that the function got)."""
        request = AWSRequest("POST", self.url, headers=headers, data=b"{}")
        if keys:
            signed = Credentials(
                keys["AccessKeyId"], keys["SecretAccessKey"], keys.get("SessionToken")
            )
            SigV4Auth(signed, service, REGION).add_auth(request)
        sent = urllib.request.Request(
            self.url, data=b"{}", headers=dict(request.headers.items()), method="POST"
        )
        try:
            with urllib.request.urlopen(sent, timeout=120) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


def by_url(arn: str) -> list[Statement]:
    """What callers of a URL need, and nothing else."""
    return [
        allow("lambda:InvokeFunctionUrl", arn)
        | {"Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}},
        allow("lambda:InvokeFunction", arn)
        | {"Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}},
    ]


@pytest.fixture(scope="module")
def site(spoke: Account) -> Site:
    arn = spoke.function(CODE)
    found = spoke.client("lambda").create_function_url_config(FunctionName=arn, AuthType="AWS_IAM")
    url = found["FunctionUrl"]
    host = urlsplit(url).hostname or ""
    if spoke.endpoint_url and host.endswith(".on.aws"):
        url = f"{spoke.endpoint_url}/_aws/lambda-url/{host.partition('.')[0]}/"
    return Site(spoke, arn, url)


def test_the_function_is_told_which_user_signed(site: Site) -> None:
    person = site.person(*by_url(site.arn))
    status, event = site.call(person.keys)
    assert status == 200
    iam = event["requestContext"]["authorizer"]["iam"]
    assert iam["userArn"] == person.user["Arn"]
    assert iam["callerId"] == iam["userId"] == person.user["UserId"]
    assert iam["accountId"] == site.account.id


def test_the_function_is_told_which_session_of_which_role_signed(site: Site) -> None:
    role = site.account.role(*by_url(site.arn))
    name = role.rpartition("/")[2]
    identifier = site.account.client("iam").get_role(RoleName=name)["Role"]["RoleId"]
    status, event = site.call(site.account.assume(role))
    assert status == 200
    iam = event["requestContext"]["authorizer"]["iam"]
    assert iam["userArn"] == f"arn:aws:sts::{site.account.id}:assumed-role/{name}/contract"
    assert iam["callerId"] == f"{identifier}:contract"


def test_no_header_makes_a_caller_somebody_else(site: Site) -> None:
    person, other = (site.person(*by_url(site.arn)) for _ in range(2))
    said = json.dumps({"authorizer": {"iam": {"userArn": other.user["Arn"]}}})
    status, event = site.call(
        person.keys,
        **{"x-amzn-request-context": said, "x-amzn-iam-user-arn": other.user["Arn"]},
    )
    assert status == 200
    assert event["requestContext"]["authorizer"]["iam"]["userArn"] == person.user["Arn"]


def test_who_has_not_signed_or_not_with_the_key_is_refused(site: Site) -> None:
    person, other = site.person(*by_url(site.arn)), site.person(*by_url(site.arn))
    forged = {**person.keys, "SecretAccessKey": other.keys["SecretAccessKey"]}
    assert site.call(None)[0] == 403
    assert site.call(forged)[0] == 403


@pytest.mark.parametrize("lacking", [0, 1])
def test_a_caller_needs_both_permissions(site: Site, lacking: int) -> None:
    granted = by_url(site.arn)
    del granted[lacking]
    assert site.call(site.person(*granted).keys)[0] == 403


def test_a_caller_of_the_url_cannot_invoke_the_function_itself(site: Site) -> None:
    """So nobody can make up the event that names the caller."""
    person = site.person(*by_url(site.arn))
    functions = site.account.client("lambda", person.keys)
    said = {"requestContext": {"authorizer": {"iam": {"userArn": "arn:aws:iam::1:user/cfo"}}}}

    def invoke() -> Any:
        return functions.invoke(FunctionName=site.arn, Payload=json.dumps(said).encode())

    assert error_code(invoke) == "AccessDeniedException"
