"""What Lambda keeps of a function's log, and the metrics in it.

AWS: "Log-level filtering"
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html and
"Embedded metric format"
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

With the JSON format, Lambda drops lines below the level of the application's log. A line without a
valid ``level`` counts as INFO: metrics have none, and what the runtime logs of an uncaught
exception has only a ``log_level``
(https://github.com/aws/aws-lambda-python-runtime-interface-client/issues/202).
CloudWatch reads metrics from what it was given. MiniStack keeps all lines and reads no metrics.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from ministack.services import cloudwatch, lambda_svc

from localcloud.extensions._patch import wrap

_LEVELS: Final = {
    name: rank
    for rank, names in enumerate(
        (("TRACE",), ("DEBUG",), ("INFO",), ("WARN", "WARNING"), ("ERROR",), ("FATAL", "CRITICAL"))
    )
    for name in names
}


def _emit_logs(
    original: Callable[..., None],
    function: dict[str, Any],
    request_id: str,
    log_text: str,
    *args: Any,
    **kwargs: Any,
) -> None:
    logging = (function.get("config") or function).get("LoggingConfig") or {}
    lines = [(line, _document(line)) for line in (log_text or "").splitlines()]
    if logging.get("LogFormat") == "JSON":
        lowest = _LEVELS[logging.get("ApplicationLogLevel") or "INFO"]
        lines = [(line, said) for line, said in lines if _level(said) >= lowest]
    for _, said in lines:
        _record_metrics(said)
    original(function, request_id, "\n".join(line for line, _ in lines), *args, **kwargs)


def _document(line: str) -> dict[str, Any]:
    if not line.startswith("{"):
        return {}
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _level(said: dict[str, Any]) -> int:
    return _LEVELS.get(str(said.get("level", "")).upper(), _LEVELS["INFO"])


def _record_metrics(said: dict[str, Any]) -> None:
    aws = said.get("_aws")
    for directive in aws.get("CloudWatchMetrics", ()) if isinstance(aws, dict) else ():
        for metric in directive["Metrics"]:
            values = said[metric["Name"]]
            for names in directive["Dimensions"]:
                for value in values if isinstance(values, list) else [values]:
                    cloudwatch.record_metric(
                        directive["Namespace"],
                        metric["Name"],
                        value,
                        metric.get("Unit", "None"),
                        {name: str(said[name]) for name in names},
                    )


def install() -> None:
    """Filter before anything is written."""
    wrap(lambda_svc, "_emit_lambda_logs", _emit_logs)
