"""One AWS provider for the plans of a worker."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from localcloud.settings import REPOSITORY
from localcloud.terraform import terraform_environment
from tests.environments.test_terraform import plan_of_example


@pytest.fixture(scope="session")
def plan_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Variables for Terraform commands that share one running provider.

    Terraform otherwise starts a provider for each run of a test, which takes most of a plan's time
    (https://developer.hashicorp.com/terraform/plugin/debugging#terraform-cli-development-overrides).
    Only for roots with one configuration of the provider: the last one counts for all.
    """
    work = tmp_path_factory.mktemp("provider")
    shutil.copy2(REPOSITORY / "modules" / "lambda_function" / "versions.tf", work)
    environment = terraform_environment(work)
    # The provider takes a bundle of certificates once only, and no plan asks AWS anything.
    environment.pop("AWS_CA_BUNDLE", None)
    subprocess.run(
        ["terraform", "init", "-input=false"],
        cwd=work,
        env=environment,
        check=True,
        capture_output=True,
    )
    (binary,) = work.glob(".terraform/providers/*/hashicorp/aws/*/*/terraform-provider-aws_*")
    with subprocess.Popen(
        ["nice", str(binary.resolve()), "-debug"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as provider:
        try:
            yield environment | {"TF_REATTACH_PROVIDERS": _address(provider)}
        finally:
            provider.kill()


@pytest.fixture(scope="session")
def planned_example(
    tmp_path_factory: pytest.TempPathFactory, plan_environment: Mapping[str, str]
) -> Callable[[str], Path]:
    """The folder of an example that is planned once, with the plan as `plan`."""

    @functools.cache
    def planned(example: str) -> Path:
        return plan_of_example(example, tmp_path_factory.mktemp(example), plan_environment)

    return planned


def _address(provider: subprocess.Popen[str]) -> str:
    """How to reach a provider, which it says when it listens."""
    assert provider.stdout
    for line in provider.stdout:
        if found := re.search(r"TF_REATTACH_PROVIDERS='(.*)'", line):
            return found[1]
    raise AssertionError("the provider did not start")
