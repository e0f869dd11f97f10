"""One deployment of environments/local for the flow tests of a session."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from finops.cli.main import main
from localcloud.terraform import local_environment
from tests.conftest import CloudUnderTest
from tests.flows.deployment import OTHER_SPOKE, SPOKE, Deployment

# Accounts that a test may deploy a spoke to: none is there at first.
FURTHER_SPOKES = tuple(f"4{number:011d}" for number in range(60))

# What the budgets flow cannot do without.
NEEDED = (
    "ssm_change_events",
    "stream_mappings",
    "eventbridge_targets",
    "cross_account_bus",
    "budgets_iam",
    "budgets_validation",
    "alarms",
)


@pytest.fixture(scope="session")
def deployment(local_cloud: CloudUnderTest) -> Deployment:
    """Management account and two spokes, deployed by Terraform; drift is looked for on request.

    Flows are skipped by the name of what the endpoint lacks for them.
    """
    for capability in NEEDED:
        if reason := local_cloud.capabilities.lacking(capability):
            pytest.skip(f"{local_cloud.endpoint_url} lacks {capability}: {reason}")
    terraform = local_environment(
        local_cloud.settings,
        repair_schedule="rate(12 hours)",
        further_spoke_account_ids=list(FURTHER_SPOKES),
    )
    terraform.variables = {**terraform.variables, "endpoint_url": local_cloud.endpoint_url}
    terraform.init()
    terraform.apply()
    return Deployment(url=local_cloud.endpoint_url, outputs=terraform.output()["budgets"])


@pytest.fixture
def budget_name(request: pytest.FixtureRequest, deployment: Deployment) -> Iterator[str]:
    """A budget name of the test's own; its rows are removed afterwards."""
    name = request.node.name.replace("[", "-").rstrip("]")[-90:]
    name = "".join(one if one.isalnum() or one in "-_." else "-" for one in name)
    yield name
    for account_id in (SPOKE, OTHER_SPOKE):
        deployment.remove(account_id, name)


@pytest.fixture
def finops(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, Any]]:
    """The command line on this deployment: (exit code, JSON document) of a command."""
    monkeypatch.setenv("LOCALSTACK_HOST", deployment.url.removeprefix("http://"))

    def run(*arguments: str) -> tuple[int, Any]:
        monkeypatch.setattr("sys.argv", ["finops", *arguments, "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)

    return run
