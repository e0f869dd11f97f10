"""Two deployments of the prod roots in one account: no name of one is a name of the other.

And what a registry's users expect of every module reaches every resource: tags, a permissions
boundary, a key, and a VPC.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.environments.test_terraform import (
    LOCAL_BACKEND,
    OFFLINE_PROVIDER,
    copied,
    terraform,
    write_packages,
)

KEY = "arn:aws:kms:us-east-1:111111111111:key/1b7c"
BOUNDARY = "arn:aws:iam::111111111111:policy/boundary"
NETWORK = {"subnet_ids": ["subnet-0a"], "security_group_ids": ["sg-0a"]}
SECRET = "arn:aws:secretsmanager:us-east-1:111111111111:secret:finops/chat-AbCdEf"
SETTINGS = {"permissions_boundary_arn": BOUNDARY, "network": NETWORK}
CONSOLE = {
    "domain_name": "finops.example.com",
    "certificate_arn": "arn:aws:acm:us-east-1:111111111111:certificate/1b7c",
    "image": {"uri": "111111111111.dkr.ecr.us-east-1.amazonaws.com/finops-console:1"},
    "network": {
        "vpc_id": "vpc-0a",
        "public_subnet_ids": ["subnet-0a", "subnet-0b"],
        "private_subnet_ids": ["subnet-1a"],
        "ingress_cidrs": ["203.0.113.0/24"],
    },
}
TAGS = {"cost-center": "4711"}
GIVEN: Mapping[str, Mapping[str, Any]] = {
    "management": {
        "kms_key_arn": KEY,
        "function_settings": SETTINGS,
        "console": CONSOLE,
        "observability": {"webhook": {"secret_arn": SECRET}},
    },
    "spoke": {"account_id": "222222222222", "kms_key_arn": KEY, "function_settings": SETTINGS},
    "payer": {"permissions_boundary_arn": BOUNDARY, "kms_key_arn": KEY, "focus_export": {}},
}
#: The console asks for the routes of its subnets, which no plan without an account can.
ROUTES = """
override_data {{
  target = module.console[0].data.aws_route_tables.{name}
  values = {{ ids = ["rtb-0a"] }}
}}
"""

#: What AWS knows a resource by, in an account or, for buckets and login pages, in all.
NAMES = (
    "alarm_name",
    "cluster_identifier",
    "dashboard_name",
    "domain",
    "final_snapshot_identifier",
    "function_name",
    "identifier",
    "layer_name",
    "name",
    "name_prefix",
)
#: Names that only their parent knows, whose own name differs.
INSIDE_A_PARENT = {"aws_iam_role_policy"}
#: The key's attribute by type; other types hold nothing or have a block of their own.
KEYS = {
    "aws_cloudwatch_log_group": "kms_key_id",
    "aws_lambda_function": "kms_key_arn",
    "aws_rds_cluster": "kms_key_id",
    "aws_secretsmanager_secret": "kms_key_id",
    "aws_sns_topic": "kms_master_key_id",
    "aws_sqs_queue": "kms_master_key_id",
}

Planned = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module", params=sorted(GIVEN))
def plans(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    plan_environment: Mapping[str, str],
) -> tuple[Planned, Planned]:
    """Planned changes by address, of the same root with two prefixes.

    `terraform test` tells whole plans, and answers for the routes of the console's subnets.
    """
    root, work = request.param, tmp_path_factory.mktemp("two")
    copy = copied(work / "copy", "modules", f"environments/prod/{root}")
    folder = copy / "environments" / "prod" / root
    (folder / "providers.tf").write_text(OFFLINE_PROVIDER)
    (folder / "backend_override.tf").write_text(LOCAL_BACKEND)
    (folder / "terraform.tfvars").write_text((folder / "terraform.tfvars.example").read_text())
    (folder / "given.auto.tfvars.json").write_text(json.dumps({"tags": TAGS, **GIVEN[root]}))
    write_packages(copy)
    console = ("main", "own", "to_internet") if root == "management" else ()
    overrides = "".join(ROUTES.format(name=name) for name in console)
    runs = "".join(
        f'run "{prefix}" {{\n  command = plan\n  variables {{ name_prefix = "{prefix}" }}\n}}\n'
        for prefix in ("alpha", "beta")
    )
    (folder / "two.tftest.hcl").write_text(overrides + runs)
    started = terraform(folder, work, plan_environment, "init", "-input=false", "-no-color")
    assert started.returncode == 0, started.stderr
    tested = terraform(folder, work, plan_environment, "test", "-json", "-verbose")
    assert tested.returncode == 0, tested.stdout[-4000:]
    alpha, beta = (
        {
            change["address"].replace(message["@testrun"], "PREFIX"): change
            for change in message["test_plan"]["resource_changes"]
            if change["mode"] == "managed"
        }
        for message in map(json.loads, tested.stdout.splitlines())
        if message["type"] == "test_plan"
    )
    return alpha, beta


def _names(change: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    wanted = (*NAMES, "bucket") if change["type"] == "aws_s3_bucket" else NAMES
    wanted = (*wanted, "family") if change["type"] == "aws_ecs_task_definition" else wanted
    after = change["change"]["after"]
    for name in wanted:
        if isinstance(value := after.get(name), str):
            yield name, value


def test_no_name_is_in_two_deployments(plans: tuple[Planned, Planned]) -> None:
    alpha, beta = plans
    assert alpha.keys() == beta.keys()
    others = {
        (change["type"], *named)
        for change in beta.values()
        if change["type"] not in INSIDE_A_PARENT
        for named in _names(change)
    }
    assert others
    assert {
        address: named
        for address, change in alpha.items()
        for named in _names(change)
        if (change["type"], *named) in others
    } == {}


def _of_type(plans: tuple[Planned, Planned], kind: str) -> dict[str, Mapping[str, Any]]:
    return {
        address: change["change"]["after"]
        for address, change in plans[0].items()
        if change["type"] == kind
    }


def test_every_resource_has_the_tags(plans: tuple[Planned, Planned]) -> None:
    """Objects in buckets have none: S3 takes ten each, and no cost is told by them."""
    without = {
        address
        for address, change in plans[0].items()
        if "tags" in change["change"]["after"] | change["change"]["after_unknown"]
        and TAGS.items() - (change["change"]["after"].get("tags") or {}).items()
        and change["type"] != "aws_s3_object"
    }
    assert without == set()


def test_every_role_has_the_boundary(plans: tuple[Planned, Planned]) -> None:
    roles = _of_type(plans, "aws_iam_role")
    assert roles
    assert {a for a, role in roles.items() if role["permissions_boundary"] != BOUNDARY} == set()


def test_every_function_is_in_the_network(plans: tuple[Planned, Planned]) -> None:
    for address, function in _of_type(plans, "aws_lambda_function").items():
        (network,) = function["vpc_config"]
        assert {name: network[name] for name in NETWORK} == NETWORK, address


def test_everything_that_takes_a_key_has_it(plans: tuple[Planned, Planned]) -> None:
    for kind, attribute in KEYS.items():
        found = _of_type(plans, kind)
        assert {a for a, one in found.items() if one[attribute] != KEY} == set()
    for table in _of_type(plans, "aws_dynamodb_table").values():
        assert table["server_side_encryption"] == [{"enabled": True, "kms_key_arn": KEY}]
    assert _of_type(plans, "aws_kms_key").keys() <= {"module.audit.aws_kms_key.heads[0]"}


@pytest.mark.parametrize(
    ("console", "told"),
    [
        (CONSOLE | {"domain_name": ""}, "console needs a domain_name"),
        (CONSOLE | {"certificate_arn": None}, "console needs a domain_name"),
        (CONSOLE | {"image": {"uri": None}}, "console needs a domain_name"),
        (
            CONSOLE | {"certificate_arn": "arn:aws:acm:eu-west-1:111111111111:certificate/1b7c"},
            "certificate in us-east-1",
        ),
    ],
)
@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_console_without_domain_certificate_and_image_is_refused(
    environment: str,
    console: Mapping[str, Any],
    told: str,
    tmp_path: Path,
    plan_environment: Mapping[str, str],
) -> None:
    """The variables alone, as a root of their own: nothing is planned, so it is quick."""
    name = f"environments/{environment}/management"
    folder = copied(tmp_path / "copy", name) / name
    for path in folder.glob("*.tf"):
        if path.name != "variables.tf":
            path.unlink()
    (folder / "terraform.tfvars").write_text((folder / "terraform.tfvars.example").read_text())
    (folder / "given.auto.tfvars.json").write_text(json.dumps({"console": console}))
    planned = terraform(folder, tmp_path, plan_environment, "plan", "-input=false", "-no-color")
    assert planned.returncode == 1
    assert told in " ".join(planned.stderr.replace("│", "").split())
