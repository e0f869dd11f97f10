"""The picture of the dashboard shows what CloudWatch has."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard_picture import Reader, _legend_rows, page

#: Counted for another line, and not drawn itself.
CALLS = {"stat": "Sum", "id": "calls", "visible": False}
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
WIDGETS: list[dict[str, Any]] = [
    {
        "type": "text",
        "x": 0,
        "y": 0,
        "width": 8,
        "height": 6,
        "properties": {"markdown": "## Costs & <more>\n\n- 99% within 60 s."},
    },
    {
        "type": "alarm",
        "x": 8,
        "y": 0,
        "width": 16,
        "height": 6,
        "properties": {"title": "What does not work", "alarms": ["arn:a:b:c:d:alarm:late"]},
    },
    {
        "type": "metric",
        "x": 0,
        "y": 6,
        "width": 8,
        "height": 7,
        "properties": {
            "title": "Cost",
            "metrics": [
                [
                    "FinOps",
                    "Calls",
                    "service",
                    "f",
                    {"stat": "Sum", "id": "calls", "visible": False},
                ],
                [{"expression": "calls * 0.01", "label": "Cost Explorer"}],
                ["FinOps", "Nothing", "service", "f", {"stat": "Sum", "label": "never counted"}],
            ],
        },
    },
]


class CloudWatch:
    """A dashboard with one metric, and an alarm."""

    def get_dashboard(self, **_: Any) -> dict[str, str]:
        return {"DashboardBody": json.dumps({"widgets": WIDGETS})}

    def describe_alarms(self, **request: Any) -> dict[str, Any]:
        found = [{"AlarmName": name, "StateValue": "ALARM"} for name in request["AlarmNames"]]
        return {"CompositeAlarms": found, "MetricAlarms": []}

    def get_metric_data(self, **request: Any) -> dict[str, Any]:
        metric = request["MetricDataQueries"][0]["MetricStat"]["Metric"]
        assert metric["Dimensions"] == [{"Name": "service", "Value": "f"}]
        has = metric["MetricName"] == "Calls"
        times = [START + timedelta(minutes=one) for one in (1, 2)] if has else []
        return {
            "MetricDataResults": [{"Timestamps": times, "Values": [100.0, 300.0][: len(times)]}]
        }


READER = Reader(CloudWatch(), START, START + timedelta(minutes=10))


def test_an_expression_is_drawn_and_what_it_is_made_of_is_not() -> None:
    (line, empty) = READER.lines(WIDGETS[2]["properties"], 60)
    assert (line.label, list(line.values.values())) == ("Cost Explorer", [1.0, 3.0])
    assert (empty.label, empty.values) == ("never counted", {})


def test_the_page_has_every_widget() -> None:
    html, height = page(READER, "finops", 60)
    assert html.count("<section") == 3
    assert height == 13 * 42
    assert "Costs &amp; &lt;more&gt;" in html
    assert '<span class="alarm ALARM">late</span>' in html
    assert html.count("<polyline") == 1
    assert "never counted" not in html


@pytest.mark.parametrize(
    ("lengths", "rows"), [([], 0), ([10], 1), ([10, 10, 10], 1), ([45, 45, 45], 3), ([90], 1)]
)
def test_a_graph_leaves_room_for_the_names_of_its_lines(lengths: list[int], rows: int) -> None:
    assert _legend_rows(["n" * length for length in lengths], 510) == rows
