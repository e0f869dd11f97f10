"""An Athena whose statements really run, over exports in moto's S3."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from botocore.exceptions import ClientError

from finops.reconciliation.adapters.athena import Athena
from finops.reconciliation.adapters.export_engines import AthenaSettings, ExportEngines
from finops.reconciliation.adapters.s3 import S3AnswerCache
from localcloud.athena.runner import Outcome, Table, run

BUCKET = "reports-of-tests"
EXPORT = f"s3://{BUCKET}/focus/data"
PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
_HIVE = {"VARCHAR": "string", "INTEGER": "int", "MAP(VARCHAR, VARCHAR)": "map<string,string>"}
_UNLOAD = re.compile(r"UNLOAD \((.*)\) TO 's3://[^/]+/(.*)' WITH \(format = 'PARQUET', .*\)")


def refused(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


class FakeAthena:
    """The clients `athena` and `glue`, with one table over each export.

    Attributes:
        started: The statements.
        limit: The workgroup's, in bytes.
        outcome: What the next queries end with, if not with their answers.
        declared: Types of the table's columns that are not the files'.
        runs_for: How often a query is asked for before it has ended.
    """

    def __init__(self, s3: Any, tables: Mapping[str, str]) -> None:
        self._s3 = s3
        self._tables = tables
        self._executions: dict[str, dict[str, Any]] = {}
        self.started: list[str] = []
        self.limit: int | None = None
        self.outcome: dict[str, Any] | None = None
        self.declared: dict[str, str] = {}
        self.runs_for = 0

    def get_table(self, *, DatabaseName: str, Name: str) -> Any:  # noqa: N803
        assert DatabaseName == "exports"
        uri = next(uri for uri, name in self._tables.items() if name == Name)
        columns, serde = self._described(uri)
        return {
            "Table": {
                "StorageDescriptor": {
                    "Location": uri,
                    "Columns": [{"Name": one, "Type": kind} for one, kind in columns.items()],
                    "SerdeInfo": {"SerializationLibrary": serde},
                },
                "PartitionKeys": [{"Name": "billing_period", "Type": "string"}],
            }
        }

    def start_query_execution(self, **request: Any) -> Any:
        assert request["WorkGroup"] == "finops"
        assert len(request["ClientRequestToken"]) >= 32
        statement = request["QueryString"]
        self.started.append(statement)
        query = f"query-{len(self.started)}"
        execution = self._execution(query, statement)
        self._executions[query] = {"asked": 0, "execution": execution}
        return {"QueryExecutionId": query}

    def get_query_execution(self, *, QueryExecutionId: str) -> Any:  # noqa: N803
        known = self._executions.get(QueryExecutionId)
        if known is None:
            raise refused("InvalidRequestException", "GetQueryExecution")
        known["asked"] += 1
        if known["asked"] <= self.runs_for:
            running = {"QueryExecutionId": QueryExecutionId, "Status": {"State": "RUNNING"}}
            return {"QueryExecution": running}
        return {"QueryExecution": known["execution"]}

    def forget(self) -> None:
        """As Athena forgets queries after 45 days."""
        self._executions.clear()

    def _execution(self, query: str, statement: str) -> dict[str, Any]:
        execution: dict[str, Any] = {"QueryExecutionId": query}
        if self.outcome:
            return execution | self.outcome
        parts = _UNLOAD.fullmatch(statement)
        assert parts
        with tempfile.TemporaryDirectory() as folder:
            outcome = self._run(parts[1], Path(folder))
            names = []
            for path in (Path(folder) / "output").iterdir():
                names.append(f"{parts[2]}{path.name}")
                self._s3.put_object(Bucket=BUCKET, Key=names[-1], Body=path.read_bytes())
        manifest = f"results/{query}-manifest.csv"
        text = "".join(f"s3://{BUCKET}/{name}\n" for name in names)
        self._s3.put_object(Bucket=BUCKET, Key=manifest, Body=text.encode())
        execution["Status"] = {"State": outcome.state}
        if outcome.reason:
            execution["Status"]["StateChangeReason"] = outcome.reason
        execution["Statistics"] = {"DataScannedInBytes": outcome.scanned}
        execution["Statistics"]["DataManifestLocation"] = f"s3://{BUCKET}/{manifest}"
        return execution

    def _run(self, select: str, folder: Path) -> Outcome:
        (folder / "output").mkdir()
        tables = {}
        for uri, name in self._tables.items():
            columns, serde = self._described(uri)
            files = []
            for key in self._keys(uri):
                path = folder / key.replace("/", "_")
                path.write_bytes(self._read(key))
                period = re.search(r"BILLING_PERIOD=([^/]+)", key)
                assert period
                files.append(
                    {
                        "path": str(path),
                        "uri": f"s3://{BUCKET}/{key}",
                        "partition": period[1],
                    }
                )
            tables[name] = Table(columns, "billing_period", serde == PARQUET, files)
        return run(select, tables, folder / "output", self.limit)

    def _described(self, uri: str) -> tuple[dict[str, str], str]:
        """Columns as a table of the export's newest file has them."""
        key = [one for one in self._keys(uri) if not one.endswith(".json")][-1]
        is_parquet = key.endswith(".parquet")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / key.rpartition("/")[2]
            path.write_bytes(self._read(key))
            options = "" if is_parquet else ", all_varchar = true"
            scan = f"read_{'parquet' if is_parquet else 'csv'}('{path}'{options})"
            found = duckdb.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
        columns = {str(name).lower(): _HIVE.get(kind, kind.lower()) for name, kind, *_ in found}
        return columns | self.declared, PARQUET if is_parquet else CSV

    def _keys(self, uri: str) -> list[str]:
        prefix = uri.partition(f"{BUCKET}/")[2] + "/"
        listed = self._s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", ())
        return sorted(one["Key"] for one in listed)

    def _read(self, key: str) -> bytes:
        body: bytes = self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body


def settings(**changed: Any) -> AthenaSettings:
    facts: dict[str, Any] = {
        "engine": "auto",
        "from_mb": Decimal(1024),
        "workgroup": "finops",
        "most_gb_scanned": Decimal(100),
        "usd_per_tb": Decimal(5),
        "database": "exports",
        "tables": {EXPORT: "focus"},
    }
    return AthenaSettings(**{**facts, **changed})


def engines(s3: Any, fake: FakeAthena, scratch: Path, **changed: Any) -> ExportEngines:
    clients = {"s3": s3, "athena": fake, "glue": fake}
    scratch.mkdir(exist_ok=True)
    return ExportEngines(
        client=clients.__getitem__, settings=settings(**changed), bucket=BUCKET, scratch=scratch
    )


def athena(s3: Any, fake: FakeAthena, **changed: Any) -> Athena:
    """That of a deployment, whose waiting takes no time."""
    facts: dict[str, Any] = {
        "workgroup": "finops",
        "database": "exports",
        "folder": f"s3://{BUCKET}/cache/athena",
        "kept": S3AnswerCache(s3, BUCKET, "cache/athena/"),
        "usd_per_tb": Decimal(5),
        "most_gb_scanned": Decimal(100),
    }
    return Athena(fake, s3, **{**facts, **changed})
