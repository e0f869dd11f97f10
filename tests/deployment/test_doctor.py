"""The doctor's checks of what the local deployment cannot show: limits, functions, missing rights.

`tests/flows/test_doctor.py` breaks a deployment for real.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

from finops.cli.main import main
from finops.deployment import doctor as module
from finops.deployment.doctor import _schedules
from finops.deployment.examination import Finding, Severity
from tests.deployment.fake_aws import ENVIRONMENT, KEY, LAYERS, FakeAws, examined, findings


def test_a_flow_that_is_deployed_alone_is_sound(aws: FakeAws) -> None:
    assert findings(aws) == []


def test_the_limit_of_a_new_account_is_a_warning(aws: FakeAws) -> None:
    aws.answers["get_account_settings"] = {"AccountLimit": {"ConcurrentExecutions": 10}}
    (found,) = findings(aws)
    assert (found.check, found.severity) == ("concurrency", Severity.WARNING)
    assert "at most 10 functions" in found.problem


UNREADABLE = {"Error": {"ErrorCode": "AccessDeniedException", "Message": "KMS access was denied"}}


@pytest.mark.parametrize("flow", ["audit", "billing", "budgets", "invoices", "reconciliation"])
def test_an_environment_that_the_caller_may_not_decrypt_is_told_once(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, flow: str
) -> None:
    aws.flow = flow
    aws.function["Environment"] = UNREADABLE
    aws.answers["describe_rule"] = {"State": "ENABLED"}
    monkeypatch.setattr(
        "finops.budgets.adapters.dynamodb.DynamoStatusTable.all", lambda self: iter(())
    )
    monkeypatch.setattr("finops.deployment.doctor._CHECKS", without("rates"))
    (found,) = findings(aws)
    assert (found.check, found.severity) == ("functions", Severity.NOT_CHECKED)
    assert f"kms:Decrypt on {KEY}" in found.remedy
    assert "KMS access was denied" in found.problem
    aws.answers["describe_key"] = {"KeyMetadata": {"KeyState": "Disabled"}}
    assert [one.check for one in findings(aws)] == ["functions", "keys"]


def without(check: str) -> dict[str, Any]:
    return {name: one for name, one in module._CHECKS.items() if name != check}


@pytest.mark.parametrize("layer", ["core", "invoices", "documents"])
def test_each_layer_that_a_function_was_given_is_asked_for(aws: FakeAws, layer: str) -> None:
    aws.only = ("finops-extract-invoice",)
    aws.function["Layers"] = [one for one in LAYERS if f"-{layer}:" not in one["Arn"]]
    found = [one for one in findings(aws) if one.check == "layers"]
    assert [(one.subject, one.severity) for one in found] == [(aws.only[0], Severity.FAULT)]
    assert f"lacks the layer {layer}," in found[0].problem


def test_layers_are_those_of_the_modules() -> None:
    modules = Path(__file__).parents[2] / "modules"
    invoices = re.findall(
        r"^    ([a-z-]+) = \{[^{}]*?layers += (\[[^]]*\])",
        (modules / "invoices/main.tf").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    given = {name: json.loads(layers) for name, layers in invoices}
    (reconciliation,) = re.findall(
        r"^  layers = (\[.*\])", (modules / "reconciliation/main.tf").read_text(), re.MULTILINE
    )
    given["reconcile-month"] = json.loads(reconciliation)
    ((usual, readers, further),) = re.findall(
        r"concat\(\s*(\[.*?\]), contains\((\[.*?\]), name\) \? (\[.*?\]) : \[\]",
        (modules / "billing/main.tf").read_text(encoding="utf-8"),
    )
    for name in (*ENVIRONMENT.flow_functions["billing"], "finops-fetch-billing-rates"):
        short = name.removeprefix("finops-")
        more = json.loads(further) if short in json.loads(readers) else []
        given[short] = json.loads(usual) + more
    for name in (*ENVIRONMENT.management_functions, *ENVIRONMENT.optional_functions):
        expected = given.pop(name.removeprefix("finops-"), ["core"])
        assert list(ENVIRONMENT.layers_of(name)) == expected, name
    assert given == {}


@pytest.mark.parametrize("role", ["NoSuchEntity", ""])
def test_a_schedule_that_a_setting_leaves_out_is_not_missed(aws: FakeAws, role: str) -> None:
    aws.flow = "billing"
    aws.refused |= {"get_schedule": "ResourceNotFoundException", "get_role": role}
    found = [one.subject for one in _schedules(examined(aws))]
    assert found == ([] if role else ["finops-migrate-billing-database"])


def test_a_function_that_could_not_be_changed_is_told_with_the_reason(aws: FakeAws) -> None:
    aws.function |= {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "the key is disabled"}
    assert {one.check for one in findings(aws)} == {"functions"}
    assert "the key is disabled" in findings(aws)[0].problem


@pytest.mark.parametrize(
    ("right", "check"),
    [
        ("iam:GetRole", "roles"),
        ("scheduler:GetSchedule", "schedules"),
        ("lambda:ListEventSourceMappings", "triggers"),
        ("kms:GetKeyPolicy", "keys"),
        ("elasticloadbalancing:DescribeLoadBalancers", "certificates"),
        ("s3:GetBucketPolicy", "buckets"),
    ],
)
@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "AuthorizationError"])
def test_what_the_caller_may_not_read_is_not_checked_and_the_rest_is(
    aws: FakeAws, code: str, right: str, check: str
) -> None:
    aws.refused[xform_name(right.partition(":")[2])] = code
    aws.answers["get_account_settings"] = {"AccountLimit": {"ConcurrentExecutions": 10}}
    found = {one.check: one for one in findings(aws)}
    assert found[check].severity is Severity.NOT_CHECKED
    assert found[check].remedy == f"Allow {right}"
    assert found["concurrency"].severity is Severity.WARNING


def test_without_the_right_to_read_functions_nothing_is_said_of_them(aws: FakeAws) -> None:
    aws.refused["get_function"] = "AccessDeniedException"
    (found,) = findings(aws)
    assert (found.check, found.severity) == ("functions", Severity.NOT_CHECKED)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("ThrottlingException", "Wait a minute, then try again"),
        ("ExpiredTokenException", "Sign in again"),
    ],
)
def test_a_check_that_aws_did_not_answer_is_to_be_run_again(
    aws: FakeAws, code: str, remedy: str
) -> None:
    aws.refused["get_function"] = code
    (found,) = findings(aws)
    assert (found.severity, found.remedy) == (Severity.NOT_CHECKED, remedy)


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
        remedy="restore it, then `finops fx load FILE`",
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
    for one in answer["findings"]:
        assert one["remedy"] == "restore it, then `finops fx load FILE --env aws`"
