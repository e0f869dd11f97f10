"""An account with one sound flow, in which a test breaks what the doctor is to tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from finops.deployment.doctor import Doctor
from finops.deployment.environment import Environment
from finops.deployment.examination import Examination, Finding
from finops.deployment.policies import policy_digest

KEY = "arn:aws:kms:eu-central-1:111111111111:key/1"


WORKFLOW = "arn:aws:states:eu-central-1:111111111111:stateMachine:finops-workflow"


ROOT = "arn:aws:iam::111111111111:root"


LOGS = "logs.eu-central-1.amazonaws.com"


ENVIRONMENT = Environment(name="prod", prefix="finops")


LAYERS = [
    {"Arn": f"arn:aws:lambda:eu-central-1:111111111111:layer:finops-flow-{name}:1"}
    for name in ("core", "billing", "invoices", "documents", "reports", "duckdb")
]


#: Of a bucket that is sound.
NO_PLAIN_HTTP = {
    "Statement": [
        {
            "Effect": "Deny",
            "Action": "s3:*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]
}


POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::b/*"},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"},
    ],
}


USERS = ("lambda", "scheduler", "states", "textract")


def trust(*services: str) -> dict[str, Any]:
    return {
        "Statement": {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": [f"{one}.amazonaws.com" for one in services]},
        }
    }


def refusal(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


def key_policy(*services: str, **actions: list[str]) -> str:
    """A key that lets services use it; of those named by their first part, some actions alone."""
    whole = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*"]
    return json.dumps(
        {
            "Statement": [
                {"Effect": "Allow", "Action": "kms:*", "Principal": {"AWS": ROOT}},
                *(
                    {
                        "Effect": "Allow",
                        "Action": actions.get(one.partition(".")[0], whole),
                        "Principal": {"Service": [one]},
                    }
                    for one in services
                ),
            ]
        }
    )


def sends(*services: str, key: str = KEY) -> dict[str, Any]:
    """A queue or a topic that services may send to, with the key."""
    policy = {
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Principal": {"Service": one}} for one in services
        ]
    }
    return {"Attributes": {"Policy": json.dumps(policy), "KmsMasterKeyId": key}}


class FakeAws:
    """One flow alone, audit unless told; sound until a test changes or refuses an answer."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {"get_topic_attributes": "NotFound"}
        self.flow = "audit"
        self.only: tuple[str, ...] = ()
        self.verified = ""
        self.function: dict[str, Any] = {
            "FunctionName": "finops-audit",
            "FunctionArn": "arn:aws:lambda:eu-central-1:111111111111:function:finops-audit",
            "Role": "arn:aws:iam::111111111111:role/finops-audit",
            "State": "Active",
            "Layers": LAYERS,
            "KMSKeyArn": KEY,
            "Environment": {"Variables": {"CODE_SHA256": "1", "BUCKET": "files"}},
        }
        self.answers: dict[str, Any] = {
            "get_account_settings": {"AccountLimit": {"ConcurrentExecutions": 1000}},
            "get_role": {
                "Role": {
                    "RoleName": "finops-audit",
                    "AssumeRolePolicyDocument": trust(*USERS),
                    "Tags": [{"Key": "policy-sha256", "Value": policy_digest(POLICY)}],
                }
            },
            "get_role_policy": {"PolicyDocument": POLICY},
            "list_event_source_mappings": {"EventSourceMappings": [{"State": "Enabled"}]},
            "get_schedule": {
                "State": "ENABLED",
                "Target": {"RoleArn": "arn:aws:iam::111111111111:role/finops-audit"},
            },
            "describe_load_balancers": {"LoadBalancers": []},
            "head_bucket": {},
            "get_bucket_policy": {"Policy": json.dumps(NO_PLAIN_HTTP)},
            "get_object_lock_configuration": {
                "ObjectLockConfiguration": {
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
                }
            },
            "list_aws_default_service_quotas": {},
            "list_service_quotas": {},
            "describe_key": {"KeyMetadata": {"KeyState": "Enabled"}},
            "get_key_policy": {"Policy": key_policy(LOGS)},
            "get_queue_url": {"QueueUrl": "https://sqs.eu-central-1.amazonaws.com/1/queue"},
            "get_queue_attributes": sends(),
            "describe_event_bus": {},
            "describe_state_machine": {
                "stateMachineArn": WORKFLOW,
                "roleArn": "arn:aws:iam::111111111111:role/finops-audit",
                "encryptionConfiguration": {"type": "AWS_OWNED_KEY"},
            },
        }

    def client(self, service: str) -> Any:
        return _FakeClient(self, service)

    def answer(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        if code := self.refused.get(operation):
            raise refusal(code, operation)
        if operation == "get_identity_verification_attributes":
            asked = set(arguments["Identities"])
            found = {one: {"VerificationStatus": "Success"} for one in asked & {self.verified}}
            return {"VerificationAttributes": found}
        if operation == "get_function":
            there = self.only or ENVIRONMENT.flow_functions[self.flow]
            if arguments["FunctionName"] in there:
                return {"Configuration": self.function}
            raise refusal("ResourceNotFoundException", operation)
        answer = self.answers[operation]
        return answer.pop(0) if isinstance(answer, list) else answer


@cache
def real_client(service: str) -> Any:
    """Knows names only: it is never called."""
    return boto3.client(
        service, "eu-central-1", aws_access_key_id="none", aws_secret_access_key="none"
    )


class _FakeClient:
    def __init__(self, aws: FakeAws, service: str) -> None:
        self._aws = aws
        self.meta = real_client(service).meta

    def __getattr__(self, operation: str) -> Any:
        return lambda **arguments: self._aws.answer(operation, arguments)


def findings(aws: FakeAws) -> list[Finding]:
    return Doctor(aws, ENVIRONMENT, today=date(2026, 3, 4)).findings()  # type: ignore[arg-type]


def examined(aws: FakeAws) -> Examination:
    return Examination(aws, ENVIRONMENT, today=date(2026, 3, 4))  # type: ignore[arg-type]
