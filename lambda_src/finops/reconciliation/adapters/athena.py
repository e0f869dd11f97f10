"""Amazon Athena: one statement, whose result is unloaded to S3 and fetched.

https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html and
https://docs.aws.amazon.com/athena/latest/ug/unload.html
"""

from __future__ import annotations

import hashlib
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from finops.reconciliation.ports import AnswerCache
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput, TransientFailure

#: https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
_LONGEST_STATEMENT: Final = 262_144
#: Whole megabytes are charged, and of a query at least so many.
_LEAST_MEGABYTES: Final = 10
_MEGABYTE: Final = 2**20
_TERABYTE: Final = 2**40
_ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
#: What Athena says of a query that its workgroup's limit ended, as others have seen it.
_LIMIT_SAID: Final = "Bytes scanned limit was exceeded"
_LONGEST_PAUSE: Final = 5.0


@dataclass
class AthenaUsage:
    """What was asked of Athena in a run.

    Attributes:
        queries: Started in this run.
        reused: Started by an earlier run, and not paid again.
        bytes_scanned: By the queries of this run, also by those that failed.
        cost_usd: Of these, by the price of a terabyte.
    """

    queries: int = 0
    reused: int = 0
    bytes_scanned: int = 0
    cost_usd: Decimal = Decimal(0)

    def document(self) -> dict[str, Any]:
        """For answers and logs."""
        cost = self.cost_usd.quantize(Decimal("0.000001"), ROUND_UP)
        return {
            "queries": self.queries,
            "reused": self.reused,
            "bytes_scanned": self.bytes_scanned,
            "cost_usd": f"{cost:f}",
        }


class Athena:
    """Statements of one workgroup.

    Which query answers a statement is kept, so that whoever asks the same of the same files waits
    for that query or takes its result: a run that was killed costs nothing again.

    Args:
        athena: The client.
        s3: The client that fetches results.
        workgroup: Its name.
        database: Of the Glue catalog.
        folder: Where results go, as `s3://bucket/folder`.
        kept: Ids of queries, by statement and files.
        usd_per_tb: The region's price of a scanned terabyte.
        most_gb_scanned: The workgroup's limit for one query, for messages and for what is kept.
        wait_seconds: After so long a query is left to itself; the next run finds it.
    """

    def __init__(
        self,
        athena: Any,
        s3: Any,
        *,
        workgroup: str,
        database: str,
        folder: str,
        kept: AnswerCache,
        usd_per_tb: Decimal,
        most_gb_scanned: Decimal,
        wait_seconds: float = 600,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._athena = athena
        self._s3 = s3
        self._workgroup = workgroup
        self._database = database
        self._folder = folder
        self._kept = kept
        self._usd_per_tb = usd_per_tb
        self._most_gb_scanned = most_gb_scanned
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._sleep = sleep
        self.usage = AthenaUsage()

    def unload(self, select: str, *, version: str, folder: Path) -> list[Path]:
        """The rows of a SELECT as Parquet files; none where there are no rows.

        Args:
            select: In Trino's SQL.
            version: Of the files that it reads: another one is another question.
            folder: Where the files go.

        Raises:
            TransientFailure: the query still runs, was cancelled, or failed by no fault of ours.
            ConfigurationError: `scan_limit`, or Athena refuses the query.
            RejectedInput: `statement_too_long`.
        """
        # A query that the limit has ended is not started, and paid, again before the limit changes.
        key = _digest(self._workgroup, self._database, str(self._most_gb_scanned), version, select)
        known = (self._kept.get(key) or {}).get("query")
        execution = self._execution(str(known)) if known else None
        if execution and (_goes_on_or_succeeded(execution) or _reached_limit(execution)):
            fetched = self._fetched(self._succeeded(execution), folder)
            if fetched is not None:
                self.usage.reused += 1
                return fetched
        query = self._start(key, select)
        execution = self._execution(query)
        fetched = (
            self._fetched(self._succeeded(execution, is_paid=True), folder) if execution else None
        )
        if fetched is None:
            raise TransientFailure(
                f"Athena knows nothing of its query {query}, or its result is gone",
                code="result_is_gone",
                step="query_export",
            )
        return fetched

    def _start(self, key: str, select: str) -> str:
        # A place must be empty when a query unloads to it, so that each attempt has its own.
        place = f"{self._folder}/{key}/{uuid.uuid4().hex}/"
        statement = (
            f"UNLOAD ({select}) TO '{place}' WITH (format = 'PARQUET', compression = 'SNAPPY')"
        )
        if len(statement.encode()) > _LONGEST_STATEMENT:
            raise RejectedInput(
                f"the statement for Athena has {len(statement.encode()):,} bytes, and Athena takes"
                f" {_LONGEST_STATEMENT:,}",
                code="statement_too_long",
                remedy="Let the export overwrite its files, or use fewer tag rules",
            )
        with aws_errors("query_export", remedy="Check `costs.athena` of modules/reconciliation"):
            query: str = self._athena.start_query_execution(
                QueryString=statement,
                # botocore's own retries of the call start one query.
                ClientRequestToken=_digest(place),
                QueryExecutionContext={"Catalog": "AwsDataCatalog", "Database": self._database},
                WorkGroup=self._workgroup,
            )["QueryExecutionId"]
        self._kept.put(key, {"query": query})
        self.usage.queries += 1
        return query

    def _execution(self, query: str) -> Mapping[str, Any] | None:
        """None where Athena has forgotten it: it keeps 45 days."""
        with aws_errors("query_export"):
            try:
                answer = self._athena.get_query_execution(QueryExecutionId=query)
            except ClientError as error:
                if error.response["Error"]["Code"] == "InvalidRequestException":
                    return None
                raise
        execution: Mapping[str, Any] = answer["QueryExecution"]
        return execution

    def _succeeded(
        self, execution: Mapping[str, Any], *, is_paid: bool = False
    ) -> Mapping[str, Any]:
        """The execution when it has succeeded; what it scanned is counted where it is paid."""
        query = execution["QueryExecutionId"]
        until, pause = self._clock() + self._wait_seconds, 0.2
        while execution["Status"]["State"] not in _ENDED:
            if self._clock() > until:
                raise TransientFailure(
                    f"Athena's query {query} still runs after {self._wait_seconds:.0f} s; the next"
                    " run takes its result",
                    code="query_still_runs",
                    step="query_export",
                )
            self._sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            execution = self._execution(query) or execution
        if is_paid:
            self._count(execution)
        if execution["Status"]["State"] != "SUCCEEDED":
            raise self._failure(execution)
        return execution

    def _failure(self, execution: Mapping[str, Any]) -> FinOpsError:
        """https://docs.aws.amazon.com/athena/latest/APIReference/API_AthenaError.html."""
        query, status = execution["QueryExecutionId"], execution["Status"]
        if _reached_limit(execution):
            return ConfigurationError(
                f"Athena ended query {query}: it scanned the {self._most_gb_scanned} GB that one"
                " query may scan",
                code="scan_limit",
                step="query_export",
                remedy="Raise `costs.athena.most_gb_scanned` of modules/reconciliation",
            )
        error, is_cancelled = status.get("AthenaError", {}), status["State"] == "CANCELLED"
        reason = status.get("StateChangeReason") or "no reason is given"
        message = (
            f"Athena's query {query} {'was cancelled' if is_cancelled else 'failed'}: {reason}"
        )
        # 1 is a fault of the system, 2 of the user.
        if is_cancelled or error.get("Retryable") or error.get("ErrorCategory") == 1:
            return TransientFailure(message, code="query_failed", step="query_export")
        return ConfigurationError(
            message,
            code="query_failed",
            step="query_export",
            remedy="Compare the types of the table's columns with those of the export's files",
        )

    def _count(self, execution: Mapping[str, Any]) -> None:
        """What is cancelled is paid, what fails is not: https://aws.amazon.com/athena/pricing/."""
        scanned = int(execution.get("Statistics", {}).get("DataScannedInBytes", 0))
        self.usage.bytes_scanned += scanned
        if execution["Status"]["State"] != "FAILED":
            megabytes = max(-(-scanned // _MEGABYTE), _LEAST_MEGABYTES)
            self.usage.cost_usd += megabytes * self._usd_per_tb * _MEGABYTE / _TERABYTE

    def _fetched(self, execution: Mapping[str, Any], folder: Path) -> list[Path] | None:
        """The files that the query's manifest names; None where they are gone.

        https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html
        """
        manifest = execution.get("Statistics", {}).get("DataManifestLocation")
        folder.mkdir(parents=True, exist_ok=True)
        with aws_errors("fetch_result"):
            try:
                named = self._body(manifest).read().decode().split() if manifest else []
                paths = [folder / f"{_digest(one)}.parquet" for one in named]
                for location, path in zip(named, paths, strict=True):
                    with path.open("wb") as file:
                        shutil.copyfileobj(self._body(location), file)
            except self._s3.exceptions.NoSuchKey:
                return None
            except OSError as error:
                raise ConfigurationError(
                    f"the sums that Athena made do not fit on the disk: {error}",
                    code="disk_too_small",
                    step="fetch_result",
                    remedy="Raise reporting.ephemeral_storage_mb of modules/reconciliation",
                ) from None
        return paths

    def _body(self, location: str) -> Any:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        return self._s3.get_object(Bucket=bucket, Key=key)["Body"]


def _goes_on_or_succeeded(execution: Mapping[str, Any]) -> bool:
    return execution["Status"]["State"] not in {"FAILED", "CANCELLED"}


def _reached_limit(execution: Mapping[str, Any]) -> bool:
    return _LIMIT_SAID in (execution["Status"].get("StateChangeReason") or "")


def _digest(*texts: str) -> str:
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()
