"""Access to AWS: clients with the project's retry rules, assumed roles, and AWS's errors."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from finops.shared.errors import ConfigurationError, FinOpsError, TransientFailure
from finops.shared.observability import logger

# Standard mode, because legacy mode does not retry some services' throttling errors. Six attempts
# take 15 s on average and 31 s at most, so an edit is answered within a minute:
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
CLIENT_CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 6},
    connect_timeout=5,
    read_timeout=20,
    max_pool_connections=32,
)

# Links and forms, which boto3 signs with version 2 by default: S3 serves what a KMS key encrypts to
# version 4 only, and the virtual style names the bucket's own region, where another answer would
# redirect: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
S3_CONFIG: Final = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
#: What some services need. A statement of the Data API may take 45 s, and a query whose answer
#: nobody awaits would be started again by each retry:
#: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.limitations.html
_SERVICE_CONFIGS: Final = {"rds-data": Config(read_timeout=60), "s3": S3_CONFIG}

#: Clients in other accounts: enough for those that a batch of edits or a drift run uses at once.
_KEPT_CLIENTS: Final = 128
#: Sessions of roles, some kilobytes each.
_KEPT_SESSIONS: Final = 1_000
#: The session that signs the calls of clients which all accounts share.
_SIGNS: Final[ContextVar[DeferredRefreshableCredentials]] = ContextVar("signs")

_ACCESS_DENIED: Final = frozenset(
    {
        "403",  # of a HEAD, whose answer has no body
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "ExpiredToken",
        "ExpiredTokenException",
    }
)
#: What botocore's standard mode retries, and what services say besides, such as those that use a
#: customer's key: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html#API_Publish_Errors
_TRANSIENT: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "ConcurrentModificationException",
        "DatabaseResumingException",
        "DatabaseUnavailableException",
        "EC2ThrottledException",
        "ExecutionLimitExceeded",
        "InternalErrorException",
        "InternalServerError",
        "InternalServerErrorException",
        "KMSThrottling",
        "KMSThrottlingException",
        "KmsThrottled",
        "KmsThrottlingException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableError",
        "SlowDown",
        "StatementTimeoutException",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TooManyUpdates",
        "TransactionConflictException",
        "TransactionInProgressException",
        "TransactionNotFoundException",
    }
)


def client(service: str, **settings: Any) -> Any:
    """A boto3 client of this account, with the project's retries and timeouts.

    Args:
        service: As boto3 names it.
        settings: Options of botocore's Config that this service needs.
    """
    return boto3.client(service, config=client_config(service).merge(Config(**settings)))


def client_config(service: str) -> Config:
    """The project's retries, and what the service needs."""
    return CLIENT_CONFIG.merge(_SERVICE_CONFIGS.get(service, Config()))


@contextmanager
def aws_errors(step: str, *, remedy: str = "") -> Iterator[None]:
    """Translate botocore's errors into this project's.

    Args:
        step: The step of the flow that makes the calls.
        remedy: What to do if a call is not allowed.

    Raises:
        TransientFailure: for throttling, timeouts and server errors.
        ConfigurationError: for missing permissions or resources, and other lasting refusals.
    """
    try:
        yield
    except ClientError as error:
        raise _translated(error, step, remedy) from error
    except BotoCoreError as error:
        raise TransientFailure(
            f"AWS could not be reached: {error}", code=type(error).__name__, step=step
        ) from error


def is_denied(error: FinOpsError) -> bool:
    """Whether AWS refused who asked, and not what was asked for."""
    return error.code in _ACCESS_DENIED


def with_stored_settings(variables: Mapping[str, str], s3: Any) -> Mapping[str, str]:
    """A function's environment, and the settings that may outgrow it, from an object in S3.

    All variables of a function have 4 KB together:
    https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html

    Args:
        variables: All, or with `SETTINGS_KEY`, the key of a JSON object of texts in `BUCKET`.
        s3: A client of S3.

    Raises:
        TransientFailure: The object is not there or may not be read yet, while Terraform applies.
    """
    key = variables.get("SETTINGS_KEY")
    if not key:
        return variables
    try:
        with aws_errors("load_settings", remedy="Apply again"):
            text = s3.get_object(Bucket=variables["BUCKET"], Key=key)["Body"].read()
    except ConfigurationError as error:
        raise TransientFailure(str(error), code=error.code, step=error.step) from error
    return {**variables, **json.loads(text)}


def _translated(error: ClientError, step: str, remedy: str) -> FinOpsError:
    said = error.response.get("Error", {})
    code = said.get("Code", "Unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = f"{error.operation_name} was refused: {code}: {said.get('Message', '')}"
    # A request of an expired session is refused; the next attempt signs with new credentials.
    if code in _TRANSIENT or code.startswith("ExpiredToken") or status >= 500:
        return TransientFailure(message, code=code, step=step)
    if error.operation_name == "AssumeRole":
        step = "assume_role"
    return ConfigurationError(
        message, code=code, step=step, remedy=remedy if code in _ACCESS_DENIED else ""
    )


class AssumedRoles:
    """Clients in other accounts, each through a role whose session is cached and refreshed.

    One AssumeRole call an account and hour, for any number of clients and threads. Only the clients
    and sessions that were used last are kept: a client takes most of a megabyte, and 25 to 40 ms of
    processor time to make. `shared` makes none, but knows no account's own pace.

    Args:
        role_arn: Returns the role of an account.
        external_id: The external id that the roles require.
        session_name: The caller's name in CloudTrail.
        sts: The client that assumes the roles; one of this account by default.
        endpoint_url: The endpoint of every client; AWS's own by default.
        settings: Options of botocore's Config that the clients need.
    """

    def __init__(
        self,
        *,
        role_arn: Callable[[str], str],
        external_id: str,
        session_name: str,
        sts: Any = None,
        endpoint_url: str | None = None,
        **settings: Any,
    ) -> None:
        self._endpoint_url = endpoint_url
        self._config = CLIENT_CONFIG.merge(Config(**settings))
        self._shared: dict[str, Any] = {}
        self._role_arn = role_arn
        self._external_id = external_id
        self._session_name = session_name
        self._home = botocore.session.get_session()
        self._sts = sts or client("sts")
        self._clients: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._credentials: OrderedDict[str, DeferredRefreshableCredentials] = OrderedDict()
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def client(self, service: str, account_id: str) -> Any:
        """A client of `service` in the account; its first call assumes the role."""
        with self._lock:
            lock = self._locks.setdefault(account_id, threading.Lock())
        with lock:
            key = (service, account_id)
            made = self._clients.get(key) or self._session(account_id).create_client(
                service,
                region_name=self._sts.meta.region_name,
                config=self._config,
                endpoint_url=self._endpoint_url,
            )
            with self._lock:
                self._clients[key] = made
                self._clients.move_to_end(key)
                while len(self._clients) > _KEPT_CLIENTS:
                    self._clients.popitem(last=False)
            return made

    @contextmanager
    def shared(self, service: str, account_id: str) -> Iterator[Any]:
        """The one client of `service`, whose calls within the block are made in the account.

        Its retries are in standard mode: a rate that one account's throttling sets would slow down
        all others.
        """
        with self._lock:
            client = self._shared.get(service)
            if client is None:
                client = self._shared[service] = self._home.create_client(
                    service,
                    region_name=self._sts.meta.region_name,
                    config=self._config.merge(CLIENT_CONFIG),
                    endpoint_url=self._endpoint_url,
                    aws_access_key_id="never-signs",
                    aws_secret_access_key="never-signs",  # noqa: S106 - replaced for each call
                )
                client.meta.events.register("before-call", _sign_for_account)
        token = _SIGNS.set(self._credentials_of(account_id))
        try:
            yield client
        finally:
            _SIGNS.reset(token)

    def _session(self, account_id: str) -> botocore.session.Session:
        session = botocore.session.get_session()
        # Parsing the service models for each account would cost more than the calls.
        session.register_component("data_loader", self._home.get_component("data_loader"))
        # botocore has no public way to give a session credentials that refresh themselves.
        session._credentials = self._credentials_of(account_id)  # noqa: SLF001
        return session

    def _credentials_of(self, account_id: str) -> DeferredRefreshableCredentials:
        with self._lock:
            if account_id not in self._credentials:
                self._credentials[account_id] = self._deferred(account_id)
            self._credentials.move_to_end(account_id)
            while len(self._credentials) > _KEPT_SESSIONS:
                forgotten, _ = self._credentials.popitem(last=False)
                self._locks.pop(forgotten, None)
            return self._credentials[account_id]

    def _deferred(self, account_id: str) -> DeferredRefreshableCredentials:
        def assume() -> dict[str, str]:
            credentials = self._sts.assume_role(
                RoleArn=self._role_arn(account_id),
                RoleSessionName=self._session_name,
                ExternalId=self._external_id,
            )["Credentials"]
            logger.info("role assumed", extra={"account_id": account_id})
            return {
                "access_key": credentials["AccessKeyId"],
                "secret_key": credentials["SecretAccessKey"],
                "token": credentials["SessionToken"],
                "expiry_time": credentials["Expiration"].isoformat(),
            }

        return DeferredRefreshableCredentials(refresh_using=assume, method="assume-role")


def _sign_for_account(context: dict[str, Any], **_: Any) -> None:
    """Have botocore sign the call with the session of the block, as it does for S3 Express."""
    context.setdefault("signing", {})["request_credentials"] = _SIGNS.get()
