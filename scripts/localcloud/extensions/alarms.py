"""DescribeAlarms returns every setting of an alarm, and none that was not made.

AWS: "MetricAlarm" https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html
MiniStack's XML answer leaves out dimensions, actions, period, statistic and more, and gives an
alarm on a percentile or an expression a statistic and a period, so Terraform would change alarms
at every plan. Its JSON answer is complete; this writes that as XML.

An alarm looks at the metric with its own dimensions, one value a period: "Alarm evaluation"
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
MiniStack merges all metrics of the same name, and all periods, and forgets expressions. It takes
the statistic ``TC(a:b)``, the count of values above a up to and including b, for the average:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

from __future__ import annotations

import json
import operator
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from xml.sax.saxutils import escape

from ministack.services import cloudwatch

from localcloud.extensions._metric_math import UnknownExpressionError, evaluate, parse
from localcloud.extensions._patch import Response, replace, wrap

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
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_TRIMMED_COUNT: Final = re.compile(r"TC\((\d*\.?\d*):(\d*\.?\d*)\)")
_MISSING: Final = {"breaching": True, "notBreaching": False}


def _put_metric_alarm(
    original: Callable[..., Response], params: dict[str, Any], data: Any, *protocol: bool
) -> Response:
    queries = _queries(params, data)
    try:
        for one in queries:
            parse(one.get("Expression") or "0")
    except UnknownExpressionError as error:
        cbor, as_json = (*protocol, False, False)[:2]
        return cloudwatch._error(
            "ValidationError",
            f"Invalid metrics list: {error}",
            400,
            use_json=as_json,
            use_cbor=cbor,
        )
    response = original(params, data, *protocol)
    name = (data or {}).get("AlarmName") or cloudwatch._p(params, "AlarmName")
    alarm = cloudwatch._alarms.get(name, {})
    if queries:
        alarm["Metrics"] = queries
    if not alarm.get("MetricName"):  # an expression over metrics, which have their own
        alarm.pop("Statistic", None)
        alarm.pop("Period", None)
    elif alarm.get("ExtendedStatistic"):
        alarm.pop("Statistic", None)
    return response


def _queries(params: Mapping[str, Any], data: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The metrics of a PutMetricAlarm request, of any protocol, as the JSON one has them."""
    if data is not None and "Metrics" in data:
        return list(data["Metrics"])
    found: list[dict[str, Any]] = []
    while cloudwatch._p(params, f"{(prefix := f'Metrics.member.{len(found) + 1}')}.Id"):
        found.append(_metric_query(params, prefix))
    return found


def _metric_query(params: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    query: dict[str, Any] = {
        name: value
        for name in ("Id", "Expression", "Label")
        if (value := cloudwatch._p(params, f"{prefix}.{name}"))
    }
    query["ReturnData"] = cloudwatch._p(params, f"{prefix}.ReturnData") == "true"
    metric = f"{prefix}.MetricStat.Metric"
    if name := cloudwatch._p(params, f"{metric}.MetricName"):
        dimensions: list[dict[str, str]] = []
        while cloudwatch._p(
            params, f"{(one := f'{metric}.Dimensions.member.{len(dimensions) + 1}')}.Name"
        ):
            dimensions.append(
                {key: cloudwatch._p(params, f"{one}.{key}") for key in ("Name", "Value")}
            )
        query["MetricStat"] = {
            "Metric": {
                "Namespace": cloudwatch._p(params, f"{metric}.Namespace"),
                "MetricName": name,
                "Dimensions": dimensions,
            },
            "Period": int(cloudwatch._p(params, f"{prefix}.MetricStat.Period")),
            "Stat": cloudwatch._p(params, f"{prefix}.MetricStat.Stat"),
        }
    return query


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


def _evaluate_alarm(alarm: dict[str, Any]) -> None:
    compare = _COMPARISONS.get(alarm.get("ComparisonOperator", ""))
    periods = int(alarm.get("EvaluationPeriods", 1))
    look = _expression(alarm) if alarm.get("Metrics") else _metric(alarm)
    if compare is None or look is None:
        return
    found = [look(back) for back in range(periods)]
    missing = _MISSING.get(alarm.get("TreatMissingData") or "missing")
    breaching = [
        missing if one is None else compare(one, float(alarm["Threshold"])) for one in found
    ]
    needed = int(alarm.get("DatapointsToAlarm") or periods)
    state = "ALARM" if breaching.count(True) >= needed else "OK"
    if all(one is None for one in breaching):
        if alarm.get("TreatMissingData") == "ignore":
            return
        state = "INSUFFICIENT_DATA"
    before = alarm["StateValue"]
    if before == state:
        return
    reason = f"Threshold Crossed: {found} against {alarm['Threshold']}"
    alarm["StateValue"] = state
    alarm["StateReason"] = reason
    alarm["StateUpdatedTimestamp"] = int(time.time())
    cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _metric(alarm: Mapping[str, Any]) -> Callable[[int], float | None] | None:
    """The alarm's metric by the number of periods back; None before anything was measured."""
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    points = _points(alarm)
    if not points:
        return None
    return lambda back: _value(points, statistic, float(alarm["Period"]), back)


def _expression(alarm: Mapping[str, Any]) -> Callable[[int], float | None] | None:
    """The alarm's expression, likewise."""
    stats = {one["Id"]: one["MetricStat"] for one in alarm["Metrics"] if "MetricStat" in one}
    points = {name: _points(stat["Metric"]) for name, stat in stats.items()}
    if not any(points.values()):
        return None
    (tree,) = [parse(one["Expression"]) for one in alarm["Metrics"] if "Expression" in one]

    def look(back: int) -> float | None:
        return evaluate(
            tree,
            lambda name: _value(
                points[name], stats[name]["Stat"], float(stats[name]["Period"]), back
            ),
        )

    return look


def _points(metric: Mapping[str, Any]) -> list[dict[str, Any]]:
    dimensions = cloudwatch._dims_from_list(metric.get("Dimensions") or [])
    key = (metric.get("Namespace"), metric.get("MetricName"), cloudwatch._dims_key(dimensions))
    return list(cloudwatch._metrics.get(key) or ())


def _value(
    points: list[dict[str, Any]], statistic: str, period: float, periods_back: int
) -> float | None:
    """The statistic of a period, the last being number 0."""
    end = time.time() - periods_back * period
    within = [one for one in points if end - period < one["Timestamp"] <= end]
    stats = cloudwatch._calc_stats(within)
    value = cloudwatch._stat_value(stats, statistic, within) if stats else None
    return None if value is None else float(value)


def _stat_value(
    original: Callable[..., float | None],
    stats: Mapping[str, float],
    stat_name: str,
    points: list[dict[str, Any]] | None = None,
) -> float | None:
    """A statistic of a period, TC included."""
    if bounds := _TRIMMED_COUNT.fullmatch(stat_name or ""):
        low = float(bounds[1]) if bounds[1] else float("-inf")
        high = float(bounds[2]) if bounds[2] else float("inf")
        counted = [cloudwatch._point_stats(one) for one in points or []]
        return float(sum(count for count, _, value, _ in counted if low < value <= high))
    return original(stats, stat_name, points)


def install() -> None:
    """Keep an alarm's settings, return all of them, and evaluate its own metric."""
    replace(cloudwatch, "_evaluate_alarm", _evaluate_alarm)
    wrap(cloudwatch, "_stat_value", _stat_value)
    wrap(cloudwatch, "_put_metric_alarm", _put_metric_alarm)
    wrap(cloudwatch, "_describe_alarms", _describe_alarms)
