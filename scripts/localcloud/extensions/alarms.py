"""DescribeAlarms tells all of an alarm, and nothing that it was not given.

AWS: "MetricAlarm" https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html
MiniStack's XML answer leaves out dimensions, actions, period, statistic and more, and gives an
alarm on a percentile or an expression a statistic and a period, so Terraform would change alarms
at every plan. Its JSON answer is complete; this writes that as XML.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from ministack.services import cloudwatch

from localcloud.extensions._patch import Response, wrap

_LISTS = ("AlarmNames", "AlarmTypes")
_TEXTS = (
    "AlarmNamePrefix",
    "StateValue",
    "ActionPrefix",
    "ChildrenOfAlarmName",
    "ParentsOfAlarmName",
    "MaxRecords",
    "NextToken",
)


def _put_metric_alarm(
    original: Callable[..., Response], params: dict[str, Any], data: Any, *protocol: bool
) -> Response:
    response = original(params, data, *protocol)
    name = (data or {}).get("AlarmName") or cloudwatch._p(params, "AlarmName")
    alarm = cloudwatch._alarms.get(name, {})
    if not alarm.get("MetricName"):  # an expression over metrics, which have their own
        alarm.pop("Statistic", None)
        alarm.pop("Period", None)
    elif alarm.get("ExtendedStatistic"):
        alarm.pop("Statistic", None)
    return response


def _describe_alarms(
    original: Callable[..., Response],
    params: dict[str, Any],
    data: Any,
    is_cbor: bool,
    is_json: bool = False,
) -> Response:
    if is_cbor or is_json:
        return original(params, data, is_cbor, is_json)
    response = original(params, _query(params), False, True)
    if response[0] != 200:
        return original(params, data, is_cbor, is_json)
    alarms = json.loads(response[2])
    return cloudwatch._xml(
        200,
        "DescribeAlarmsResponse",
        f"<DescribeAlarmsResult>{''.join(map(_element, alarms, alarms.values()))}"
        "</DescribeAlarmsResult>",
    )


def _query(params: dict[str, Any]) -> dict[str, Any]:
    """The request's parameters as the JSON protocol has them."""
    query: dict[str, Any] = {}
    for name in _LISTS:
        while value := cloudwatch._p(params, f"{name}.member.{len(query.get(name, [])) + 1}"):
            query.setdefault(name, []).append(value)
    for name in _TEXTS:
        if value := cloudwatch._p(params, name):
            query[name] = value
    return query


def _element(name: str, value: Any) -> str:
    if value is None or value == "" or name.startswith("_"):
        return ""
    return f"<{name}>{_content(name, value)}</{name}>"


def _content(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return "".join(map(_element, value, value.values()))
    if isinstance(value, list):
        return "".join(f"<member>{_content('', item)}</member>" for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    if name.endswith("Timestamp") and isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return escape(str(value))


def install() -> None:
    """Keep what an alarm was given, and answer all of it."""
    wrap(cloudwatch, "_put_metric_alarm", _put_metric_alarm)
    wrap(cloudwatch, "_describe_alarms", _describe_alarms)
