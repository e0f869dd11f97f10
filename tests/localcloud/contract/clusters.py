"""Aurora clusters for the tests of the RDS Data API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.localcloud.contract.aws import Account, unique


@dataclass
class Cluster:
    """A cluster, its managed master secret, and the way to run statements on it."""

    account: Account
    arn: str
    secret: str
    database: str

    def __post_init__(self) -> None:
        self.client = self.account.client("rds-data")

    @property
    def target(self) -> dict[str, str]:
        return {"resourceArn": self.arn, "secretArn": self.secret, "database": self.database}

    def execute(self, sql: str, /, transaction: str | None = None, **options: Any) -> Any:
        """Run a statement; a parameter is a pair of name and field, or a triple with a hint."""
        given = options.pop("parameters", [])
        if transaction:
            options["transactionId"] = transaction
        return self.client.execute_statement(
            sql=sql, parameters=[parameter(*each) for each in given], **{**self.target, **options}
        )

    def rows(self, sql: str, /, **options: Any) -> list[list[Any]]:
        """The values of a result, NULL as None."""
        return [
            [None if field.get("isNull") else next(iter(field.values())) for field in record]
            for record in self.execute(sql, **options)["records"]
        ]

    def begin(self) -> str:
        return str(self.client.begin_transaction(**self.target)["transactionId"])

    def end(self, operation: str, transaction: str) -> str:
        call = getattr(self.client, f"{operation}_transaction")
        answer = call(resourceArn=self.arn, secretArn=self.secret, transactionId=transaction)
        return str(answer["transactionStatus"])

    def table(self, columns: str = "id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80)") -> str:
        name = unique("t").replace("-", "_")
        self.execute(f"CREATE TABLE {name} ({columns})")
        return name


def parameter(name: str, field: dict[str, Any], hint: str | None = None) -> dict[str, Any]:
    return {"name": name, "value": field, **({"typeHint": hint} if hint else {})}


def make_cluster(account: Account, **options: Any) -> Cluster:
    rds = account.client("rds")
    name = unique("contract")
    made = rds.create_db_cluster(
        DBClusterIdentifier=name,
        **{
            "Engine": "aurora-mysql",
            "DatabaseName": "contract",
            "MasterUsername": "admin",
            "ManageMasterUserPassword": True,
            "EnableHttpEndpoint": True,
            "ServerlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 1},
            **options,
        },
    )["DBCluster"]
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        DBClusterIdentifier=name,
        Engine="aurora-mysql",
        DBInstanceClass="db.serverless",
    )
    rds.get_waiter("db_instance_available").wait(
        DBInstanceIdentifier=name, WaiterConfig={"Delay": 1}
    )
    secret = made.get("MasterUserSecret", {}).get("SecretArn", "")
    return Cluster(account, made["DBClusterArn"], secret, "contract")
