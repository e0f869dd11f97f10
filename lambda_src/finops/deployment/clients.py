"""boto3 clients of a deployment's management account, and the settings of its functions."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from finops.deployment.environment import LOCAL_MANAGEMENT_ACCOUNT, Environment
from finops.deployment.functions import variables_of
from finops.shared.aws import aws_errors, client_config
from finops.shared.errors import ConfigurationError, TransientFailure
from finops.shared.people import person

# A drift run over a thousand accounts may take the function's whole 15 minutes, and must not be
# started twice.
_INVOKE_CONFIG = Config(read_timeout=910, retries={"mode": "standard", "total_max_attempts": 1})
# While a function runs, its caller's connection is idle. A NAT gateway drops it after 350 s, and
# the answer never comes, unless the kernel sends keepalives more often than that (seconds):
# https://repost.aws/knowledge-center/lambda-vpc-timeout
_KEEP_ALIVE: Final = {
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPALIVE": 60,  # macOS's name for it
    "TCP_KEEPINTVL": 60,
}

_SIGN_IN: Final = (
    "Set AWS_PROFILE (and sign in to it, as by `aws sso login`), or AWS_ACCESS_KEY_ID and"
    " AWS_SECRET_ACCESS_KEY"
)


class Aws:
    """Clients of one deployment. The first call signs in."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._session: boto3.Session | None = None
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """A client in the management account.

        Raises:
            ConfigurationError: There are no credentials, there is no region, or the local cloud
                is down.
        """
        with self._lock:
            if service not in self._clients:
                self._session = self._session or _signed_in(self._environment)
                self._clients[service] = self._session.client(
                    service,
                    endpoint_url=self._environment.endpoint_url,
                    config=client_config(service).merge(_config(service)),
                )
                if service == "lambda":
                    _keep_alive(self._clients[service])
            return self._clients[service]

    @cached_property
    def caller(self) -> str:
        """Who signed in, by AWS's own word. It needs no permission.

        The ARN of an assumed role names the session; S3's events name users by their id only, so
        that stands behind a user's ARN.

        https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
        """
        with aws_errors("find_caller"):
            found = self.client("sts").get_caller_identity()
        arn, identifier = str(found["Arn"]), str(found["UserId"])
        return person(arn, "" if ":" in identifier else identifier)

    def post(self, function: str, document: bytes, *, remedy: str) -> tuple[int, bytes]:
        """Send JSON to a function's URL, signed by whoever signed in: (HTTP status, answer).

        https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html

        Args:
            function: Its name.
            document: The JSON document.
            remedy: What to do if the caller is not allowed.

        Raises:
            ConfigurationError: The caller is not allowed, or the function failed.
            TransientFailure: There was no answer, or the function is throttled.
        """
        step = f"call {function}"
        functions = self.client("lambda")
        with aws_errors(step, remedy=remedy):
            found = functions.get_function_url_config(FunctionName=function)
            request = AWSRequest(
                "POST",
                _reachable(found["FunctionUrl"], self._environment.endpoint_url),
                headers={"content-type": "application/json"},
                data=document,
            )
            # botocore has no public client of function URLs. This one's session knows proxies and
            # certificates as the client does.
            credentials = functions._request_signer._credentials  # noqa: SLF001
            SigV4Auth(
                credentials.get_frozen_credentials(), "lambda", functions.meta.region_name
            ).add_auth(request)
            answer = functions._endpoint.http_session.send(request.prepare())  # noqa: SLF001
            status, content = answer.status_code, answer.content
        if status == 403:
            raise ConfigurationError(
                f"the URL of {function} refused the caller: {content.decode(errors='replace')}",
                code="AccessDenied",
                step=step,
                remedy=remedy,
            )
        if status in {429, 504}:
            raise TransientFailure(
                f"{function} is busy: {status}", code="TooManyRequestsException", step=step
            )
        if status in {500, 502}:
            raise ConfigurationError(
                f"{function} failed: {content.decode(errors='replace')}",
                code="function_failed",
                step=step,
                remedy=f"See the log group /aws/lambda/{function}",
            )
        return status, content

    def function_variables(self, name: str, *, module: str) -> Mapping[str, str]:
        """A function's environment variables, which name the flow's resources.

        Raises:
            ConfigurationError: With code `not_deployed`, if there is no such function; with
                Lambda's, if the caller may not decrypt them.
        """
        try:
            with aws_errors("find_deployment"):
                found = self.client("lambda").get_function_configuration(FunctionName=name)
        except ConfigurationError as error:
            said = error.__cause__
            if isinstance(said, ClientError) and (
                said.response["Error"]["Code"] == "ResourceNotFoundException"
            ):
                raise ConfigurationError(
                    f"there is no function {name}",
                    code="not_deployed",
                    step="find_deployment",
                    remedy=f"Deploy the module {module} first: {self._environment.how_to_deploy}",
                ) from error
            raise
        return variables_of(found)


def _config(service: str) -> Config:
    if service in {"ce", "invoicing"}:
        # Of the flow that asks them, for which other commands do not wait.
        from finops.reconciliation.cost_explorer import CLIENT_SETTINGS

        return Config(**CLIENT_SETTINGS)
    return _INVOKE_CONFIG if service == "lambda" else Config()


def _reachable(url: str, endpoint_url: str | None) -> str:
    """A function's URL; on a local cloud, whose names no resolver knows, by its path."""
    host = urlsplit(url).hostname or ""
    if endpoint_url is None or not host.endswith(".on.aws"):
        return url
    return f"{endpoint_url}/_aws/lambda-url/{host.partition('.')[0]}/"


def _keep_alive(client: Any) -> None:
    """Let the kernel keep a client's idle connections open."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, seconds in _KEEP_ALIVE.items():
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), seconds))
    # botocore's tcp_keepalive leaves the kernel's two hours, with no public way to say when:
    # https://github.com/boto/botocore/issues/2916
    client._endpoint.http_session._socket_options.extend(options)  # noqa: SLF001


def _signed_in(environment: Environment) -> boto3.Session:
    if environment.endpoint_url:
        _require_answer(environment.endpoint_url)
        return boto3.Session(
            # On LocalStack and MiniStack a 12-digit access key is that account's root.
            aws_access_key_id=LOCAL_MANAGEMENT_ACCOUNT,
            aws_secret_access_key="test",  # noqa: S106 - opens nothing
            region_name=environment.region,
        )
    try:
        session = boto3.Session(
            profile_name=environment.profile,
            # boto3 knows AWS_DEFAULT_REGION only; every other SDK knows AWS_REGION.
            region_name=environment.region or os.environ.get("AWS_REGION") or None,
        )
        credentials = session.get_credentials()
        if credentials is not None:
            credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:
        raise ConfigurationError(
            f"AWS sign-in failed: {error}", code=type(error).__name__, remedy=_SIGN_IN
        ) from error
    if credentials is None:
        raise ConfigurationError(
            "no AWS credentials were found", code="no_credentials", remedy=_SIGN_IN
        )
    if not session.region_name:
        raise ConfigurationError(
            "no AWS region is set", code="no_region", remedy="Set AWS_REGION, such as eu-central-1"
        )
    return session


def _require_answer(endpoint_url: str) -> None:
    """Fail at once where retries would take half a minute."""
    where = urlsplit(endpoint_url)
    try:
        port = where.port or {"https": 443}.get(where.scheme, 80)
        socket.create_connection((where.hostname or "", port), timeout=5).close()
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"no local cloud answers at {endpoint_url}",
            code="no_local_cloud",
            remedy="`--env aws`, or FINOPS_ENV=aws, is the account of your AWS credentials;"
            " `make up` in a clone of the repository starts the local cloud",
        ) from error
