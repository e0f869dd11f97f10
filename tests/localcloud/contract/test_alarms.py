"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html."""

from __future__ import annotations

import json
import re
import time
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


def put(account: Account, metric: str, *values: float, namespace: str = "Contract") -> None:
    account.client("cloudwatch").put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": metric,
                "Dimensions": [{"Name": "service", "Value": "of-a-test"}],
                "Value": value,
            }
            for value in values
        ],
    )


def query(identifier: str, metric: str, statistic: str) -> dict[str, Any]:
    return {
        "Id": identifier,
        "MetricStat": {
            "Metric": {
                "Namespace": "Contract",
                "MetricName": metric,
                "Dimensions": [{"Name": "service", "Value": "of-a-test"}],
            },
            "Period": 300,
            "Stat": statistic,
        },
        "ReturnData": False,
    }


def state(account: Account, name: str, kind: str = "MetricAlarm", *, wanted: str) -> str:
    """The state of an alarm once it is the wanted one, or after ten seconds."""
    until = time.monotonic() + 10
    while True:
        (alarm,) = account.client("cloudwatch").describe_alarms(
            AlarmNames=[name], AlarmTypes=[kind]
        )[f"{kind}s"]
        if alarm["StateValue"] == wanted or time.monotonic() > until:
            return str(alarm["StateValue"])
        time.sleep(0.2)


def late_alarm(account: Account, *, threshold: float) -> str:
    """An alarm on the percentage of values above 60, of which one is not measured but failed.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html,
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
    """
    name = unique("contract")
    account.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        EvaluationPeriods=1,
        Threshold=threshold,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
        Metrics=[
            {
                "Id": "percent",
                "Expression": "100 * (FILL(late, 0) + FILL(failed, 0))"
                " * ((FILL(late, 0) + FILL(failed, 0)) >= 2)"
                " / (FILL(measured, 0) + FILL(failed, 0))",
                "ReturnData": True,
            },
            query("late", name, "TC(60:)"),
            query("measured", name, "SampleCount"),
            query("failed", f"{name}-failed", "Sum"),
        ],
    )
    return name


def test_an_alarm_whose_metric_stays_away_has_insufficient_data(management: Account) -> None:
    """A new alarm is in that state already, and tells nobody.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    name = unique("contract")
    cloudwatch, sqs, sns = (management.client(one) for one in ("cloudwatch", "sqs", "sns"))
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    url = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    topic = sns.create_topic(Name=name)["TopicArn"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue["Attributes"]["QueueArn"])
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Contract",
        MetricName=name,
        Dimensions=[{"Name": "service", "Value": "of-a-test"}],
        Statistic="Sum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="missing",
        InsufficientDataActions=[topic],
    )
    assert state(management, name, wanted="ALARM") == "INSUFFICIENT_DATA"
    put(management, name, 1)
    assert state(management, name, wanted="OK") == "OK"
    until = time.monotonic() + 60
    while state(management, name, wanted="INSUFFICIENT_DATA") == "OK":
        assert time.monotonic() < until
    told = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=9)["Messages"]
    (message,) = [json.loads(json.loads(one["Body"])["Message"]) for one in told]
    assert (message["OldStateValue"], message["NewStateValue"]) == ("OK", "INSUFFICIENT_DATA")


def test_an_expression_is_kept_in_either_protocol(management: Account) -> None:
    name = late_alarm(management, threshold=50)
    (alarm,) = management.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert [one["Id"] for one in alarm["Metrics"]] == ["percent", "late", "measured", "failed"]
    assert alarm["Metrics"][1]["MetricStat"]["Stat"] == "TC(60:)"
    assert not alarm.get("MetricName")
    xml = query_describe(management, name)
    assert "<Stat>TC(60:)</Stat>" in xml
    assert "&gt;= 2" in xml


def test_an_alarm_on_an_expression_counts_values_above_a_bound(management: Account) -> None:
    name = late_alarm(management, threshold=49)
    put(management, name, 10, 20, 60, 61)  # 60 is not above 60
    assert state(management, name, wanted="OK") == "OK"
    put(management, f"{name}-failed", 1)  # two of five are late: 40%
    assert state(management, name, wanted="OK") == "OK"
    put(management, name, 100, 100)  # four of seven: 57%
    assert state(management, name, wanted="ALARM") == "ALARM"


def test_an_expression_that_is_none_is_refused(management: Account) -> None:
    cloudwatch = management.client("cloudwatch")
    with pytest.raises(cloudwatch.exceptions.ClientError, match="ValidationError"):
        cloudwatch.put_metric_alarm(
            AlarmName=unique("contract"),
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            Metrics=[
                {"Id": "e", "Expression": "late +", "ReturnData": True},
                query("late", "late", "Sum"),
            ],
        )


def test_a_composite_alarm_follows_its_rule_and_keeps_its_children(management: Account) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html."""
    cloudwatch = management.client("cloudwatch")
    children = [late_alarm(management, threshold=0) for _ in range(3)]
    name = unique("contract")
    rule = '(ALARM("{}") AND ALARM("{}")) OR ALARM("{}")'.format(*children)
    cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule=rule, AlarmDescription="A & B")
    kind = "CompositeAlarm"
    assert state(management, name, kind, wanted="OK") == "OK"
    cloudwatch.set_alarm_state(AlarmName=children[0], StateValue="ALARM", StateReason="test")
    assert state(management, name, kind, wanted="OK") == "OK"
    cloudwatch.set_alarm_state(AlarmName=children[1], StateValue="ALARM", StateReason="test")
    assert state(management, name, kind, wanted="ALARM") == "ALARM"
    cloudwatch.set_alarm_state(AlarmName=children[1], StateValue="OK", StateReason="test")
    assert state(management, name, kind, wanted="OK") == "OK"
    with pytest.raises(cloudwatch.exceptions.ClientError, match="ValidationError"):
        cloudwatch.delete_alarms(AlarmNames=[children[2]])
    cloudwatch.delete_alarms(AlarmNames=[name])
    cloudwatch.delete_alarms(AlarmNames=children)
