"""The accounts of the contract tests, on the endpoint of the test session."""

from __future__ import annotations

import pytest

from tests.conftest import CloudUnderTest
from tests.localcloud.contract.aws import FOREIGN, MANAGEMENT, SPOKE, Account


@pytest.fixture(scope="session")
def management(local_cloud: CloudUnderTest) -> Account:
    return Account(MANAGEMENT, local_cloud.endpoint_url)


@pytest.fixture(scope="session")
def spoke(local_cloud: CloudUnderTest) -> Account:
    return Account(SPOKE, local_cloud.endpoint_url)


@pytest.fixture(scope="session")
def foreign(local_cloud: CloudUnderTest) -> Account:
    return Account(FOREIGN, local_cloud.endpoint_url)
