"""https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html.

What the runtime logs of an uncaught exception has no ``level``:
https://github.com/aws/aws-lambda-python-runtime-interface-client/issues/202. Metrics in a log:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.contract.aws import Account, eventually, unique

pytestmark = pytest.mark.needs("lambda_logs")

CODE = """
import json, os
def handler(event, context):
    for level in ("DEBUG", "INFO", "WARNING", "ERROR"):
        print(json.dumps({"level": level, "message": f"said at {level}"}))
    print(json.dumps({
        "_aws": {"Timestamp": 1, "CloudWatchMetrics": [{
            "Namespace": os.environ["NAMESPACE"], "Dimensions": [["service"]],
            "Metrics": [{"Name": "ThingsDone", "Unit": "Count"}]}]},
        "service": "contract", "ThingsDone": [2.0, 3.0]}))
    raise ValueError("nobody catches this")
"""


def logged(management: Account, level: str, namespace: str) -> tuple[list[str], list[float]]:
    """What the function logged, and the sums of its metric."""
    arn = management.function(CODE, NAMESPACE=namespace)
    name = arn.rpartition(":")[2]
    functions = management.client("lambda")
    functions.update_function_configuration(
        FunctionName=name, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": level}
    )
    functions.get_waiter("function_updated_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )
    functions.invoke(FunctionName=name)
    logs = management.client("logs")

    def lines() -> list[str]:
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except ClientError:
            return []
        return [one["message"] for one in events]

    eventually(lambda: any("REPORT" in line for line in lines()))
    now = datetime.now(UTC)
    points: list[dict[str, Any]] = management.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName="ThingsDone",
        Dimensions=[{"Name": "service", "Value": "contract"}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=10),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return lines(), [one["Sum"] for one in points]


def levels(lines: list[str]) -> list[str]:
    said = [json.loads(line) for line in lines if line.startswith("{")]
    return [one["level"] for one in said if "level" in one]


def test_at_info_metrics_and_uncaught_exceptions_are_kept(management: Account) -> None:
    lines, sums = logged(management, "INFO", unique("contract"))
    assert levels(lines) == ["INFO", "WARNING", "ERROR"]
    assert any("nobody catches this" in line for line in lines)
    assert sums == [5.0]


def test_above_info_lines_without_a_level_are_dropped(management: Account) -> None:
    lines, sums = logged(management, "ERROR", unique("contract"))
    assert levels(lines) == ["ERROR"]
    assert not any("nobody catches this" in line for line in lines)
    assert sums == []


def test_at_debug_everything_is_kept(management: Account) -> None:
    lines, _ = logged(management, "DEBUG", unique("contract"))
    assert levels(lines) == ["DEBUG", "INFO", "WARNING", "ERROR"]
