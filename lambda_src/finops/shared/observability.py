"""Structured logs and metrics, the same in every function (Powertools for AWS Lambda).

Settings come from the function's environment: POWERTOOLS_SERVICE_NAME, POWERTOOLS_LOG_LEVEL and
POWERTOOLS_METRICS_NAMESPACE.
"""

from __future__ import annotations

import warnings

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

__all__ = ["MetricUnit", "count_of", "logger", "metrics", "status_metric"]

# An event without metrics is normal.
warnings.filterwarnings("ignore", message="No application metrics to publish")

logger = Logger()
metrics = Metrics()


def count_of(metric: str, count: int, service: str) -> None:
    """Count something of another service than this process, in whose log it stands at once.

    CloudWatch reads it from the log of a function or of a container:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Generation.html
    """
    with single_metric(
        name=metric,
        unit=MetricUnit.Count,
        value=count,
        namespace="FinOps",
        default_dimensions={"service": service},
    ):
        pass


def status_metric(counted: str, status: str) -> str:
    """The metric that counts things by status: `Invoices`, `NEEDS_REVIEW` → InvoicesNeedsReview."""
    return counted + "".join(word.title() for word in status.split("_"))
