"""Terraform's own tests of each module, and plans of the real environments without an account."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from localcloud.settings import REPOSITORY
from release import project_version

# Nothing is asked of AWS; policies and names are computed by the provider.
OFFLINE_PROVIDER = """
provider "aws" {
  region                      = var.region
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}
"""
REQUIREMENTS = REPOSITORY / "requirements"
LOCAL_BACKEND = 'terraform {\n  backend "local" {}\n}\n'


def terraform(
    folder: Path, work: Path, environment: Mapping[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run Terraform with its data under `work`, so that nothing is left in the folder.

    It steps back behind the apply that the flow tests wait for.
    """
    return subprocess.run(
        ["nice", "terraform", *arguments],
        cwd=folder,
        env={**environment, "TF_DATA_DIR": str(work / "data")},
        capture_output=True,
        text=True,
        check=False,
    )


def copied(work: Path, *folders: str) -> Path:
    """A copy of parts of the repository, where overrides and lock files may be written."""
    for folder in folders:
        shutil.copytree(
            REPOSITORY / folder,
            work / folder,
            ignore=shutil.ignore_patterns(".terraform*", "*.py", "__pycache__"),
        )
    return work


#: Folders with Terraform tests: of plans (tests/billing), and of the values that a module refuses
#: (tests/billing/variables/billing), which need no provider.
TESTS = REPOSITORY / "tests"
SUITES = sorted({str(path.parent.relative_to(TESTS)) for path in TESTS.rglob("*.tftest.hcl")})


@pytest.mark.parametrize("suite", SUITES)
def test_modules_pass_their_terraform_tests(
    suite: str, tmp_path: Path, plan_environment: Mapping[str, str]
) -> None:
    folder = copied(tmp_path / "copy", "modules", f"tests/{suite}") / "tests" / suite
    if (folder / "versions.tf").exists():
        started = terraform(folder, tmp_path, plan_environment, "init", "-input=false", "-no-color")
        assert started.returncode == 0, started.stderr
    tested = terraform(folder, tmp_path, plan_environment, "test", "-no-color")
    assert tested.returncode == 0, f"{tested.stdout}\n{tested.stderr}"
    assert "0 failed" in tested.stdout


def test_every_module_has_terraform_tests() -> None:
    tested = {path.name.removesuffix(".tftest.hcl") for path in TESTS.rglob("*.tftest.hcl")}
    assert tested == {path.parent.name for path in (REPOSITORY / "modules").glob("*/versions.tf")}


@pytest.mark.parametrize(
    "refusals", sorted(TESTS.glob("*/variables/*/*.tftest.hcl")), ids=lambda path: path.parent.name
)
def test_every_validation_is_broken_by_a_run_of_its_own(refusals: Path) -> None:
    variables = (refusals.parent / "variables.tf").read_text()
    validations = {
        name: len(re.findall(r"^  validation \{", body, re.MULTILINE))
        for name, body in re.findall(
            r'^variable "(\w+)" \{\n(.*?)^\}', variables, re.MULTILINE | re.DOTALL
        )
    }
    broken = Counter(
        re.findall(r"^  expect_failures = \[var\.(\w+)\]$", refusals.read_text(), re.MULTILINE)
    )
    assert {name: count for name, count in validations.items() if broken[name] < count} == {}
    assert broken.total() == len(re.findall(r"^run ", refusals.read_text(), re.MULTILINE))


def write_packages(root: Path) -> None:
    """Packages as `make build` leaves them, without their contents."""
    built = {"path": "build/lambda/finops.zip", "sha256_base64": "x" * 44}
    packages = root / "build" / "lambda" / "packages.json"
    packages.parent.mkdir(parents=True)
    layers = {path.stem.removeprefix("layer-"): built for path in REQUIREMENTS.glob("layer-*.in")}
    packages.write_text(json.dumps({"code": built, "layers": layers}))
    (root / built["path"]).touch()


#: What a plan says where they differ: dev pauses and can be destroyed, prod does neither.
DATABASE_SETTINGS = {
    "dev": ("deletion_protection = false", "min_capacity = 0", "skip_final_snapshot = true"),
    "prod": ("deletion_protection = true", "min_capacity = 0.5", "skip_final_snapshot = false"),
}

#: Who could remove entries of the audit trail: nobody for seven years, or, in dev, who destroys it.
AUDIT_LOCKS = {"dev": 'days = 1 + mode = "GOVERNANCE"', "prod": 'days = 2557 + mode = "COMPLIANCE"'}


@pytest.mark.parametrize("environment", ["dev", "prod"])
@pytest.mark.parametrize("root", ["management", "spoke", "payer"])
def test_a_real_environment_plans_from_its_examples(
    environment: str, root: str, tmp_path: Path, plan_environment: Mapping[str, str]
) -> None:
    copy = copied(tmp_path / "copy", "modules", f"environments/{environment}/{root}")
    folder = copy / "environments" / environment / root
    (folder / "providers.tf").write_text(OFFLINE_PROVIDER)
    (folder / "backend_override.tf").write_text(LOCAL_BACKEND)
    (folder / "terraform.tfvars").write_text((folder / "terraform.tfvars.example").read_text())
    write_packages(copy)

    started = terraform(folder, tmp_path, plan_environment, "init", "-input=false", "-no-color")
    assert started.returncode == 0, started.stderr
    given = {
        "spoke": ["-var=account_id=222222222222"],
        "management": [
            "-var=budget_removal_policy=delete",
            "-var=budget_publisher={raises={percent=10}}",
        ],
    }.get(root, [])
    planned = terraform(
        folder, tmp_path, plan_environment, "plan", "-input=false", "-no-color", *given
    )
    assert planned.returncode == 0, planned.stderr
    assert " to add, 0 to change, 0 to destroy." in planned.stdout
    said = " ".join(planned.stdout.split())
    protected = "deletion_protection_enabled = true" in said
    assert protected == (environment == "prod" and root == "management")
    if root == "management":
        for setting in DATABASE_SETTINGS[environment]:
            assert f" {setting} " in said
        assert AUDIT_LOCKS[environment] in said
        assert ('"user:project$finops"' in said) == (environment == "prod")
        # Of the budgets flow four functions, of invoices eight; those of billing and
        # reconciliation wait for the database.
        assert said.count('"AUDIT_QUEUE_URL" = "https://sqs.') == 12
        for variable in ('REMOVAL_POLICY" = "delete', 'RAISE_PERCENT" = "10'):
            assert f'"{variable}"' in said
    refused = terraform(
        folder,
        tmp_path,
        plan_environment,
        "plan",
        "-input=false",
        "-no-color",
        "-var=account_id=22",
    )
    assert refused.returncode == 1
    assert "12 digits" in refused.stderr


EXAMPLES = sorted(path.parent.name for path in (REPOSITORY / "examples").glob("*/main.tf"))
ACCOUNT_FACTORY = "examples/account-factory/finops-spoke/terraform"
#: As a release publishes it: from a bucket.
PUBLISHED = {"sha256_base64": "x" * 44, "s3_bucket": "packages", "s3_key": "finops/1/finops.zip"}


def use_modules_of(copy: Path, folder: Path) -> None:
    """Lead the published address of a module to the copy of this clone."""
    main = (folder / "main.tf").read_text()
    sources = re.findall(r'source = "([^"]+)"', main)
    published = (
        r"git::https://github\.com/example/terraform-aws-finops\.git//(modules/\w+)\?ref=v(.+)"
    )
    found = [re.fullmatch(published, source) for source in sources]
    assert {one and one[2] for one in found} == {project_version()}
    up = os.path.relpath(copy, folder)
    (folder / "main.tf").write_text(re.sub(f'source = "{published}"', rf'source = "{up}/\1"', main))


def published_packages() -> dict[str, object]:
    layers = {
        path.stem.removeprefix("layer-"): PUBLISHED for path in REQUIREMENTS.glob("layer-*.in")
    }
    code = PUBLISHED | {"architecture": "arm64", "release": project_version()}
    return {"code": code, "layers": layers}


def plan_of_example(example: str, work: Path, environment: Mapping[str, str]) -> Path:
    """Plan an example with the modules of this clone; its folder holds the plan as `plan`."""
    copy = copied(work / "copy", "modules", f"examples/{example}")
    folder = copy / "examples" / example
    use_modules_of(copy, folder)
    provider = OFFLINE_PROVIDER.replace("region ", "allowed_account_ids = null\n  region ", 1)
    (folder / "provider_override.tf").write_text(provider)
    given = {
        "account_id": "111111111111",
        "region": "eu-central-1",
        "packages": published_packages(),
    }
    if 'variable "people"' in (folder / "variables.tf").read_text():
        given["people"] = ["AIDAEXAMPLEEXAMPLE123"]
    (folder / "packages.auto.tfvars.json").write_text(json.dumps(given))

    started = terraform(folder, work, environment, "init", "-input=false", "-no-color")
    assert started.returncode == 0, started.stderr
    planned = terraform(folder, work, environment, "plan", "-input=false", "-no-color", "-out=plan")
    assert planned.returncode == 0, planned.stderr
    assert " to add, 0 to change, 0 to destroy." in planned.stdout
    return folder


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_plans_as_it_is_copied(
    example: str, planned_example: Callable[[str], Path]
) -> None:
    """With the modules of this clone, where the example names those of its release."""
    assert (planned_example(example) / "plan").is_file()


def test_account_factory_plans_the_spoke_of_the_account_that_it_customizes(
    tmp_path: Path, plan_environment: Mapping[str, str]
) -> None:
    """With a provider as AFT writes it beside these files; AWS says whose account it is."""
    copy = copied(tmp_path / "copy", "modules", ACCOUNT_FACTORY)
    folder = copy / ACCOUNT_FACTORY
    use_modules_of(copy, folder)
    example = (folder / "finops.auto.tfvars.json.example").read_text()
    (folder / "finops.auto.tfvars.json").write_text(example)
    (folder / "packages.auto.tfvars.json").write_text(
        json.dumps({"packages": published_packages()})
    )
    (folder / "aft-providers.tf").write_text(OFFLINE_PROVIDER)
    (folder / "customization.tftest.hcl").write_text(
        """
        run "customization" {
          command = plan
          override_data {
            target = data.aws_caller_identity.current
            values = { account_id = "222222222222" }
          }
        }
        run "of_another_deployment" {
          command = plan
          variables { name_prefix = "cost-dev" }
          override_data {
            target = data.aws_caller_identity.current
            values = { account_id = "222222222222" }
          }
        }
        """
    )
    started = terraform(folder, tmp_path, plan_environment, "init", "-input=false", "-no-color")
    assert started.returncode == 0, started.stderr
    tested = terraform(folder, tmp_path, plan_environment, "test", "-no-color", "-verbose")
    assert tested.returncode == 0, f"{tested.stdout}\n{tested.stderr}"
    assert "2 passed, 0 failed" in tested.stdout
    usual, other = tested.stdout.split('run "of_another_deployment"')
    names = ("apply-budget", "budgets", "publish-budget", "repair-budget-drift")
    for prefix, said in (("finops", usual), ("cost-dev", other)):
        found = set(re.findall(r"[:/](finops|cost-dev)-(?:" + "|".join(names) + ")\\b", said))
        assert found == {prefix}
    assert '"ACCOUNT_ID" = "222222222222"' in " ".join(tested.stdout.split())


class Deploy:
    """`deploy_spokes.sh` on a copy of the environment, and a Terraform that records its calls."""

    def __init__(self, work: Path) -> None:
        self.root = copied(work, "environments/dev/spoke", "scripts") / "environments/dev/spoke"
        shutil.copy2(REPOSITORY / "scripts" / "deploy_spokes.sh", work / "scripts")
        self.script = work / "scripts" / "deploy_spokes.sh"
        self.calls = work / "calls"
        (self.root / "backend.hcl").write_text('bucket = "state"\n')
        fake = work / "bin" / "terraform"
        fake.parent.mkdir()
        fake.write_text(
            '#!/bin/sh\necho "$@" >> "$CALLS"\ncase "$*" in *"apply"*444444444444*) exit 1;; esac\n'
        )
        fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
        self.environment = {
            "PATH": f"{fake.parent}:{os.environ['PATH']}",
            "CALLS": str(self.calls),
            "PARALLEL": "1",
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.script), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    return Deploy(tmp_path)


def test_every_spoke_is_deployed_with_a_state_of_its_own(deploy: Deploy) -> None:
    (deploy.root / "accounts.csv").write_text(
        'account_id,name\r\n222222222222,shop\r\n"333333333333",data\r\n'
    )
    (deploy.root / "accounts").mkdir()
    (deploy.root / "accounts" / "333333333333.tfvars").write_text("")
    ran = deploy.run("apply", "dev")
    assert ran.returncode == 0, ran.stderr
    calls = deploy.calls.read_text().splitlines()
    for account_id in ("222222222222", "333333333333"):
        assert any(f"key=finops/dev/spoke/{account_id}.tfstate" in call for call in calls)
    # Each account takes the provider from the first init, and copies none.
    first, *inits = [call for call in calls if call.startswith("init")]
    assert "-plugin-dir" not in first
    fetched = deploy.root / ".terraform" / "accounts" / "lock" / "providers"
    assert len(inits) == 2
    assert all(f"-plugin-dir={fetched}" in call for call in inits)
    (own,) = [call for call in calls if "333333333333" in call and call.startswith("apply")]
    assert "-var-file=accounts/333333333333.tfvars" in own


def test_a_failed_spoke_is_named_and_does_not_stop_the_others(deploy: Deploy) -> None:
    (deploy.root / "accounts.csv").write_text("account_id\n444444444444\n555555555555\n")
    ran = deploy.run("apply", "dev")
    assert ran.returncode == 1
    assert "444444444444 FAILED" in ran.stdout
    assert "555555555555 ok" in ran.stdout


def test_an_invalid_account_id_is_refused_before_anything_runs(deploy: Deploy) -> None:
    (deploy.root / "accounts.csv").write_text("account_id\n22222222222\n555555555555\n")
    ran = deploy.run("apply", "dev")
    assert ran.returncode == 2
    assert "22222222222" in ran.stderr
    assert not deploy.calls.exists()
    assert deploy.run("explode", "dev").returncode == 2
