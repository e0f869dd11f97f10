"""What the dashboard, the alarms and the saved searches name is what code emits and AWS offers."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from localcloud.extensions._metric_math import evaluate, parse
from localcloud.settings import REPOSITORY
from tests.emissions import Function
from tests.environments.test_terraform import (
    LOCAL_BACKEND,
    OFFLINE_PROVIDER,
    copied,
    terraform,
)

#: Metrics of AWS by namespace: the dimension that names the resource, and the names.
#: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
#: https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
#: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.AuroraMonitoring.Metrics.html
#: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
AWS_METRICS = {
    "AWS/Lambda": (["FunctionName"], {"Duration", "Errors", "IteratorAge", "Throttles"}),
    "AWS/SQS": (
        ["QueueName"],
        {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"},
    ),
    "AWS/States": (["StateMachineArn"], {"ExecutionsFailed"}),
    "AWS/RDS": (["DBClusterIdentifier"], {"ServerlessDatabaseCapacity"}),
    "AWS/ApplicationELB": (
        ["LoadBalancer", "TargetGroup"],
        {"HTTPCode_Target_5XX_Count", "HealthyHostCount", "RequestCount", "TargetResponseTime"},
    ),
}
_CONSOLE = """
module "observability" {
  source     = "../modules/observability"
  account_id = "111111111111"
  region     = "eu-central-1"
  flows = {
    console = {
      log_group_names = ["/ecs/finops-console"]
      load_balancer   = { load_balancer = "app/finops/1", target_group = "targetgroup/finops/1" }
    }
  }
}
variable "region" { default = "eu-central-1" }
"""


class Plan:
    """What a plan is about to deploy."""

    def __init__(self, resources: list[dict[str, Any]]) -> None:
        self._resources = resources

    @classmethod
    def read(cls, folder: Path, work: Path, environment: Mapping[str, str]) -> Plan:
        shown = terraform(folder, work, environment, "show", "-json", "plan")
        assert shown.returncode == 0, shown.stderr
        return cls(list(_resources(json.loads(shown.stdout)["planned_values"]["root_module"])))

    def values(self, kind: str) -> list[dict[str, Any]]:
        """The planned values of all resources of a kind."""
        return [one["values"] for one in self._resources if one["type"] == kind]

    def counted(self, kind: str) -> Counter[str]:
        """How many resources of a kind each module of the root has."""
        return Counter(
            one["address"].split(".")[1] for one in self._resources if one["type"] == kind
        )

    def names(self, kind: str, attribute: str) -> set[str]:
        return {one[attribute] for one in self.values(kind)}

    @cached_property
    def functions(self) -> dict[str, Function]:
        return {
            one["function_name"]: Function(one["handler"])
            for one in self.values("aws_lambda_function")
        }

    @cached_property
    def named(self) -> Mapping[str, set[str]]:
        """The resources that AWS's metrics are about, by namespace."""
        return {
            "AWS/Lambda": set(self.functions),
            "AWS/SQS": self.names("aws_sqs_queue", "name"),
            "AWS/States": self.names("aws_sfn_state_machine", "name"),
            "AWS/RDS": self.names("aws_rds_cluster", "cluster_identifier"),
        }

    @property
    def widgets(self) -> list[dict[str, Any]]:
        (dashboard,) = self.values("aws_cloudwatch_dashboard")
        return list(json.loads(dashboard["dashboard_body"])["widgets"])

    def graphed(self) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Namespace, name and dimensions of every metric on the dashboard."""
        for widget in self.widgets:
            for metric in widget["properties"].get("metrics", []):
                if len(metric) > 1:
                    namespace, name, *dimensions, options = metric
                    assert isinstance(options, dict)
                    yield namespace, name, dict(zip(*[iter(dimensions)] * 2, strict=True))

    def alarmed(self) -> Iterator[tuple[str, str, dict[str, str]]]:
        """Namespace, name and dimensions of every metric that an alarm looks at."""
        for alarm in self.values("aws_cloudwatch_metric_alarm"):
            measured = [one["metric"][0] for one in alarm["metric_query"] if one["metric"]]
            for metric in measured or [alarm]:
                yield metric["namespace"], metric["metric_name"], metric["dimensions"]

    def complaint(self, namespace: str, name: str, dimensions: Mapping[str, str]) -> str:
        """Why nobody emits a metric; empty where somebody does."""
        where = f"{namespace} {name} {dict(dimensions)}"
        if namespace == "FinOps":
            if set(dimensions) != {"service"}:
                return f"{where}: the dimension of our own metrics is service"
            service = dimensions["service"]
            if service in self.functions:
                emits = name in self.functions[service].metrics
            else:
                others = [one.metrics_of_others for one in self.functions.values()]
                emits = service in self.named["AWS/SQS"] and any(name in one for one in others)
            return "" if emits else f"{where}: no code of {service} emits it"
        names, metrics = AWS_METRICS.get(namespace, ([], set()))
        if name not in metrics or list(dimensions) != names:
            return f"{where}: AWS has no such metric"
        what = str(dimensions[names[0]]).rpartition(":")[2]
        if namespace in self.named and what not in self.named[namespace]:
            return f"{where}: there is no {what}"
        return ""


def _resources(module: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)


@pytest.fixture(scope="module")
def plan(
    tmp_path_factory: pytest.TempPathFactory,
    planned_example: Callable[[str], Path],
    plan_environment: Mapping[str, str],
) -> Plan:
    """The example with every flow."""
    return Plan.read(planned_example("complete"), tmp_path_factory.mktemp("data"), plan_environment)


def test_every_metric_on_the_dashboard_is_emitted(plan: Plan) -> None:
    graphed = list(plan.graphed())
    assert len(graphed) > 50
    assert [found for one in graphed if (found := plan.complaint(*one))] == []


def test_every_metric_of_an_alarm_is_emitted(plan: Plan) -> None:
    alarmed = list(plan.alarmed())
    assert len(alarmed) > 100
    assert [found for one in alarmed if (found := plan.complaint(*one))] == []


@pytest.mark.parametrize(
    "metric",
    [
        ("FinOps", "BudgetsAplied", {"service": "finops-record-budget-result"}),
        ("FinOps", "BudgetLatency", {"service": "finops-publish-budget"}),
        ("FinOps", "BudgetLatency", {"FunctionName": "finops-record-budget-result"}),
        ("FinOps", "MessagesFailed", {"service": "finops-load-billing-files"}),
        ("FinOps", "AuditEntriesUnsent", {"service": "finops-audit"}),
        ("Finops", "BudgetLatency", {"service": "finops-record-budget-result"}),
        ("AWS/Lambda", "Error", {"FunctionName": "finops-publish-budget"}),
        ("AWS/Lambda", "Errors", {"FunctionName": "finops-publish-budgets"}),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", {"Queue": "finops-billing-files"}),
    ],
)
def test_a_metric_that_nobody_emits_is_told(
    plan: Plan, metric: tuple[str, str, dict[str, str]]
) -> None:
    assert plan.complaint(*metric)


def test_graphs_stand_side_by_side_and_none_is_empty(plan: Plan) -> None:
    cells: set[tuple[int, int]] = set()
    for widget in plan.widgets:
        own = {
            (widget["x"] + x, widget["y"] + y)
            for x in range(widget["width"])
            for y in range(widget["height"])
        }
        assert not own & cells
        cells |= own
        if widget["type"] == "metric":
            assert widget["properties"]["metrics"]
            assert all(len(one) % 2 for one in widget["properties"]["metrics"])
    assert max(x for x, _ in cells) == 23


def test_every_single_alarm_is_in_one_impact_and_tells_nobody_itself(plan: Plan) -> None:
    rules = [one["alarm_rule"] for one in plan.values("aws_cloudwatch_composite_alarm")]
    in_rules = [name for rule in rules for name in re.findall(r'ALARM\("([^"]+)"\)', rule)]
    alarms = plan.values("aws_cloudwatch_metric_alarm")
    flows = [one for one in alarms if not one["alarm_name"].startswith("finops-apply-budget-")]
    assert sorted(in_rules) == sorted(one["alarm_name"] for one in flows)
    assert [one["alarm_name"] for one in flows if one["alarm_actions"]] == []
    assert len(rules) < len(flows) / 5


def in_alarm(rule: str, alarms: set[str]) -> bool:
    """Whether a composite alarm's rule holds while these alarms are in ALARM, and no other is."""
    said = re.sub(r'ALARM\("([^"]+)"\)', lambda one: str(one[1] in alarms), rule)
    assert re.fullmatch(r"(True|False|AND|OR|[() ])+", said), said
    return bool(eval(said.replace("AND", "and").replace("OR", "or")))


def test_an_impact_is_an_alarm_as_soon_as_one_of_its_alarms_is(plan: Plan) -> None:
    impacts = [
        one
        for one in plan.values("aws_cloudwatch_composite_alarm")
        if not one["alarm_name"].endswith("-late")
    ]
    assert len(impacts) >= 15
    for impact in impacts:
        names = set(re.findall(r'ALARM\("([^"]+)"\)', impact["alarm_rule"]))
        assert names
        assert not in_alarm(impact["alarm_rule"], set())
        assert all(in_alarm(impact["alarm_rule"], {name}) for name in names)


@pytest.mark.parametrize(
    ("flow", "waits"), [("budgets", False), ("billing", True), ("invoices", True)]
)
def test_a_service_level_is_an_alarm_where_both_times_agree(
    plan: Plan, flow: str, waits: bool
) -> None:
    (rule,) = [
        one["alarm_rule"]
        for one in plan.values("aws_cloudwatch_composite_alarm")
        if one["alarm_name"] == f"finops-{flow}-late"
    ]
    late = f"finops-{flow}-late"
    for speed in ("fast", "slow"):
        assert in_alarm(rule, {f"{late}-{speed}", f"{late}-{speed}-now"})
        assert not in_alarm(rule, {f"{late}-{speed}"})
        assert not in_alarm(rule, {f"{late}-{speed}-now"})
    assert not in_alarm(rule, {f"{late}-fast", f"{late}-slow-now"})
    assert in_alarm(rule, {f"{late}-waiting"}) == waits


@pytest.mark.parametrize(
    ("counted", "percent"),
    [
        ({"measured": 1000, "late": 10}, 1),
        ({"measured": 100, "late": 0, "failed": 0, "unpublished": 0, "unanswered": 0}, 0),
        # Edits that failed are late, as those that nobody answered, and none of them has a time.
        ({"measured": 80, "late": 4, "failed": 1, "unpublished": 7, "unanswered": 12}, 24),
        ({"unanswered": 5}, 100),
        ({"measured": 5, "late": 1}, 0),  # one alone is no alarm
        ({"measured": 5, "late": 2}, 40),
        ({}, None),
    ],
)
def test_the_share_of_late_edits_is_of_all_that_were_to_be_applied(
    plan: Plan, counted: Mapping[str, float], percent: float | None
) -> None:
    (alarm,) = [
        one
        for one in plan.values("aws_cloudwatch_metric_alarm")
        if one["alarm_name"] == "finops-budgets-late-fast"
    ]
    ids = {one["id"]: one for one in alarm["metric_query"] if one["metric"]}
    assert set(ids) == {"measured", "late", "failed", "unpublished", "unanswered"}
    (expression,) = [one["expression"] for one in alarm["metric_query"] if one["expression"]]
    found = evaluate(parse(expression), {**dict.fromkeys(ids), **counted}.__getitem__)
    assert found == (None if percent is None else pytest.approx(percent))


def test_composite_alarms_are_named_on_the_dashboard(plan: Plan) -> None:
    (shown,) = [one for one in plan.widgets if one["type"] == "alarm"]
    names = plan.names("aws_cloudwatch_composite_alarm", "alarm_name")
    assert {arn.rpartition(":")[2] for arn in shown["properties"]["alarms"]} == names


def test_saved_searches_name_fields_that_functions_log(plan: Plan) -> None:
    own = {"@timestamp", "times", "last", "last_id"}
    standard = set(_logged_always()) | {"correlation_id"}
    for query in plan.values("aws_cloudwatch_query_definition"):
        functions = [name.removeprefix("/aws/lambda/") for name in query["log_group_names"]]
        logged = set().union(*(plan.functions[name].log_fields for name in functions))
        text = re.sub(r'"[^"]*"', "", query["query_string"])
        fields = set(re.findall(r"@?[a-z_]+", text)) - _WORDS
        assert fields - own - standard - logged == set(), query["name"]
        assert len(fields) > 3


_WORDS = {
    *("fields", "filter", "sort", "asc", "desc", "limit", "stats", "count", "as", "by"),
    "latest",
}


def _logged_always() -> dict[str, Any]:
    """A line as Powertools writes it."""
    lines: list[str] = []
    handler = logging.Handler()
    logger = Logger(service="of-a-test", logger_handler=handler)
    handler.emit = lambda record: lines.append(handler.format(record))  # type: ignore[method-assign]
    logger.info("said")
    return dict(json.loads(lines[0]))


def test_the_page_on_costs_counts_the_alarms_that_are_planned(plan: Plan) -> None:
    """CloudWatch bills an alarm for each metric that it looks at, and composite alarms singly."""
    page = (REPOSITORY / "docs" / "costs.md").read_text(encoding="utf-8")
    said = {
        module: int(count)
        for count, module in re.findall(r"(\d+) of\s\[\w+\]\(\.\./modules/(\w+)/", page)
    }
    single = plan.counted("aws_cloudwatch_metric_alarm")
    assert said == {
        module: count
        for module, count in single.items()
        if module not in {"budgets_spoke", "observability"}
    }
    idle, own = (
        re.search(f"{row}.* ([\\d.]+) \\|$", page, re.MULTILINE)
        for row in (
            r"(\d+) CloudWatch alarms at 0\.10 \|",
            r"(\d+) composite alarms at 0\.50, (\d+) metrics .* at 0\.10, a dashboard at 3\.00 \|",
        )
    )
    assert idle
    assert own
    looked_at = sum(
        sum(1 for query in alarm["metric_query"] if query["metric"]) or 1
        for alarm in plan.values("aws_cloudwatch_metric_alarm")
        if re.search(r"-late-", alarm["alarm_name"])
    )
    composites = len(plan.values("aws_cloudwatch_composite_alarm"))
    assert idle.groups() == (str(sum(said.values())), f"{sum(said.values()) / 10:.2f}")
    price = f"{composites * 0.5 + looked_at / 10 + 3:.2f}"
    assert own.groups() == (str(composites), str(looked_at), price)


def test_the_console_has_graphs_of_its_load_balancer(
    tmp_path: Path, plan_environment: Mapping[str, str]
) -> None:
    folder = copied(tmp_path / "copy", "modules") / "root"
    folder.mkdir()
    (folder / "main.tf").write_text(_CONSOLE + OFFLINE_PROVIDER + LOCAL_BACKEND)
    for arguments in (["init"], ["plan", "-out=plan"]):
        ran = terraform(folder, tmp_path, plan_environment, *arguments, "-input=false", "-no-color")
        assert ran.returncode == 0, ran.stderr
    console = Plan.read(folder, tmp_path, plan_environment)
    graphed = list(console.graphed())
    assert {namespace for namespace, *_ in graphed} == {"AWS/ApplicationELB"}
    assert [found for one in graphed if (found := console.complaint(*one))] == []


def test_the_example_shows_every_flow_that_it_deploys() -> None:
    example = (REPOSITORY / "examples" / "complete" / "main.tf").read_text(encoding="utf-8")
    modules = set(re.findall(r"//modules/(\w+)\?", example))
    shown = set(re.findall(r"= module\.(\w+)\.observability", example))
    assert modules - shown == {"budgets_spoke", "observability"}
