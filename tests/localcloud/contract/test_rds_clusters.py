"""https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBCluster.html."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account, unique

pytestmark = pytest.mark.needs("rds_clusters")


@pytest.fixture
def rds(management: Account) -> Any:
    return management.client("rds")


@pytest.fixture
def cluster(rds: Any) -> Iterator[str]:
    name = unique("cluster")
    rds.create_db_cluster(
        DBClusterIdentifier=name,
        Engine="aurora-mysql",
        MasterUsername="admin",
        ManageMasterUserPassword=True,
        EnableCloudwatchLogsExports=["error", "slowquery"],
        ServerlessV2ScalingConfiguration={
            "MinCapacity": 0,
            "MaxCapacity": 4,
            "SecondsUntilAutoPause": 900,
        },
    )
    yield name
    rds.delete_db_cluster(DBClusterIdentifier=name, SkipFinalSnapshot=True)


def described(rds: Any, cluster: str) -> dict[str, Any]:
    found = rds.describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"]
    return dict(found[0])


def test_log_exports_are_kept(rds: Any, cluster: str) -> None:
    assert set(described(rds, cluster)["EnabledCloudwatchLogsExports"]) == {"error", "slowquery"}


def test_log_exports_are_changed(rds: Any, cluster: str) -> None:
    rds.modify_db_cluster(
        DBClusterIdentifier=cluster,
        CloudwatchLogsExportConfiguration={
            "EnableLogTypes": ["audit"],
            "DisableLogTypes": ["error"],
        },
    )
    assert set(described(rds, cluster)["EnabledCloudwatchLogsExports"]) == {"audit", "slowquery"}


def test_the_pause_is_kept_and_changed(rds: Any, cluster: str) -> None:
    scaling = described(rds, cluster)["ServerlessV2ScalingConfiguration"]
    assert scaling == {"MinCapacity": 0, "MaxCapacity": 4, "SecondsUntilAutoPause": 900}
    scaling["SecondsUntilAutoPause"] = 300
    rds.modify_db_cluster(DBClusterIdentifier=cluster, ServerlessV2ScalingConfiguration=scaling)
    assert described(rds, cluster)["ServerlessV2ScalingConfiguration"] == scaling
