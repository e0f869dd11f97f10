"""One deployment of environments/local for the flow tests of a session."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from finops.cli.main import main
from localcloud.deployed import deployed
from localcloud.snapshot import Snapshot
from localcloud.supervisor import LocalCloud
from localcloud.terraform import local_environment
from tests.conftest import CloudUnderTest, fresh_settings, named_or_fresh_cloud, skip_where_lacking
from tests.flows.audit import AuditTrail
from tests.flows.billing import BillingFlow
from tests.flows.deployment import OTHER_SPOKE, SPOKE, Deployment
from tests.flows.invoices import InvoiceFlow
from tests.flows.privileges import Once
from tests.flows.reconciliation import ReconciliationFlow

# Accounts that a test may deploy a spoke to: none is there at first.
FURTHER_SPOKES = tuple(f"4{number:011d}" for number in range(60))

# Small, so that files of some size go through the workflow.
LARGE_FILE_BYTES = 300_000

# An invoice waits so long for a person, which must outlast a slow browser; then it is reminded of,
# and as long again later it is given up.
REVIEW_SECONDS = 900

# What the flows cannot do without.
NEEDED = (
    "ssm_change_events",
    "stream_mappings",
    "eventbridge_targets",
    "cross_account_bus",
    "budgets_iam",
    "budgets_validation",
    "alarms",
    "rds_data_api",
    "rds_clusters",
    "state_machine_tracing",
    "distributed_map",
    "s3_version_ranges",
    "s3_missing_objects",
    "state_machine_callbacks",
    "state_machine_redrive",
    "textract",
    "costs",
    "s3_multipart_tags",
    "s3_conditional_copies",
)


#: Terraform's variables for the deployment of the flow tests.
VARIABLES: dict[str, Any] = {
    "repair_schedule": "rate(12 hours)",  # drift is looked for on request
    "further_spoke_account_ids": list(FURTHER_SPOKES),
    "billing_loading": {"large_file_bytes": LARGE_FILE_BYTES, "chunk_bytes": 100_000},
    # Whoever waits for a job that is lost asks again after this long.
    "invoice_extraction": {"timeout_seconds": 60},
    "invoice_review": {"days": REVIEW_SECONDS / 86400, "maximum_escalations": 1},
}


@pytest.fixture(scope="session")
def local_cloud() -> Iterator[CloudUnderTest]:
    """A cloud with management account and two spokes, as Terraform deploys them.

    It starts as a copy of a deployment that is made once for all workers. An endpoint that
    LOCALSTACK_HOST names is deployed to.
    """
    if os.environ.get("LOCALSTACK_HOST"):
        with named_or_fresh_cloud() as cloud:
            yield cloud
        return
    with fresh_settings() as settings:
        snapshot = deployed(settings, **VARIABLES).folder
    with fresh_settings() as settings, LocalCloud(replace(settings, snapshot=snapshot)) as cloud:
        yield CloudUnderTest(cloud)


@pytest.fixture(scope="session")
def outputs(local_cloud: CloudUnderTest) -> dict[str, Any]:
    """Terraform's outputs of the deployment.

    Flows are skipped by the name of what the endpoint lacks for them.
    """
    skip_where_lacking(local_cloud.capabilities, NEEDED)
    if snapshot := local_cloud.settings.snapshot:
        return Snapshot(snapshot).outputs(local_cloud.port)
    terraform = local_environment(local_cloud.settings, **VARIABLES)
    terraform.init()
    terraform.apply()
    return terraform.output()


@pytest.fixture(scope="session")
def deployment(local_cloud: CloudUnderTest, outputs: dict[str, Any]) -> Deployment:
    """The budgets flow."""
    return Deployment(url=local_cloud.endpoint_url, outputs=outputs["budgets"])


@pytest.fixture(scope="session")
def billing(deployment: Deployment, outputs: dict[str, Any]) -> BillingFlow:
    """The billing flow, with dollars for a euro and for a yen."""
    flow = BillingFlow(deployment, outputs["billing"])
    rates = b"currency,rate_date,usd_per_unit\nEUR,2026-03-04,1.25\nJPY,2026-03-05,0.007\n"
    assert flow.drop("rates/first.csv", rates).tally.inserted == 2
    return flow


@pytest.fixture(scope="session")
def invoices(deployment: Deployment, outputs: dict[str, Any]) -> InvoiceFlow:
    """The invoice flow."""
    return InvoiceFlow(deployment, outputs["invoices"])


@pytest.fixture(scope="session")
def trail(deployment: Deployment, outputs: dict[str, Any]) -> AuditTrail:
    """The audit trail."""
    return AuditTrail(deployment, outputs["audit"])


@pytest.fixture(scope="session")
def reconciliation(deployment: Deployment, outputs: dict[str, Any]) -> ReconciliationFlow:
    """The reconciliation flow."""
    return ReconciliationFlow(deployment, outputs["reconciliation"])


@pytest.fixture(scope="module")
def once() -> Once:
    """What a module has tried."""
    return Once()


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
    monkeypatch.setenv("AWS_ENDPOINT_URL", deployment.url)

    def run(*arguments: str) -> tuple[int, Any]:
        monkeypatch.setattr("sys.argv", ["finops", *arguments, "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)

    return run
