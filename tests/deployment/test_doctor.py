"""The doctor's checks of what the local deployment cannot show: keys, limits, missing rights.

`tests/flows/test_doctor.py` breaks a deployment for real.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from finops.cli.main import main
from finops.deployment import doctor as module
from finops.deployment.doctor import Doctor, Finding, Severity
from finops.deployment.environment import Environment

KEY = "arn:aws:kms:eu-central-1:111111111111:key/1"
ENVIRONMENT = Environment(name="prod", prefix="finops")
LAYER = {"Arn": "arn:aws:lambda:eu-central-1:111111111111:layer:finops-audit-core:1"}
LETS_LAMBDA = {
    "Statement": {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "lambda.amazonaws.com"},
    }
}


def refusal(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


def key_policy(*services: str) -> str:
    return json.dumps(
        {
            "Statement": [
                {"Effect": "Allow", "Action": "kms:*", "Principal": {"AWS": "*"}},
                {"Effect": "Allow", "Action": "kms:Decrypt", "Principal": {"Service": [*services]}},
            ]
        }
    )


class FakeAws:
    """The audit flow alone, sound until a test changes an answer or refuses an operation."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self.function: dict[str, Any] = {
            "Role": "arn:aws:iam::111111111111:role/finops-audit",
            "State": "Active",
            "Layers": [LAYER],
            "KMSKeyArn": KEY,
            "Environment": {"Variables": {"CODE_SHA256": "1"}},
        }
        self.answers: dict[str, Any] = {
            "get_account_settings": {"AccountLimit": {"ConcurrentExecutions": 1000}},
            "get_role": {"Role": {"AssumeRolePolicyDocument": LETS_LAMBDA}},
            "list_event_source_mappings": {"EventSourceMappings": [{"State": "Enabled"}]},
            "get_schedule": {"State": "ENABLED"},
            "describe_key": {"KeyMetadata": {"KeyState": "Enabled"}},
            "get_key_policy": {
                "Policy": key_policy("logs.eu-central-1.amazonaws.com", "s3.amazonaws.com")
            },
        }

    def client(self, service: str) -> Any:
        return _FakeClient(self)

    def answer(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        if code := self.refused.get(operation):
            raise refusal(code, operation)
        if operation == "get_function":
            if arguments["FunctionName"] in ENVIRONMENT.flow_functions["audit"]:
                return {"Configuration": self.function}
            raise refusal("ResourceNotFoundException", operation)
        return self.answers[operation]


class _FakeClient:
    meta = SimpleNamespace(region_name="eu-central-1")

    def __init__(self, aws: FakeAws) -> None:
        self._aws = aws

    def __getattr__(self, operation: str) -> Any:
        return lambda **arguments: self._aws.answer(operation, arguments)


@pytest.fixture
def aws() -> FakeAws:
    return FakeAws()


def findings(aws: FakeAws) -> list[Finding]:
    return Doctor(aws, ENVIRONMENT, today=date(2026, 3, 4)).findings()  # type: ignore[arg-type]


def test_a_flow_that_is_deployed_alone_is_sound(aws: FakeAws) -> None:
    assert findings(aws) == []


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion", "Unavailable"])
def test_a_key_that_is_not_enabled_is_told(aws: FakeAws, state: str) -> None:
    aws.answers["describe_key"] = {"KeyMetadata": {"KeyState": state}}
    (found,) = findings(aws)
    assert (found.check, found.subject) == ("keys", KEY)
    assert state in found.problem


@pytest.mark.parametrize("service", ["logs.eu-central-1.amazonaws.com", "s3.amazonaws.com"])
def test_a_key_that_a_service_may_not_use_is_told(aws: FakeAws, service: str) -> None:
    services = {"logs.eu-central-1.amazonaws.com", "s3.amazonaws.com"} - {service}
    aws.answers["get_key_policy"] = {"Policy": key_policy(*services)}
    (found,) = findings(aws)
    assert found.check == "keys"
    assert service in found.problem


def test_a_key_that_is_gone_is_told(aws: FakeAws) -> None:
    aws.refused["describe_key"] = "NotFoundException"
    (found,) = findings(aws)
    assert "gone" in found.problem


def test_the_limit_of_a_new_account_is_a_warning(aws: FakeAws) -> None:
    aws.answers["get_account_settings"] = {"AccountLimit": {"ConcurrentExecutions": 10}}
    (found,) = findings(aws)
    assert (found.check, found.severity) == ("concurrency", Severity.WARNING)
    assert "at most 10 functions" in found.problem


def test_a_function_that_could_not_be_changed_is_told_with_the_reason(aws: FakeAws) -> None:
    aws.function |= {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "the key is disabled"}
    assert {one.check for one in findings(aws)} == {"functions"}
    assert "the key is disabled" in findings(aws)[0].problem


@pytest.mark.parametrize(
    ("operation", "check"),
    [
        ("get_role", "roles"),
        ("get_schedule", "schedules"),
        ("list_event_source_mappings", "triggers"),
        ("get_key_policy", "keys"),
    ],
)
def test_what_the_caller_may_not_read_is_not_checked_and_the_rest_is(
    aws: FakeAws, operation: str, check: str
) -> None:
    aws.refused[operation] = "AccessDeniedException"
    aws.answers["get_account_settings"] = {"AccountLimit": {"ConcurrentExecutions": 10}}
    found = {one.check: one for one in findings(aws)}
    assert found[check].severity is Severity.NOT_CHECKED
    assert operation.replace("_", "") in found[check].remedy
    assert found["concurrency"].severity is Severity.WARNING


def test_without_the_right_to_read_functions_nothing_is_said_of_them(aws: FakeAws) -> None:
    aws.refused["get_function"] = "AccessDeniedException"
    (found,) = findings(aws)
    assert (found.check, found.severity) == ("functions", Severity.NOT_CHECKED)


@pytest.mark.parametrize(
    ("severity", "code", "ok"),
    [("FAULT", 3, False), ("NOT_CHECKED", 3, False), ("WARNING", 0, True), (None, 0, True)],
)
def test_the_command_says_by_its_exit_code_whether_anything_is_wrong(
    severity: str | None,
    code: int,
    ok: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = severity and Finding(
        check="keys",
        subject=KEY,
        problem="it is gone",
        remedy="restore it",
        severity=Severity(severity),
    )
    monkeypatch.setattr(module.Doctor, "findings", lambda self: [told] if told else [])
    monkeypatch.setattr("sys.argv", ["finops", "doctor", "--env", "aws", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert int(ended.value.code or 0) == code
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is ok
    assert [one["severity"] for one in answer["findings"]] == ([severity] if severity else [])
