"""The spoke as a CloudFormation template is the spoke as a Terraform module, field by field."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from localcloud.settings import REPOSITORY
from tests.budgets.cloudformation import Place, read_template, resolved_resources
from tests.budgets.spoke_forms import Plan, Spoke, mutated, stack_spoke

PLACE = Place(account_id="222222222222", region="eu-west-1")
HUB = {
    "role_arns": [
        "arn:aws:iam::111111111111:role/finops-publish-budget",
        "arn:aws:iam::111111111111:role/finops-repair-budget-drift",
    ],
    "external_id": "finops-test",
    "result_bus_arn": "arn:aws:events:eu-west-1:111111111111:event-bus/finops-budgets",
}
STORED = {"sha256_base64": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "s3_bucket": "packages"}
KEY = "arn:aws:kms:eu-west-1:111111111111:key/1234"
#: For both modules; `spoke` and `set` for one, where an argument has another form.
CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": {
        "name_prefix": "other",
        "seed_budget": {"name": "other-total", "amount": "250.50", "time_unit": "QUARTERLY"},
        "notifications": {
            "thresholds": [{"type": "FORECASTED", "percent": 75.5}],
            "emails": ["finops@example.com", "second@example.com"],
        },
        "drift_schedule": "rate(1 hour)",
        "tags": {"project": "finops", "team": "cloud"},
        "kms_key_arn": KEY,
        "alarms": {"enabled": True, "topic_arns": ["arn:aws:sns:eu-west-1:111111111111:pager"]},
        "spoke": {
            "function_settings": {
                "log_level": "DEBUG",
                "log_retention_days": 365,
                "permissions_boundary_arn": "arn:aws:iam::222222222222:policy/people/limit",
            }
        },
        "set": {
            "function_settings": {
                "log_level": "DEBUG",
                "log_retention_days": 365,
                "permissions_boundary_name": "people/limit",
            }
        },
    },
    "alarms_without_topics": {
        "alarms": {"enabled": True},
        "function_settings": {"tracing": False},
    },
}


#: The case in which each resource, property and statement is there.
EVERYTHING = pytest.mark.parametrize("planned", ["everything"], indirect=True)


def root(case: Mapping[str, Any]) -> dict[str, Any]:
    """Both modules with the same arguments."""
    version = {"s3_object_version": "v1"} if "kms_key_arn" in case else {}
    shared = {
        "region": PLACE.region,
        "hub": HUB,
        "packages": {
            "code": STORED | {"s3_key": "code.zip", "architecture": "x86_64"} | version,
            "layers": {"core": STORED | {"s3_key": "core.zip"} | version},
        },
        **{name: one for name, one in case.items() if name not in {"spoke", "set"}},
    }
    return {
        "provider": {
            "aws": {
                "region": PLACE.region,
                "access_key": "test",
                "secret_key": "test",
                "skip_credentials_validation": True,
                "skip_metadata_api_check": True,
                "skip_requesting_account_id": True,
            }
        },
        "module": {
            "spoke": {
                "source": "./modules/budgets_spoke",
                "account_id": PLACE.account_id,
                **shared,
                **case.get("spoke", {}),
            },
            "set": {
                "source": "./modules/budgets_spoke_stackset",
                "organization_id": "o-a1b2c3d4e5",
                "organizational_unit_ids": ["ou-ab12-cd34ef56"],
                **shared,
                **case.get("set", {}),
            },
        },
    }


@pytest.fixture(scope="module", params=sorted(CASES))
def planned(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    plan_environment: Mapping[str, str],
) -> dict[str, Any]:
    """The plan of both modules."""
    folder = tmp_path_factory.mktemp("both")
    (folder / "modules").symlink_to(REPOSITORY / "modules")
    (folder / "main.tf.json").write_text(json.dumps(root(CASES[request.param])))
    for arguments in (
        ("init", "-input=false", "-no-color"),
        ("plan", "-input=false", "-no-color", "-out=plan"),
        ("show", "-json", "plan"),
    ):
        done = subprocess.run(
            ["nice", "terraform", *arguments],
            cwd=folder,
            env=dict(plan_environment),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def stack_set(planned: Mapping[str, Any]) -> dict[str, Any]:
    (found,) = [
        one["change"]["after"]
        for one in planned["resource_changes"]
        if one["type"] == "aws_cloudformation_stack_set"
    ]
    return dict(found)


def stack(planned: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The template of the planned stack set, and its parameters."""
    found = stack_set(planned)
    return read_template(found["template_body"]), found["parameters"]


def plan_of(planned: Mapping[str, Any]) -> Plan:
    return Plan(planned, "spoke", PLACE, stack_set(planned)["tags"])


def spoke(planned: Mapping[str, Any]) -> Spoke:
    return plan_of(planned).spoke()


def differs(make: Callable[[], Spoke], spoke: Spoke) -> bool:
    """Whether something makes another spoke, or none."""
    try:
        return make() != spoke
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError, StopIteration):
        return True


def test_template_and_module_make_the_same_spoke(planned: dict[str, Any]) -> None:
    template, parameters = stack(planned)
    module = spoke(planned)
    made = stack_spoke(resolved_resources(template, parameters, PLACE), PLACE)
    assert made.keys() == module.keys()
    assert made == module
    alarms = [name for kind, name in made if kind == "AWS::CloudWatch::Alarm"]
    assert len(alarms) == (4 if parameters["AlarmsEnabled"] == "true" else 0)


@EVERYTHING
def test_whatever_changes_in_the_template_is_seen(planned: dict[str, Any]) -> None:
    """Each property, each part of each statement, and each resource, one after the other."""
    resources = resolved_resources(*stack(planned), PLACE)
    module = spoke(planned)
    tried = 0
    for name, one in resources.items():
        others = {key: other for key, other in resources.items() if key != name}
        assert differs(partial(stack_spoke, others, PLACE), module), name
        for properties in mutated(one["Properties"]):
            changed = {**others, name: {**one, "Properties": properties}}
            tried += 1
            assert differs(partial(stack_spoke, changed, PLACE), module), properties
    assert tried > 400


@EVERYTHING
def test_whatever_changes_in_the_module_is_seen(planned: dict[str, Any]) -> None:
    """Each value of the plan that the module's files give, one after the other."""
    resources = resolved_resources(*stack(planned), PLACE)
    made = stack_spoke(resources, PLACE)
    plan = plan_of(planned)
    tried = 0
    for change in plan.changes:
        before = change["change"]["after"]
        for path in plan.compared(change):
            for after in changed_at(before, path.split(".")):
                change["change"]["after"] = after
                tried += 1
                assert differs(plan.spoke, made), (change["address"], path)
        change["change"]["after"] = before
    assert plan.spoke() == made
    assert tried > 300


def changed_at(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """Every copy of planned values with something else at a path: a leaf, or a part of its JSON."""
    if isinstance(value, list) and path:
        for one in changed_at(value[0] if value else None, path):
            yield [one, *value[1:]]
    elif path and isinstance(value, dict):
        name, *rest = path
        for one in changed_at(value.get(name), rest):
            yield {**value, name: one}
    elif isinstance(value, str) and value.startswith(("{", "[")):
        yield from map(json.dumps, mutated(json.loads(value)))
    elif value is not None:
        yield from mutated(value)
