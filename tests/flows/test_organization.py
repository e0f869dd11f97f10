"""Defaults of `*` and of organizational units, in an organization whose spokes are stacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from finops.budgets.domain import BudgetKey
from finops.shared.errors import RejectedInput
from localcloud.endpoints import MANAGEMENT_ACCOUNT, REGION, account_session
from localcloud.settings import REPOSITORY
from localcloud.supervisor import LocalCloud
from localcloud.terraform import Terraform
from tests.conftest import fresh_settings
from tests.flows.approvers import approver
from tests.flows.deployment import Deployment, eventually
from tests.flows.spoke_stacks import PACKAGES, make_stack, stack_parameters

pytestmark = [pytest.mark.flow]

NAME = "unit-total"
EVERYBODY = "everybody-total"
#: What people may raise a budget by alone: USD a month.
ALONE = 1000
EXTERNAL_ID = "finops-organization"
BUS = "event-bus/finops-budgets"


@dataclass
class Organization:
    """Accounts and units, as Organizations' management account makes them."""

    client: Any

    @property
    def root(self) -> str:
        return str(self.client.list_roots()["Roots"][0]["Id"])

    def unit(self, name: str, parent: str) -> str:
        made = self.client.create_organizational_unit(ParentId=parent, Name=name)
        return str(made["OrganizationalUnit"]["Id"])

    def account(self, name: str, unit: str) -> str:
        made = self.client.create_account(AccountName=name, Email=f"{name}@example.com")
        account_id = str(made["CreateAccountStatus"]["AccountId"])
        if unit != self.root:
            self.move(account_id, self.root, unit)
        return account_id

    def move(self, account_id: str, source: str, destination: str) -> None:
        self.client.move_account(
            AccountId=account_id, SourceParentId=source, DestinationParentId=destination
        )


def root(organization_id: str) -> dict[str, Any]:
    """A deployment for the whole organization."""
    packages = json.loads(PACKAGES.read_text())
    for one in (packages["code"], *packages["layers"].values()):
        one["path"] = str(REPOSITORY / one["path"])
    return {
        "terraform": {"backend": {"local": {}}},
        "provider": {
            "aws": {
                "region": REGION,
                "skip_credentials_validation": True,
                "skip_metadata_api_check": True,
                "skip_requesting_account_id": True,
            }
        },
        "module": {
            "budgets_management": {
                "source": "./modules/budgets_management",
                "account_id": MANAGEMENT_ACCOUNT,
                "region": REGION,
                "organization_id": organization_id,
                "external_id": EXTERNAL_ID,
                "removal_policy": "delete",
                "packages": packages,
                "publisher": {"drift_schedule": "rate(12 hours)", "raises": {"usd": ALONE}},
                "tables": {"deletion_protection": False},
                "function_settings": {"tracing": False},
            }
        },
        "output": {
            "approver_policy": {"value": "${module.budgets_management.approver_policy_json}"}
        },
    }


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with fresh_settings() as settings, LocalCloud(settings) as running:
        yield running


@pytest.fixture(scope="module")
def organization(cloud: LocalCloud) -> Organization:
    session = account_session(MANAGEMENT_ACCOUNT, cloud.endpoint_url)
    return Organization(session.client("organizations"))


@pytest.fixture(scope="module")
def deployment(
    cloud: LocalCloud, organization: Organization, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """The hub by Terraform, with `organization_id`."""
    folder: Path = tmp_path_factory.mktemp("organization")
    organization_id = organization.client.describe_organization()["Organization"]["Id"]
    (folder / "modules").symlink_to(REPOSITORY / "modules")
    (folder / "main.tf.json").write_text(json.dumps(root(organization_id)))
    terraform = Terraform(
        root=folder,
        folder=folder / "state",
        environ={
            "AWS_ENDPOINT_URL": cloud.endpoint_url,
            "AWS_ACCESS_KEY_ID": MANAGEMENT_ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "test",
        },
    )
    terraform.init()
    terraform.apply()
    return Deployment(
        url=cloud.endpoint_url,
        outputs={
            "budgets_table": "finops-budgets",
            "status_table": "finops-budget-status",
            "external_id": EXTERNAL_ID,
            "result_bus_arn": f"arn:aws:events:{REGION}:{MANAGEMENT_ACCOUNT}:{BUS}",
            **terraform.output(),
        },
    )


def spoke(deployment: Deployment, organization: Organization, name: str, unit: str) -> str:
    """An account that joins the organization, with its stack."""
    account_id = organization.account(name, unit)
    make_stack(deployment, account_id, stack_parameters(deployment, account_id))
    return account_id


def run_drift(deployment: Deployment) -> None:
    """As the schedule does; a run begins when the one before is over."""
    run = "finops-repair-budget-drift"
    eventually(lambda: deployment.invoke(run, {"all_accounts": True})["begun"])


def inherited(
    deployment: Deployment, account_id: str, amount: int, default_of: str, name: str = NAME
) -> None:
    """Wait until an account has a budget from a unit, or from `*`."""
    deployment.await_amount(account_id, amount, name)
    eventually(
        lambda: (
            (found := deployment.status(account_id, name)).get("status") == "APPLIED"
            and found["amount"] == f"{amount}.00"
            and found["default_of"] == default_of
        ),
        what=f"{amount} from {default_of} in {account_id}",
    )


def test_a_units_row_reaches_its_accounts_without_their_own_and_no_other(
    deployment: Deployment, organization: Organization
) -> None:
    sales = organization.unit("sales", organization.root)
    emea = organization.unit("emea", sales)
    direct = spoke(deployment, organization, "direct", sales)
    nested = spoke(deployment, organization, "nested", emea)
    own = spoke(deployment, organization, "own", sales)
    outside = spoke(deployment, organization, "outside", organization.root)

    deployment.edit(own, 900, NAME)
    deployment.await_status(own, "APPLIED", NAME)
    deployment.edit(sales, 200, NAME)
    inherited(deployment, direct, 200, sales)
    inherited(deployment, nested, 200, sales)

    # The nearer unit wins below it, and only there.
    deployment.edit(emea, 300, NAME)
    inherited(deployment, nested, 300, emea)

    # An account that joins has its budget by the next run, and one that leaves loses it.
    joined = spoke(deployment, organization, "joined", emea)
    organization.move(direct, sales, organization.root)
    run_drift(deployment)
    inherited(deployment, joined, 300, emea)
    deployment.await_status(direct, "REMOVED", NAME)
    deployment.await_amount(direct, None, NAME)

    # Its own row was never touched, and who is in no unit never had a budget of one.
    assert deployment.amount(own, NAME) == 900
    assert deployment.status(own, NAME)["default_of"] == ""
    for account_id in (outside, MANAGEMENT_ACCOUNT):
        assert deployment.status(account_id, NAME) == {}
        assert deployment.budget(account_id, NAME) is None

    # Without its own row the account inherits; without the unit's, nobody does.
    deployment.remove(own, NAME)
    inherited(deployment, own, 200, sales)
    deployment.remove(emea, NAME)
    inherited(deployment, nested, 200, sales)
    deployment.remove(sales, NAME)
    for account_id in (own, nested, joined):
        deployment.await_status(account_id, "REMOVED", NAME)
        deployment.await_amount(account_id, None, NAME)


def test_a_raise_of_everybodys_default_waits_for_two_people_and_reaches_nobody_until_then(
    deployment: Deployment, organization: Organization
) -> None:
    present = spoke(deployment, organization, "present", organization.root)
    deployment.edit("*", 100, EVERYBODY)
    inherited(deployment, present, 100, "*", EVERYBODY)

    deployment.edit("*", 5000, EVERYBODY)
    waiting = deployment.await_status("*", "WAITING", EVERYBODY)
    assert f"raises above {ALONE} USD a month wait" in waiting["error"]
    # Neither who has the default has the raise, nor who joins meanwhile: both have what stands.
    joined = spoke(deployment, organization, "joined-meanwhile", organization.root)
    for account_id in (present, joined):
        deployment.drift(repair=True, account_id=account_id)
    for account_id in (present, joined):
        inherited(deployment, account_id, 100, "*", EVERYBODY)

    ann, bob = approver(deployment), approver(deployment)
    key = BudgetKey(account_id="*", budget_name=EVERYBODY)
    raised = ann.statuses.get(key)
    assert raised
    assert ann.approve(raised) == 1
    with pytest.raises(RejectedInput, match="you have approved this raise already"):
        ann.approve(raised)
    assert deployment.status("*", EVERYBODY)["status"] == "WAITING"
    for account_id in (present, joined):
        assert deployment.amount(account_id, EVERYBODY) == 100
    assert bob.approve(raised) == 2
    for account_id in (present, joined):
        inherited(deployment, account_id, 5000, "*", EVERYBODY)
    assert deployment.status("*", EVERYBODY)["status"] == "APPLIED"

    deployment.remove("*", EVERYBODY)
    for account_id in (present, joined):
        deployment.await_status(account_id, "REMOVED", EVERYBODY)
        deployment.await_amount(account_id, None, EVERYBODY)
