"""One AWS provider for the plans of a worker."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from localcloud.shared_provider import shared_provider
from localcloud.terraform import terraform_environment
from tests.environments.test_terraform import plan_of_example


@pytest.fixture(scope="session")
def plan_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Variables for Terraform commands on roots with one configuration of the provider."""
    work = tmp_path_factory.mktemp("provider")
    with shared_provider(work, terraform_environment(work)) as variables:
        yield variables


@pytest.fixture(scope="session")
def planned_example(
    tmp_path_factory: pytest.TempPathFactory, plan_environment: Mapping[str, str]
) -> Callable[[str], Path]:
    """The folder of an example that is planned once, with the plan as `plan`."""

    @functools.cache
    def planned(example: str) -> Path:
        return plan_of_example(example, tmp_path_factory.mktemp(example), plan_environment)

    return planned
