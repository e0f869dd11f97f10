"""The example of the budgets flow, used as its README says: a release and a folder, no clone.

The command is the release's wheel. Its packages are those that run on this machine.

Twice in one account, since two deployments must not meet.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from localcloud.endpoints import MANAGEMENT_ACCOUNT, REGION, account_session
from localcloud.settings import REPOSITORY
from localcloud.supervisor import LocalCloud
from localcloud.terraform import terraform_environment
from release import project_version, release
from tests.conftest import fresh_settings
from tests.flows.deployment import Deployment
from tests.installed import install

pytestmark = [pytest.mark.flow]

BUCKET = "packages"
#: Where the example's modules come from, until a test says where else.
PUBLISHED = "https://github.com/example/terraform-aws-finops.git"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy of the example, outside this repository, with a state of its own."""

    folder: Path
    prefix: str
    environment: Mapping[str, str]
    command: Path

    def run(self, *command: str | Path) -> str:
        """What a command says; the test fails if it fails."""
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{command}: {ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def finops(self, *arguments: str | Path) -> str:
        return self.run(self.command, *arguments)


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with fresh_settings() as settings, LocalCloud(settings) as running:
        yield running


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules as a repository with the release's tag."""
    folder = tmp_path_factory.mktemp("repository")
    shutil.copytree(
        REPOSITORY / "modules", folder / "modules", ignore=shutil.ignore_patterns(".terraform*")
    )
    author = ["-c", "user.name=release", "-c", "user.email=release@example.com"]
    for command in (
        ("init", "--quiet"),
        ("add", "--all"),
        (*author, "commit", "--quiet", "--message", "Release"),
        (*author, "tag", f"v{project_version()}"),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def copies(
    cloud: LocalCloud, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Copy]:
    """Two deployments, each published, initialised and applied by the README's commands."""
    files = tmp_path_factory.mktemp("downloads") / "release"
    release(project_version(), files, ["local"])
    (architecture,) = json.loads((files / "packages.json").read_text())
    (wheel,) = files.glob("*.whl")
    command = install(wheel, tmp_path_factory.mktemp("venv")).with_name("finops")
    account_session(MANAGEMENT_ACCOUNT, cloud.endpoint_url).client("s3").create_bucket(
        Bucket=BUCKET
    )

    def deploy(prefix: str) -> Copy:
        folder = tmp_path_factory.mktemp(prefix)
        for path in (REPOSITORY / "examples" / "budgets").glob("*.tf"):
            shutil.copy2(path, folder)
        (folder / "terraform.tfvars").write_text(
            f'account_id  = "{MANAGEMENT_ACCOUNT}"\nregion      = "{REGION}"\n'
            f'name_prefix = "{prefix}"\nprotect     = false\n'
        )
        copy = Copy(
            folder=folder,
            prefix=prefix,
            environment=as_user(cloud, repository, folder, prefix),
            command=command,
        )
        copy.finops(
            "packages", "publish", "--bucket", BUCKET, "--from", files,
            "--architecture", architecture,
        )  # fmt: skip
        copy.run("terraform", "init", "-input=false")
        copy.run("terraform", "apply", "-input=false", "-auto-approve", "-parallelism=100")
        return copy

    with ThreadPoolExecutor() as pool:
        return list(pool.map(deploy, ["finops", "other"]))


def as_user(cloud: LocalCloud, repository: Path, folder: Path, prefix: str) -> dict[str, str]:
    """Variables that a person sets, and the published address led to the repository."""
    environment = terraform_environment(
        folder.with_name(f"{folder.name}-terraform"),
        {name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    return environment | {
        "AWS_ACCESS_KEY_ID": MANAGEMENT_ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": cloud.endpoint_url,
        "FINOPS_ENV": "local",
        "FINOPS_NAME_PREFIX": prefix,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": PUBLISHED,
    }


def test_an_edit_reaches_its_own_deployments_budget_alone(
    cloud: LocalCloud, copies: list[Copy]
) -> None:
    deployment = Deployment(url=cloud.endpoint_url, outputs={})
    for amount, copy in enumerate(copies, 1500):
        copy.finops(
            "budgets", "set", MANAGEMENT_ACCOUNT, str(amount),
            "--name", f"{copy.prefix}-monthly-total", "--wait",
        )  # fmt: skip
    found = {
        one["BudgetName"]: one["BudgetLimit"]["Amount"]
        for one in deployment.budgets(MANAGEMENT_ACCOUNT)
    }
    assert {name: float(amount) for name, amount in found.items()} == {
        "finops-monthly-total": 1500,
        "other-monthly-total": 1501,
    }
    for copy in copies:
        listed = json.loads(copy.finops("budgets", "list", "--json"))["budgets"]
        assert [(one["name"], one["status"]) for one in listed] == [
            (f"{copy.prefix}-monthly-total", "APPLIED")
        ]


def test_a_second_plan_is_empty(copies: list[Copy]) -> None:
    for copy in copies:
        copy.run("terraform", "plan", "-input=false", "-detailed-exitcode")


def test_nothing_is_wrong_with_a_flow_that_is_deployed_alone(copies: list[Copy]) -> None:
    for copy in copies:
        assert json.loads(copy.finops("doctor", "--json")) == {"ok": True, "findings": []}
        told = json.loads(copy.finops("status", "--json"))
        assert (told["ok"], told["next"]) == (True, [])
        details = {one["name"]: one["detail"] for one in told["status"]}
        assert details["billing"] == "this flow is not deployed"


def test_removing_one_deployment_leaves_the_other(cloud: LocalCloud, copies: list[Copy]) -> None:
    first, second = copies
    first.run("terraform", "destroy", "-input=false", "-auto-approve", "-parallelism=100")
    session = account_session(MANAGEMENT_ACCOUNT, cloud.endpoint_url)
    names = [one["FunctionName"] for one in session.client("lambda").list_functions()["Functions"]]
    assert names
    assert all(name.startswith("other-") for name in names)
    second.finops(
        "budgets", "set", MANAGEMENT_ACCOUNT, "1700", "--name", "other-monthly-total", "--wait"
    )
    assert {
        one["BudgetName"]
        for one in Deployment(url=cloud.endpoint_url, outputs={}).budgets(MANAGEMENT_ACCOUNT)
    } == {"other-monthly-total"}
