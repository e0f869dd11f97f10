"""Draw a CloudWatch dashboard from its JSON and its metrics as a picture.

    scripts/dashboard_picture.py docs/images/dashboard.png [--name finops] [--minutes 60]

It asks CloudWatch with the credentials of the environment: on the local cloud with
AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID=111111111111, AWS_SECRET_ACCESS_KEY=test and
AWS_DEFAULT_REGION=us-east-1. Graphs that have no value are drawn empty. It needs Chromium, as the
tests of the console do.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any, Final

import boto3

from browser_picture import draw
from localcloud.extensions._metric_math import evaluate, parse

_COLUMN, _ROW, _LEGEND_ROW = 66, 42, 12
_COLOURS: Final = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd"),
    *("#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"),
)
_PAGE: Final = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #f2f3f3; font: 12px sans-serif; color: #16191f }}
section {{ position: absolute; box-sizing: border-box; background: #fff; border: 1px solid #d5dbdb;
  padding: 8px; overflow: hidden }}
h2 {{ font-size: 14px; margin: 0 0 4px }}
.legend span {{ display: inline-block; margin-right: 10px }}
.alarm {{ display: inline-block; margin: 2px; padding: 3px 7px; border-radius: 3px; color: #fff }}
.ALARM {{ background: #d13212 }} .OK {{ background: #1d8102 }}
.INSUFFICIENT_DATA {{ background: #687078 }}
</style>{sections}"""


@dataclass
class Line:
    """One metric or expression of a graph: values by time."""

    label: str
    right: bool = False
    visible: bool = True
    values: dict[datetime, float] = field(default_factory=dict)


class Reader:
    """What CloudWatch has of a time.

    Args:
        cloudwatch: A boto3 client.
        start: Of the time; it ends at `end`.
    """

    def __init__(self, cloudwatch: Any, start: datetime, end: datetime) -> None:
        self._cloudwatch = cloudwatch
        self.start, self.end = start, end

    def widgets(self, dashboard: str) -> list[dict[str, Any]]:
        """The widgets of a dashboard."""
        found = self._cloudwatch.get_dashboard(DashboardName=dashboard)["DashboardBody"]
        return list(json.loads(found)["widgets"])

    def states(self, arns: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Name and state of each alarm."""
        names = [arn.rpartition(":")[2] for arn in arns]
        answer = self._cloudwatch.describe_alarms(
            AlarmNames=names, AlarmTypes=["CompositeAlarm", "MetricAlarm"]
        )
        known = {
            one["AlarmName"]: one["StateValue"]
            for one in (*answer["CompositeAlarms"], *answer["MetricAlarms"])
        }
        for name in names:
            yield name, known.get(name, "INSUFFICIENT_DATA")

    def lines(self, properties: Mapping[str, Any], period: int) -> list[Line]:
        """The lines of a graph, each in periods of so many seconds."""
        lines: list[Line] = []
        by_id: dict[str, Line] = {}
        for metric in properties["metrics"]:
            options = metric[-1]
            line = Line(
                options.get("label", ""),
                right=options.get("yAxis") == "right",
                visible=options.get("visible", True),
            )
            if "expression" in options:
                tree = parse(options["expression"])
                for at in sorted({at for one in by_id.values() for at in one.values}):
                    found = evaluate(tree, lambda name, at=at: by_id[name].values.get(at))  # type: ignore[misc]
                    if found is not None:
                        line.values[at] = found
            else:
                line.values = self._measured(metric, period)
                by_id[options.get("id", f"line{len(lines)}")] = line
            lines.append(line)
        return [line for line in lines if line.visible]

    def _measured(self, metric: Sequence[Any], period: int) -> dict[datetime, float]:
        namespace, name, *dimensions, options = metric
        query = {
            "Id": "m",
            "MetricStat": {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": name,
                    "Dimensions": [
                        {"Name": key, "Value": value}
                        for key, value in zip(dimensions[::2], dimensions[1::2], strict=True)
                    ],
                },
                "Period": period,
                "Stat": options["stat"],
            },
        }
        (answer,) = self._cloudwatch.get_metric_data(
            MetricDataQueries=[query], StartTime=self.start, EndTime=self.end
        )["MetricDataResults"]
        return dict(zip(answer["Timestamps"], answer["Values"], strict=True))


def page(reader: Reader, dashboard: str, period: int) -> tuple[str, int]:
    """The dashboard as HTML, and its height in pixels."""
    sections, height = [], 0
    for widget in reader.widgets(dashboard):
        properties = widget["properties"]
        if widget["type"] == "text":
            content = _markdown(properties["markdown"])
        elif widget["type"] == "alarm":
            content = f"<h2>{escape(properties['title'])}</h2>" + "".join(
                f'<span class="alarm {state}">{escape(name)}</span>'
                for name, state in reader.states(properties["alarms"])
            )
        else:
            size = widget["width"] * _COLUMN - 18, widget["height"] * _ROW - 18
            lines = reader.lines(properties, period)
            content = f"<h2>{escape(properties['title'])}</h2>" + _graph(lines, reader, *size)
        left, top = widget["x"] * _COLUMN, widget["y"] * _ROW
        box = widget["width"] * _COLUMN - 4, widget["height"] * _ROW - 4
        sections.append(
            f'<section style="left:{left}px;top:{top}px;width:{box[0]}px;height:{box[1]}px">'
            f"{content}</section>"
        )
        height = max(height, top + box[1] + 4)
    return _PAGE.format(sections="".join(sections)), height


def _markdown(text: str) -> str:
    lines = [escape(one) for one in text.splitlines() if one]
    return "".join(
        f"<h2>{one.lstrip('# ')}</h2>" if one.startswith("#") else f"<p>{one}</p>" for one in lines
    )


def _graph(lines: Sequence[Line], reader: Reader, width: int, height: int) -> str:
    """Lines over time, with a scale on either side, and a legend of those that have values."""
    measured = [line for line in lines if line.values]
    plot_height = height - 60 - _LEGEND_ROW * _legend_rows([one.label for one in measured], width)
    span = (reader.end - reader.start).total_seconds()
    tops = {
        side: max([1.0, *(v for one in lines if one.right is side for v in one.values.values())])
        for side in (False, True)
    }
    drawn, legend = [], []
    for number, line in enumerate(measured):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [
            (
                40 + (width - 80) * (at - reader.start).total_seconds() / span,
                plot_height - (plot_height - 8) * value / tops[line.right],
            )
            for at, value in sorted(line.values.items())
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        drawn.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.8" fill="{colour}"/>' for x, y in points]
        legend.append(f'<span style="color:{colour}">&#9644; {escape(line.label)}</span>')
    axes = (
        f'<path d="M40 8V{plot_height}H{width - 40}V8" fill="none" stroke="#aab7b8"/>'
        f'<text x="36" y="16" text-anchor="end">{tops[False]:,.4g}</text>'
        f'<text x="36" y="{plot_height}" text-anchor="end">0</text>'
    )
    if any(line.right for line in measured):
        axes += f'<text x="{width - 36}" y="16">{tops[True]:,.4g}</text>'
    times = (
        f'<text x="40" y="{plot_height + 14}">{reader.start:%H:%M}</text>'
        f'<text x="{width - 40}" y="{plot_height + 14}" text-anchor="end">'
        f"{reader.end:%H:%M} UTC</text>"
    )
    return (
        f'<svg width="{width}" height="{plot_height + 18}" font-size="10">{axes}{times}'
        f'{"".join(drawn)}</svg><div class="legend" style="font-size:10px">{"".join(legend)}</div>'
    )


def _legend_rows(labels: Sequence[str], width: int) -> int:
    """How many rows the names of lines take, a letter being six pixels at most."""
    rows, left = 0, 0
    for label in labels:
        size = 6 * len(label) + 25
        if size > left:
            rows, left = rows + 1, width
        left -= size
    return rows


def main() -> int:
    """Draw, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("picture", type=Path, help="the PNG to write")
    parser.add_argument("--name", default="finops", help="of the dashboard")
    parser.add_argument("--minutes", type=int, default=60, help="until now")
    parser.add_argument("--period", type=int, default=60, help="seconds between two points")
    options = parser.parse_args()
    end = datetime.now(UTC)
    reader = Reader(boto3.client("cloudwatch"), end - timedelta(minutes=options.minutes), end)
    html, height = page(reader, options.name, options.period)
    try:
        draw(html, options.picture, width=24 * _COLUMN, height=height)
    except FileNotFoundError as error:
        parser.error(str(error))
    print(options.picture)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
