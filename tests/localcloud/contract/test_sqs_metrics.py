"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.localcloud.contract.aws import Account, Queue, eventually, unique

pytestmark = pytest.mark.needs("sqs_metrics")

#: On AWS a queue is measured once a minute, and told of minutes later.
PATIENCE = 900.0


def ages(management: Account, queue: Queue, since: datetime) -> list[float]:
    points = management.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": queue.arn.rpartition(":")[2]}],
        StartTime=since,
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=1,
        Statistics=["Maximum"],
    )["Datapoints"]
    return [one["Maximum"] for one in sorted(points, key=lambda one: one["Timestamp"])]


def test_a_message_that_was_received_three_times_is_left_out_of_the_age(
    management: Account,
) -> None:
    queue = management.queue()
    start = datetime.now(UTC) - timedelta(seconds=1)
    queue.sqs.send_message(QueueUrl=queue.url, MessageBody="poison")
    eventually(lambda: max(ages(management, queue, start), default=0) > 0, within=PATIENCE)
    for _ in range(3):
        queue.sqs.receive_message(QueueUrl=queue.url, VisibilityTimeout=0)
    received = datetime.now(UTC)
    found = eventually(
        lambda: ages(management, queue, received + timedelta(seconds=1)), within=PATIENCE
    )
    assert max(found) == 0


def test_an_alarm_looks_at_the_metric_of_its_own_dimensions(management: Account) -> None:
    cloudwatch = management.client("cloudwatch")
    names = {one: unique(one) for one in ("failing", "sound")}
    namespace = unique("contract")
    for service, name in names.items():
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace=namespace,
            MetricName="ThingsFailed",
            Dimensions=[{"Name": "service", "Value": service}],
            Statistic="Sum",
            Period=3600,
            EvaluationPeriods=1,
            Threshold=2,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
        )

    def state(one: str) -> str:
        alarms = cloudwatch.describe_alarms(AlarmNames=[names[one]])["MetricAlarms"]
        return str(alarms[0]["StateValue"])

    for service, value in (("failing", 2), ("sound", 1)):
        cloudwatch.put_metric_data(
            Namespace=namespace,
            MetricData=[
                {
                    "MetricName": "ThingsFailed",
                    "Dimensions": [{"Name": "service", "Value": service}],
                    "Value": value,
                }
            ],
        )
    eventually(lambda: state("failing") == "ALARM", within=PATIENCE)
    eventually(lambda: state("sound") == "OK", within=PATIENCE)
