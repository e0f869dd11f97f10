"""Athena runs UNLOAD statements, within its workgroup's limit and its caller's permissions.

AWS: "UNLOAD" https://docs.aws.amazon.com/athena/latest/ug/unload.html, "StartQueryExecution"
https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html, "Configure
per-query and per-workgroup data usage controls"
https://docs.aws.amazon.com/athena/latest/ug/workgroups-setting-control-limits-cloudwatch.html and
"Control access to Amazon S3 from Athena"
https://docs.aws.amazon.com/athena/latest/ug/s3-permissions.html
MiniStack knows no UNLOAD, no limit and no request tokens, asks for no permission on tables and
files, and checks those on queries on `*`. Other statements run as MiniStack runs them.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ministack.app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import (
    AccountRegionScopedDict,
    error_response_json,
    get_account_id,
    get_region,
)
from ministack.core.router import extract_access_key_id
from ministack.services import athena, glue, s3

from localcloud.extensions._patch import Request, Response, wrap

_UNLOAD: Final = re.compile(
    r"\s*UNLOAD\s*\((?P<select>.*)\)\s*TO\s*'s3://(?P<bucket>[^/']+)/(?P<prefix>[^']*)'"
    r"\s*WITH\s*\(\s*format\s*=\s*'PARQUET'.*\)\s*",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST: Final = 262_144
_TABLE: Final = re.compile(r'\bFROM\s+"([^"]+)"', re.IGNORECASE)
_ARNS: Final = frozenset({"ResourceARN", "ResourceArn"})
#: Queries by the token that started them.
_TOKENS: Final = AccountRegionScopedDict()
_access_key: contextvars.ContextVar[str] = contextvars.ContextVar("athena_caller", default="")


class _FailedQuery(Exception):
    """A query that ends as FAILED, with Athena's reason."""


@dataclass(frozen=True)
class _Caller:
    """Who started a query: Athena reads and writes with the caller's permissions."""

    access_key: str

    def require(self, action: str, resource: str) -> None:
        if not ministack.app.AUTH:
            return
        service = action.partition(":")[0]
        denied = iam_evaluator.enforce(
            self.access_key, action, service, get_region(), resource_arn=resource
        )
        if denied:
            raise _FailedQuery(
                "Insufficient permissions to execute the query. The caller is not authorized to"
                f" perform: {action} on resource: {resource}"
            )


async def _handle(
    original: Callable[..., Any],
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
) -> Response:
    _access_key.set(extract_access_key_id(headers) or "")
    return await original(method, path, headers, body, query)


def _start(original: Callable[[Request], Response], request: Request) -> Response:
    statement, token = request.get("QueryString", ""), request.get("ClientRequestToken", "")
    if len(statement.encode()) > _LONGEST:
        return _invalid(f"QueryString is longer than {_LONGEST} bytes")
    name = request.get("WorkGroup", "primary")
    workgroup = athena._workgroups.get(name)
    if workgroup is None or workgroup["State"] != "ENABLED":
        return _invalid(f"WorkGroup {name} is not found.")
    if token in _TOKENS:
        before, answer = _TOKENS[token]
        if before != request:
            return _invalid("Idempotent parameters do not match")
        return answer
    if workgroup["Configuration"].get("EnforceWorkGroupConfiguration"):
        request = {one: value for one, value in request.items() if one != "ResultConfiguration"}
    answer = original(request)
    if token and answer[0] == 200:
        _TOKENS[token] = (request, answer)
    return answer


async def _execute(
    original: Callable[..., Any],
    query_id: str,
    statement: str,
    database: str,
    ddl: Any,
    catalog: str | None = None,
) -> None:
    unload = _UNLOAD.fullmatch(statement)
    if not unload:
        await original(query_id, statement, database, ddl, catalog)
        return
    execution = athena._executions[query_id]
    execution["StatementType"] = "DML"
    status = execution["Status"]
    status["State"], started = "RUNNING", time.time()
    try:
        outcome = await asyncio.to_thread(
            _unloaded, _Caller(_access_key.get()), execution, database, unload
        )
    except Exception as error:
        outcome = {"state": "FAILED", "scanned": 0, "reason": str(error)}
    if status["State"] != "RUNNING":  # it was stopped meanwhile
        return
    if outcome["reason"]:
        status["StateChangeReason"] = outcome["reason"]
    if outcome["state"] == "FAILED":
        status["AthenaError"] = {
            "ErrorCategory": 2,
            "ErrorType": 1000,
            "Retryable": False,
            "ErrorMessage": outcome["reason"],
        }
    execution["Statistics"]["DataScannedInBytes"] = outcome["scanned"]
    took = int((time.time() - started) * 1000)
    execution["Statistics"]["TotalExecutionTimeInMillis"] = took
    status["CompletionDateTime"] = int(time.time())
    status["State"] = outcome["state"]


def _unloaded(
    caller: _Caller, execution: Request, database: str, unload: re.Match[str]
) -> dict[str, Any]:
    bucket, prefix = unload["bucket"], unload["prefix"].rstrip("/") + "/"
    caller.require("s3:GetBucketLocation", f"arn:aws:s3:::{bucket}")
    target = s3._buckets.get(bucket)
    if target is None:
        raise _FailedQuery(f"The bucket {bucket} does not exist")
    if any(key.startswith(prefix) for key in target["objects"]):
        raise _FailedQuery(f"HIVE_PATH_ALREADY_EXISTS: s3://{bucket}/{prefix} already exists")
    workgroup = athena._workgroups[execution["WorkGroup"]]["Configuration"]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        output.mkdir()
        request = {
            "select": unload["select"],
            "tables": {
                name: _table(caller, database, name, Path(folder))
                for name in sorted(set(_TABLE.findall(unload["select"])))
            },
            "output": str(output),
            "limit": workgroup.get("BytesScannedCutoffPerQuery"),
        }
        outcome = _ran(request)
        if outcome["state"] == "SUCCEEDED":
            _write(caller, execution, f"{bucket}/{prefix}", sorted(output.iterdir()))
    return outcome


def _table(caller: _Caller, database: str, name: str, folder: Path) -> dict[str, Any]:
    """A Glue table with copies of its files."""
    catalog = f"arn:aws:glue:{get_region()}:{get_account_id()}"
    resources = ("catalog", f"database/{database}", f"table/{database}/{name}")
    for resource in resources:
        caller.require("glue:GetTable", f"{catalog}:{resource}")
    found = glue._tables.get(f"{database}/{name}")
    if found is None:
        raise _FailedQuery(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{database}.{name}' not found")
    storage, [key] = found["StorageDescriptor"], found["PartitionKeys"]
    # Computed by projection, else in folders as Hive names them. Names that begin with a dot or an
    # underscore are hidden.
    value = f"${{{key['Name']}}}"
    hive = f"{storage['Location'].rstrip('/')}/{key['Name']}={value}/"
    template = found.get("Parameters", {}).get("storage.location.template", hive)
    bucket, _, path_of = template.removeprefix("s3://").partition("/")
    before, _, after = path_of.partition(value)
    visible = r"(?:[^/._][^/]*/)*[^/._][^/]*"
    partition = re.compile(f"{re.escape(before)}([^/]+){re.escape(after)}{visible}")
    arn = f"arn:aws:s3:::{bucket}"
    caller.require("s3:GetBucketLocation", arn)
    files: list[dict[str, str]] = []
    for object_key in sorted((s3._buckets.get(bucket) or {"objects": {}})["objects"]):
        within = partition.fullmatch(object_key)
        if not within:
            continue
        caller.require("s3:GetObject", f"{arn}/{object_key}")
        path = folder / f"{len(files)}{'.gz' if object_key.endswith('.gz') else ''}"
        path.write_bytes(s3._get_object_data(bucket, object_key) or b"")
        uri = f"s3://{bucket}/{object_key}"
        files.append({"path": str(path), "uri": uri, "partition": within[1]})
    return {
        "columns": {one["Name"]: one["Type"] for one in storage["Columns"]},
        "partition": key["Name"],
        "is_parquet": "parquet" in storage["SerdeInfo"]["SerializationLibrary"].lower(),
        "files": files,
    }


def _ran(request: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [os.environ["FINOPS_READER_PYTHON"], "-m", "localcloud.athena.runner"],
        input=json.dumps(request).encode(),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.environ["FINOPS_READER_PATH"]},
        check=False,
    )
    if done.returncode:
        raise _FailedQuery(f"the runner failed: {done.stderr.decode()[-500:]}")
    return dict(json.loads(done.stdout))


def _write(caller: _Caller, execution: Request, place: str, paths: list[Path]) -> None:
    """The result, and the manifest that names its files."""
    written = []
    for path in paths:
        _put(caller, f"{place}{execution['QueryExecutionId']}_{path.name}", path.read_bytes())
        written.append(f"s3://{place}{execution['QueryExecutionId']}_{path.name}\n")
    output = execution["ResultConfiguration"]["OutputLocation"].removesuffix(".csv")
    execution["ResultConfiguration"]["OutputLocation"] = output
    manifest = f"{output}-manifest.csv"
    _put(caller, manifest.removeprefix("s3://"), "".join(written).encode())
    execution["Statistics"]["DataManifestLocation"] = manifest


def _put(caller: _Caller, location: str, content: bytes) -> None:
    bucket, _, key = location.partition("/")
    caller.require("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}")
    length = {"content-length": str(len(content))}
    if s3._put_object(bucket, key, content, length)[0] != 200:
        raise _FailedQuery(f"Unable to write to s3://{location}")


def _resource(
    original: Callable[..., str],
    service: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
    region: str,
    account: str,
) -> str:
    """Requests about a query are authorized on its workgroup."""
    if service == "athena":
        try:
            query_id = json.loads(body or b"{}").get("QueryExecutionId")
        except ValueError:
            return "*"
        if query_id:
            execution = athena._executions.get(query_id) or {"WorkGroup": "primary"}
            return f"arn:aws:athena:{region}:{account}:workgroup/{execution['WorkGroup']}"
    return original(service, method, path, headers, body, query, region, account)


def _about_tags(original: Callable[[Request], Response], request: Request) -> Response:
    """The provider of environments/local asks for no account, and names none in ARNs."""
    of_account = f":{get_region()}:{get_account_id()}:"
    named = {
        key: str(arn).replace(f":{get_region()}::", of_account)
        for key, arn in request.items()
        if key in _ARNS
    }
    return original(request | named)


def _invalid(message: str) -> Response:
    return error_response_json("InvalidRequestException", message, 400)


def install() -> None:
    """Run UNLOAD, and authorize as AWS does."""
    wrap(athena, "handle_request", _handle)
    wrap(athena, "_start_query_execution", _start)
    wrap(athena, "_execute_query", _execute)
    wrap(iam_actions, "extract_resource_arn", _resource)
    for name in ("_tag_resource", "_untag_resource"):
        wrap(athena, name, _about_tags)
        wrap(glue, name, _about_tags)
    wrap(athena, "_list_tags_for_resource", _about_tags)
    wrap(glue, "_get_tags", _about_tags)
