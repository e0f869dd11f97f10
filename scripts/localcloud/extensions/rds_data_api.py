"""The RDS Data API on a real database, with AWS's limits, errors and permissions.

AWS: "Using the Amazon RDS Data API"
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.html
and "Authorizing access to the Amazon RDS Data API"
https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.access.html

MiniStack runs statements on its event loop, so that one that waits stops all services, and
knows neither type hints nor limits. All clusters share the one server of the local cloud.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.iam_actions import identity_denial_message
from ministack.core.router import extract_access_key_id, extract_region
from ministack.services import rds, rds_data, secretsmanager

from localcloud.data_api.connections import Connections, Limits, Login
from localcloud.data_api.errors import DataApiError, bad_request
from localcloud.data_api.service import LARGEST_RESPONSE, Caller, DataApi
from localcloud.extensions._patch import replace

Response = tuple[int, dict[str, str], bytes]

LARGEST_REQUEST = 4 << 20
# A statement may wait for a lock as long as it may run: threads are what waits.
_THREADS = 100


class _Endpoint:
    """The HTTP side: request, caller, answer."""

    def __init__(self, connections: Connections, service: DataApi, latency_seconds: float) -> None:
        self._connections = connections
        self._latency_seconds = latency_seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="data-api")
        self._operations: dict[str, Callable[[dict[str, Any], Caller], dict[str, Any]]] = {
            "/Execute": service.execute_statement,
            "/BatchExecute": service.batch_execute_statement,
            "/BeginTransaction": service.begin_transaction,
            "/CommitTransaction": service.commit_transaction,
            "/RollbackTransaction": service.rollback_transaction,
        }

    async def handle_request(
        self,
        _method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
    ) -> Response:
        """Answer one request off the event loop, in the account that it was signed for."""
        if self._latency_seconds:
            await asyncio.sleep(self._latency_seconds)
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, context.run, self._answer, path, headers, body, query
        )

    def _answer(
        self, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Response:
        try:
            request = _parse(body)
            if path not in self._operations:
                raise bad_request(f"Unknown operation {path}")
            result = self._operations[path](request, self._caller(request, headers, query))
            answer = json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()
            if len(answer) > LARGEST_RESPONSE and "formattedRecords" not in result:
                raise bad_request("Database returned more than the allowed response size limit")
        except DataApiError as error:
            headers = {"Content-Type": "application/json", "x-amzn-errortype": error.code}
            return error.status, headers, json.dumps({"message": error.message}).encode()
        return 200, {"Content-Type": "application/json"}, answer

    def _caller(
        self, request: dict[str, Any], headers: dict[str, str], query: dict[str, Any]
    ) -> Caller:
        """The caller on the cluster, once cluster, secret and permissions were checked."""
        for name in ("resourceArn", "secretArn"):
            if not isinstance(request.get(name), str) or not request[name]:
                raise bad_request(f"{name} is required")
        cluster = _cluster(request["resourceArn"])
        secret = _secret(request["secretArn"], headers, query)
        user, password = rds_data._credentials_from_secret(secret)
        if not user or not password:
            raise DataApiError(
                "InvalidSecretException", "The secret holds no username and password"
            )
        if user == cluster["MasterUsername"]:
            if password != cluster["_MasterUserPassword"]:
                raise bad_request(f"Access denied for user '{user}'@'%' (using password: YES)")
            self._connections.provision(
                cluster["DbClusterResourceId"],
                Login(user, password, None),
                cluster.get("DatabaseName"),
            )
        return Caller(cluster["DBClusterArn"], user, password)


def _parse(body: bytes) -> dict[str, Any]:
    if len(body) > LARGEST_REQUEST:
        raise bad_request("Request exceeded maximum allowed size")
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        request = None
    if not isinstance(request, dict):
        raise bad_request("The request is not a JSON document")
    return request


def _cluster(arn: str) -> dict[str, Any]:
    cluster: dict[str, Any] | None = rds._resolve_cluster(arn) if arn.startswith("arn:") else None
    if cluster is None:
        raise bad_request(f"Database cluster {arn} is not found")
    if not cluster.get("HttpEndpointEnabled"):
        raise DataApiError(
            "HttpEndpointNotEnabledException", f"HTTP endpoint is not enabled for cluster {arn}"
        )
    if "mysql" not in cluster["Engine"]:
        raise bad_request(f"The local Data API has no {cluster['Engine']}, only aurora-mysql")
    if not cluster["DBClusterMembers"]:
        raise DataApiError(
            "DatabaseNotFoundException", f"The cluster {arn} does not have a DB instance"
        )
    return cluster


def _secret(identifier: str, headers: dict[str, str], query: dict[str, Any]) -> dict[str, Any]:
    """The secret, read with the caller's own permission as the Data API reads it."""
    _name, secret = secretsmanager._resolve(identifier, use_arn_scope=True)
    arn = secret["ARN"] if secret else identifier
    if app.AUTH:
        action = "secretsmanager:GetSecretValue"
        denied = iam_evaluator.enforce(
            extract_access_key_id(headers, query),
            action,
            "secretsmanager",
            extract_region(headers, query),
            resource_arn=arn,
        )
        if denied:
            message = identity_denial_message(
                action, denied.principal_arn, arn, denied.decision == "Deny"
            )
            raise DataApiError("AccessDeniedException", message)
    if not secret or secret.get("DeletedDate"):
        raise DataApiError(
            "SecretsErrorException", "Secrets Manager can't find the specified secret."
        )
    found: dict[str, Any] = secret
    return found


def _seconds(variable: str, otherwise: float) -> float:
    return float(os.environ.get(variable) or otherwise)


def install() -> None:
    """Serve the Data API from the database behind ``FINOPS_DATABASE_SOCKET``."""
    default = Limits()
    limits = Limits(
        statement_seconds=_seconds("FINOPS_DATA_API_STATEMENT_SECONDS", default.statement_seconds),
        idle_seconds=_seconds("FINOPS_DATA_API_IDLE_SECONDS", default.idle_seconds),
    )
    connections = Connections(os.environ["FINOPS_DATABASE_SOCKET"], limits)
    service = DataApi(connections, limits)
    latency_seconds = _seconds("FINOPS_DATA_API_LATENCY_MS", 0) / 1000
    endpoint = _Endpoint(connections, service, latency_seconds)

    delete = rds._ACTION_MAP["DeleteDBCluster"]

    def delete_cluster(request: Any) -> Response:
        response: Response = delete(request)
        if response[0] == 200 and not rds._clusters._data:
            # Its data goes with a cluster; theirs is one server, so it waits for the last one.
            threading.Thread(target=service.forget_everything, name="data-api-cleanup").start()
        return response

    # The emulator calls this function by name, past its table of services.
    replace(rds_data, "handle_request", endpoint.handle_request)
    rds._ACTION_MAP["DeleteDBCluster"] = delete_cluster
