"""Two deployments of the prod roots in one account: none has a name of the other, or speaks of it.

One name begins with the other, as finops and finops-dev do. What a plan does not know yet is made
of references, which lead to the same state. And what a registry's users expect of every module
reaches every resource: tags, a permissions boundary, a key, and a VPC.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.environments.test_names import LONGEST
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
CERTIFICATE = "arn:aws:acm:us-east-1:111111111111:certificate/1b7c"
SETTINGS = {"permissions_boundary_arn": BOUNDARY, "network": NETWORK}
CONSOLE = {
    "domain_name": "finops.example.com",
    "certificate_arn": CERTIFICATE,
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

#: What AWS knows a resource by, in an account or, for buckets and login pages, in all; nothing
#: where AWS makes an id, or where the resource is a part of another one, which it refers to. A type
#: that is not here fails.
IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "aws_bcmdataexports_export": ("export.0.name",),
    "aws_budgets_budget": ("name",),
    "aws_cloudwatch_composite_alarm": ("alarm_name",),
    "aws_cloudwatch_dashboard": ("dashboard_name",),
    "aws_cloudwatch_event_bus": ("name",),
    "aws_cloudwatch_event_bus_policy": ("event_bus_name",),
    "aws_cloudwatch_event_rule": ("name",),
    "aws_cloudwatch_event_target": ("rule",),
    "aws_cloudwatch_log_group": ("name",),
    "aws_cloudwatch_metric_alarm": ("alarm_name",),
    "aws_cloudwatch_query_definition": ("name",),
    "aws_cognito_user_group": ("name",),
    "aws_cognito_user_pool": ("name",),
    "aws_cognito_user_pool_client": ("name",),
    "aws_cognito_user_pool_domain": ("domain",),
    "aws_db_subnet_group": ("name",),
    "aws_default_security_group": (),
    "aws_dynamodb_table": ("name",),
    "aws_ecs_cluster": ("name",),
    "aws_ecs_service": ("name",),
    "aws_ecs_task_definition": ("family",),
    "aws_iam_role": ("name",),
    "aws_iam_role_policy": ("role",),
    "aws_kms_alias": ("name",),
    "aws_kms_key": (),
    "aws_lambda_event_source_mapping": (),
    "aws_lambda_function": ("function_name",),
    "aws_lambda_function_event_invoke_config": ("function_name",),
    "aws_lambda_function_url": ("function_name",),
    "aws_lambda_invocation": ("function_name",),
    "aws_lambda_layer_version": ("layer_name",),
    "aws_lambda_permission": ("function_name",),
    "aws_lb": ("name",),
    "aws_lb_listener": (),
    "aws_lb_target_group": ("name",),
    "aws_rds_cluster": ("cluster_identifier", "final_snapshot_identifier"),
    "aws_rds_cluster_instance": ("identifier",),
    "aws_rds_cluster_parameter_group": ("name",),
    "aws_s3_bucket": ("bucket",),
    "aws_s3_bucket_cors_configuration": (),
    "aws_s3_bucket_lifecycle_configuration": (),
    "aws_s3_bucket_notification": ("bucket",),
    "aws_s3_bucket_object_lock_configuration": (),
    "aws_s3_bucket_ownership_controls": (),
    "aws_s3_bucket_policy": (),
    "aws_s3_bucket_public_access_block": (),
    "aws_s3_bucket_server_side_encryption_configuration": (),
    "aws_s3_bucket_versioning": (),
    "aws_s3_object": ("bucket",),
    "aws_scheduler_schedule": ("name",),
    "aws_secretsmanager_secret": ("name",),
    "aws_security_group": ("name",),
    "aws_sfn_state_machine": ("name",),
    "aws_sns_topic": ("name",),
    "aws_sns_topic_policy": (),
    "aws_sns_topic_subscription": (),
    "aws_sqs_queue": ("name",),
    "aws_subnet": (),
    "aws_vpc": (),
    "aws_vpc_security_group_egress_rule": (),
    "aws_vpc_security_group_ingress_rule": (),
}
#: How many characters AWS takes of a name; 255 and more where a type is not here.
LIMITS: Mapping[str, int] = {
    "aws_bcmdataexports_export": 128,
    "aws_budgets_budget": 100,
    "aws_cloudwatch_event_rule": 64,
    "aws_cloudwatch_event_target": 64,
    "aws_cognito_user_group": 128,
    "aws_cognito_user_pool": 128,
    "aws_cognito_user_pool_client": 128,
    "aws_cognito_user_pool_domain": 63,
    "aws_iam_role": 64,
    "aws_lambda_function": 64,
    "aws_lambda_layer_version": 140,
    "aws_lb": 32,
    "aws_lb_target_group": 32,
    "aws_rds_cluster": 63,
    "aws_rds_cluster_instance": 63,
    "aws_s3_bucket": 63,
    "aws_scheduler_schedule": 64,
    "aws_sfn_state_machine": 80,
    "aws_sqs_queue": 80,
}
#: ARNs that both deployments may have: what they were given, accounts, and services whose resources
#: are not named in policies. Budgets belong to whose table they are in.
SHARED_ARNS = (
    re.escape(KEY), re.escape(BOUNDARY), re.escape(SECRET), re.escape(CERTIFICATE),
    re.escape("arn:aws:sns:us-east-1:111111111111:finops-operators"),  # of terraform.tfvars.example
    r"arn:aws:iam::\d{12}:root",
    r"arn:aws:budgets::\d{12}:(\*|budget/\*)",
    r"arn:aws:(bcm-data-exports:us-east-1:\d{12}:export|cur:us-east-1:\d{12}:definition)/\*",
)  # fmt: skip
CUSTOMER_KEY = "CUSTOMER_MANAGED_KMS_KEY"
#: Attributes that hold a key where one is given; two types hold filters and constants, no data.
KEY_ATTRIBUTE = re.compile(r".*kms.*key_(id|arn|identifier)")
WITHOUT_KEY = {"aws_lambda_event_source_mapping", "aws_scheduler_schedule"}

Planned = Mapping[str, Mapping[str, Any]]
PREFIXES = ("finops", "finops-dev")


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
    return planned_twice(folder, work, plan_environment, overrides)


def planned_twice(
    folder: Path, work: Path, environment: Mapping[str, str], overrides: str = ""
) -> tuple[Planned, Planned]:
    runs = "".join(
        f'run "of_{number}" {{\n  command = plan\n  variables {{ name_prefix = "{prefix}" }}\n}}\n'
        for number, prefix in enumerate(PREFIXES)
    )
    (folder / "two.tftest.hcl").write_text(overrides + runs)
    started = terraform(folder, work, environment, "init", "-input=false", "-no-color")
    assert started.returncode == 0, started.stderr
    tested = terraform(folder, work, environment, "test", "-json", "-verbose")
    assert tested.returncode == 0, tested.stdout[-4000:]
    messages = map(json.loads, tested.stdout.splitlines())
    first, second = (
        {
            change["address"].replace(f'["{prefix}-', '["PREFIX-'): change
            for change in message["test_plan"]["resource_changes"]
            if change["mode"] == "managed"
        }
        for prefix, message in zip(
            PREFIXES, (one for one in messages if one["type"] == "test_plan"), strict=True
        )
    )
    assert first.keys() == second.keys()
    return first, second


def _values(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Path and text of every text in a value, and in the JSON documents that it holds."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _values(one, (*path, name))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _values(one, (*path, str(number)))
    elif isinstance(value, str):
        document = None
        if value.startswith(("{", "[")):
            with suppress(ValueError):
                document = json.loads(value)
        if document is None:
            yield ".".join(path), value
        else:
            yield from _values(document, path)


def _identities(planned: Planned) -> set[tuple[str, str]]:
    """Type and text of every name that AWS knows a resource by."""
    return {
        (change["type"], texts[name])
        for change in planned.values()
        if (texts := dict(_values(change["change"]["after"])))
        for name in IDENTITIES[change["type"]]
        if name in texts
    }


def test_no_name_is_in_two_deployments(plans: tuple[Planned, Planned]) -> None:
    first, second = map(_identities, plans)
    assert len(first) > 3
    assert first & second == set()
    # A name that does not begin with the prefix could be another deployment's one day.
    assert {
        (kind, name) for kind, name in second if not re.search(rf"(^|[/:]){PREFIXES[1]}\b", name)
    } == set()


def test_every_name_has_room_for_the_longest_prefix(plans: tuple[Planned, Planned]) -> None:
    long = "f" * LONGEST
    names = {
        (kind, name.replace(PREFIXES[1], long))
        for kind, name in _identities(plans[1])
        if not name.startswith("arn:")
    }
    assert any(long in name for _, name in names)
    # A cluster is named by its first identity; its last snapshot may have a longer name.
    too_long = {(k, n) for k, n in names if len(n) > LIMITS.get(k, 255) and "-final" not in n}
    assert too_long == set()


def test_nothing_in_a_deployment_speaks_of_the_other(plans: tuple[Planned, Planned]) -> None:
    """Queues of bucket notifications, buses of rules, tables of functions, dimensions of alarms."""
    first, second = plans
    names = {name for _, name in _identities(first)} - {PREFIXES[0]}
    for address, change in second.items():
        others = dict(_values(first[address]["change"]["after"]))
        for path, text in _values(change["change"]["after"]):
            assert not [name for name in names if name in text], f"{address}: {path}"
            if text.startswith("arn:aws:") and others.get(path) == text:
                assert any(re.fullmatch(one, text) for one in SHARED_ARNS), f"{address}: {path}"
    assert not [text for one in first.values() for _, text in _values(one) if PREFIXES[1] in text]


def test_each_bucket_tells_its_own_queue_and_each_rule_its_own_bus(
    plans: tuple[Planned, Planned],
) -> None:
    for planned, prefix in zip(plans, PREFIXES, strict=True):
        for address, after in _planned_of_type(planned, "aws_s3_bucket_notification").items():
            assert after["bucket"].startswith(f"{prefix}-"), address
        for address, after in _planned_of_type(planned, "aws_cloudwatch_event_rule").items():
            bus, pattern = after["event_bus_name"], after["event_pattern"]
            assert f"/{prefix}/" in pattern if bus == "default" else bus == f"{prefix}-budgets"
            assert address


def test_the_alias_of_the_key_that_prod_makes_is_of_its_deployment(
    tmp_path: Path, plan_environment: Mapping[str, str]
) -> None:
    name = "environments/prod/management"
    folder = copied(tmp_path / "copy", name) / name
    for path in folder.glob("*.tf"):
        if path.name not in {"variables.tf", "encryption.tf", "versions.tf"}:
            path.unlink()
    (folder / "providers.tf").write_text(OFFLINE_PROVIDER)
    (folder / "backend_override.tf").write_text(LOCAL_BACKEND)
    (folder / "terraform.tfvars").write_text((folder / "terraform.tfvars.example").read_text())
    first, second = planned_twice(folder, tmp_path, plan_environment)
    assert _identities(first) == {("aws_kms_alias", f"alias/{PREFIXES[0]}")}
    assert _identities(second) == {("aws_kms_alias", f"alias/{PREFIXES[1]}")}


def _planned_of_type(planned: Planned, kind: str) -> dict[str, Mapping[str, Any]]:
    return {
        address: change["change"]["after"]
        for address, change in planned.items()
        if change["type"] == kind
    }


def _of_type(plans: tuple[Planned, Planned], kind: str) -> dict[str, Mapping[str, Any]]:
    return _planned_of_type(plans[0], kind)


def test_every_resource_has_the_tags(plans: tuple[Planned, Planned]) -> None:
    """Objects in buckets have none: S3 takes ten each, and no cost is told by them.

    A function's role has one more, of its policy, and the provider tells none where the policy is
    not known yet (tests/lambda_function has them).
    """
    later = {
        address
        for address, change in plans[0].items()
        if address.endswith(".aws_iam_role.this") and change["change"]["after_unknown"].get("tags")
    }
    assert all(".module." in address for address in later)
    without = {
        address
        for address, change in plans[0].items()
        if address not in later
        and "tags" in change["change"]["after"] | change["change"]["after_unknown"]
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
    machines = _of_type(plans, "aws_sfn_state_machine")
    for address, machine in machines.items():
        (encryption,) = machine["encryption_configuration"]
        assert (encryption["type"], encryption["kms_key_id"]) == (CUSTOMER_KEY, KEY), address
    for address, change in plans[0].items():
        for name, value in change["change"]["after"].items():
            if KEY_ATTRIBUTE.fullmatch(name) and change["type"] not in WITHOUT_KEY:
                assert value == KEY, f"{address}: {name}"
    for address, bucket in _of_type(
        plans, "aws_s3_bucket_server_side_encryption_configuration"
    ).items():
        (encryption,) = bucket["rule"][0]["apply_server_side_encryption_by_default"]
        # The trail must stay readable when the key is deleted.
        wanted = "" if "module.audit." in address else KEY
        assert encryption["kms_master_key_id"] == wanted, address
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
