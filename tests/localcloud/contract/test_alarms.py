"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html."""

from __future__ import annotations

import re
import urllib.request
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.localcloud.contract.aws import REGION, Account, unique

pytestmark = pytest.mark.needs("alarms")

ALARM: dict[str, Any] = {
    "AlarmDescription": "Messages <wait> & age",
    "ActionsEnabled": True,
    "OKActions": ["arn:aws:sns:us-east-1:111111111111:ok"],
    "AlarmActions": ["arn:aws:sns:us-east-1:111111111111:alarm"],
    "InsufficientDataActions": [],
    "MetricName": "ApproximateAgeOfOldestMessage",
    "Namespace": "AWS/SQS",
    "Statistic": "Maximum",
    "Dimensions": [{"Name": "QueueName", "Value": "failures"}],
    "Period": 60,
    "EvaluationPeriods": 3,
    "DatapointsToAlarm": 2,
    "Threshold": 300.0,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
}


def query_describe(account: Account, name: str) -> str:
    """DescribeAlarms by the Query protocol, which Terraform's provider and older SDKs use."""
    url = account.endpoint_url or f"https://monitoring.{REGION}.amazonaws.com"
    request = AWSRequest(
        "POST",
        f"{url}/",
        data=f"Action=DescribeAlarms&Version=2010-08-01&AlarmNames.member.1={name}",
        headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
    )
    SigV4Auth(Credentials(account.id, "test"), "monitoring", REGION).add_auth(request)
    prepared = request.prepare()
    http = urllib.request.Request(
        prepared.url, prepared.body.encode(), dict(prepared.headers), method="POST"
    )
    with urllib.request.urlopen(http, timeout=120) as answer:
        return str(answer.read().decode())


def test_the_query_protocol_answers_every_field(management: Account) -> None:
    name = unique("contract")
    management.client("cloudwatch").put_metric_alarm(AlarmName=name, **ALARM)
    xml = query_describe(management, name)

    def element(tag: str) -> str:
        found = re.search(rf"<{tag}>(.*?)</{tag}>", xml, re.DOTALL)
        assert found, f"no {tag} in {xml}"
        return found[1]

    assert element("AlarmName") == name
    assert element("AlarmDescription") == "Messages &lt;wait&gt; &amp; age"
    assert element("Dimensions") == (
        "<member><Name>QueueName</Name><Value>failures</Value></member>"
    )
    assert element("AlarmActions") == f"<member>{ALARM['AlarmActions'][0]}</member>"
    assert element("OKActions") == f"<member>{ALARM['OKActions'][0]}</member>"
    assert element("ActionsEnabled") == "true"
    for tag in ("Statistic", "Period", "EvaluationPeriods", "DatapointsToAlarm", "Namespace"):
        assert element(tag) == str(ALARM[tag])
    for tag in ("ComparisonOperator", "TreatMissingData", "MetricName"):
        assert element(tag) == ALARM[tag]
    assert float(element("Threshold")) == 300.0
    assert element("StateValue") == "INSUFFICIENT_DATA"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", element("StateUpdatedTimestamp"))


def test_both_protocols_answer_the_same_alarm(management: Account) -> None:
    name = unique("contract")
    cloudwatch = management.client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName=name, **ALARM)
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert {key: alarm[key] for key in ALARM} == ALARM


def test_a_percentile_has_no_statistic(management: Account) -> None:
    name = unique("contract")
    cloudwatch = management.client("cloudwatch")
    percentile = {key: value for key, value in ALARM.items() if key != "Statistic"}
    cloudwatch.put_metric_alarm(AlarmName=name, **percentile, ExtendedStatistic="p95")
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert alarm["ExtendedStatistic"] == "p95"
    assert not alarm.get("Statistic")
    assert "<Statistic>" not in query_describe(management, name)
