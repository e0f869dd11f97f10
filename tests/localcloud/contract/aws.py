"""Helpers of the contract tests: accounts, and short ways to create roles, functions and queues.

Everything goes through boto3 and public API calls.
"""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "us-east-1"
MANAGEMENT, SPOKE, FOREIGN = "111111111111", "222222222222", "333333333333"
LOGS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]

# Tells each call to a queue, so that a test can see what a function was given.
RECORD = """
import json, os, boto3
sqs = boto3.client("sqs")
def record(call):
    sqs.send_message(QueueUrl=os.environ["CALLS"], MessageBody=json.dumps(call))
"""

Answer = TypeVar("Answer")
Statement = dict[str, Any]


#: Seconds after which a test gives up: far more than a busy machine needs.
PATIENCE = 120.0


def unique(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def eventually(probe: Callable[[], Answer], *, within: float = PATIENCE) -> Answer:
    """The first true answer of ``probe``; fails when none comes in time."""
    deadline = time.monotonic() + within
    while not (answer := probe()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s: {answer!r}")
        time.sleep(0.02)
    return answer


def _zipped(files: Mapping[str, str]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, text in files.items():
            zipped.writestr(name, text)
    return archive.getvalue()


def allow(actions: str | list[str], resource: str | list[str] = "*") -> Statement:
    """A statement of an identity policy."""
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def policy(*statements: Statement) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def error_code(call: Callable[[], object]) -> str:
    """The code with which AWS refuses ``call``; fails when it does not."""
    with pytest.raises(ClientError) as refused:
        call()
    return str(refused.value.response["Error"]["Code"])


@dataclass(frozen=True)
class Queue:
    """An SQS queue and the way to read it."""

    sqs: Any
    url: str
    arn: str

    def messages(self) -> list[dict[str, Any]]:
        """Receive the messages that are there, with attributes."""
        taken = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            WaitTimeSeconds=0,
        ).get("Messages", [])
        for message in taken:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return list(taken)

    def next(self, *, within: float = PATIENCE) -> dict[str, Any]:
        """The next message."""
        return self.take(1, within=within)[0]

    def take(self, count: int, *, within: float = PATIENCE) -> list[dict[str, Any]]:
        """The next ``count`` messages, which may be of several receives."""
        found: list[dict[str, Any]] = []

        def enough() -> bool:
            found.extend(self.messages())
            return len(found) >= count

        eventually(enough, within=within)
        return found

    def bodies_until(self, enough: Callable[[list[Any]], bool]) -> list[Any]:
        """The JSON documents of all messages until there are ``enough``."""
        found: list[Any] = []

        def collect() -> bool:
            found.extend(json.loads(message["Body"]) for message in self.messages())
            return enough(found)

        eventually(collect)
        return found

    def bodies(self, count: int, *, within: float = PATIENCE) -> list[Any]:
        """The next ``count`` messages' JSON documents."""
        return [json.loads(message["Body"]) for message in self.take(count, within=within)]


@dataclass(frozen=True)
class Account:
    """One AWS account, used as its administrator."""

    id: str
    endpoint_url: str | None

    def client(
        self, service: str, credentials: dict[str, Any] | None = None, *, region: str = REGION
    ) -> Any:
        """A client of the administrator, or of a role's credentials; it does not retry."""
        keys = credentials or {"AccessKeyId": self.id, "SecretAccessKey": "test"}
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}, inject_host_prefix=False),
        )

    def role(self, *statements: Statement, service: str = "lambda.amazonaws.com") -> str:
        """A role for a service, which administrators of the account can assume, too; its ARN."""
        iam = self.client("iam")
        name = unique("contract")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": service, "AWS": f"arn:aws:iam::{self.id}:root"},
            "Action": "sts:AssumeRole",
        }
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
        if statements:
            iam.put_role_policy(
                RoleName=name, PolicyName="contract", PolicyDocument=policy(*statements)
            )
        return str(arn)

    def assume(self, role_arn: str) -> dict[str, Any]:
        """Credentials of the role."""
        answer = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="contract")
        return dict(answer["Credentials"])

    def queue(self, *, may_send: str | None = None, **attributes: str) -> Queue:
        """A queue, to which the service ``may_send`` may send."""
        sqs = self.client("sqs")
        name = unique("contract")
        arn = f"arn:aws:sqs:{REGION}:{self.id}:{name}"
        if may_send:
            attributes["Policy"] = policy(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": may_send},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                }
            )
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return Queue(sqs, url, arn)

    def function(
        self,
        code: str,
        *statements: Statement,
        calls: Queue | None = None,
        timeout: int = 20,
        layers: Sequence[str] = (),
        files: Mapping[str, str] | None = None,
        network: Mapping[str, Any] | None = None,
        **variables: str,
    ) -> str:
        """A function whose ``handler`` is defined by ``code``, beside ``files``; its ARN.

        With ``calls``, the code can ``record`` a JSON document there.
        """
        granted = [allow(LOGS), *statements]
        if calls:
            code = RECORD + code
            variables["CALLS"] = calls.url
            granted.append(allow("sqs:SendMessage", calls.arn))
        functions = self.client("lambda")
        name = unique("contract")
        arn = functions.create_function(
            FunctionName=name,
            Role=self.role(*granted),
            Runtime="python3.13",
            Handler="index.handler",
            Code={"ZipFile": _zipped({"index.py": code, **(files or {})})},
            Layers=list(layers),
            Timeout=timeout,
            Environment={"Variables": variables},
            VpcConfig=network or {},
        )["FunctionArn"]
        functions.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 200}
        )
        return str(arn)

    def layer(self, modules: Mapping[str, str]) -> str:
        """A layer with Python modules by file name; its version's ARN."""
        files = {f"python/{name}": text for name, text in modules.items()}
        layer = self.client("lambda").publish_layer_version(
            LayerName=unique("contract"), Content={"ZipFile": _zipped(files)}
        )
        return str(layer["LayerVersionArn"])

    def rule(
        self,
        pattern: dict[str, Any],
        target_arn: str,
        *,
        bus: str = "default",
        permit: bool = True,
        **target: Any,
    ) -> str:
        """A rule with one target, which it may invoke with ``permit``; its ARN."""
        events = self.client("events")
        name = unique("contract")
        arn = events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))[
            "RuleArn"
        ]
        if permit and ":lambda:" in target_arn:
            self.client("lambda").add_permission(
                FunctionName=target_arn,
                StatementId=name,
                Action="lambda:InvokeFunction",
                Principal="events.amazonaws.com",
                SourceArn=arn,
            )
        failed = events.put_targets(
            Rule=name, EventBusName=bus, Targets=[{"Id": "target", "Arn": target_arn, **target}]
        )
        assert failed["FailedEntryCount"] == 0
        return str(arn)
