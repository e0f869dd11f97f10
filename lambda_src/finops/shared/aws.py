"""The one way to AWS: clients with the project's retry rules, role sessions, and AWS's errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from finops.shared.errors import ConfigurationError, FinOpsError, TransientFailure
from finops.shared.observability import logger

# Standard mode, since legacy never retries some services' throttles. Six attempts take 15 s on
# average and 31 s at worst, so that an edit has its answer within a minute:
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
CLIENT_CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 6},
    connect_timeout=5,
    read_timeout=20,
    max_pool_connections=32,
)

_ACCESS_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "ExpiredToken",
        "ExpiredTokenException",
    }
)
_TRANSIENT: Final = frozenset(
    {
        "ConcurrentModificationException",
        "DatabaseResumingException",
        "DatabaseUnavailableException",
        "InternalErrorException",
        "InternalServerError",
        "InternalServerErrorException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "ServiceUnavailableError",
        "SlowDown",
        "StatementTimeoutException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TooManyUpdates",
        "TransactionConflictException",
        "TransactionNotFoundException",
    }
)


def client(service: str, **settings: Any) -> Any:
    """A boto3 client of this account, with the project's retries and timeouts.

    Args:
        service: As boto3 names it.
        settings: Of botocore's Config, where this service needs others.
    """
    return boto3.client(service, config=CLIENT_CONFIG.merge(Config(**settings)))


@contextmanager
def aws_errors(step: str, *, remedy: str = "") -> Iterator[None]:
    """Turn what botocore raises into this project's errors.

    Args:
        step: Which step of the flow makes the calls, as a status names it.
        remedy: What to do where the call was not allowed.

    Raises:
        TransientFailure: for throttles, time-outs and server errors.
        ConfigurationError: for missing permissions or resources, and whatever AWS refuses for good.
    """
    try:
        yield
    except ClientError as error:
        raise _translated(error, step, remedy) from error
    except BotoCoreError as error:
        raise TransientFailure(
            f"AWS could not be reached: {error}", code=type(error).__name__, step=step
        ) from error


def _translated(error: ClientError, step: str, remedy: str) -> FinOpsError:
    said = error.response.get("Error", {})
    code = said.get("Code", "Unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = f"{error.operation_name} was refused: {code}: {said.get('Message', '')}"
    # An expired session is refused as a whole and signs anew at the next try.
    if code in _TRANSIENT or code.startswith("ExpiredToken") or status >= 500:
        return TransientFailure(message, code=code, step=step)
    if error.operation_name == "AssumeRole":
        step = "assume_role"
    return ConfigurationError(
        message, code=code, step=step, remedy=remedy if code in _ACCESS_DENIED else ""
    )


class AssumedRoles:
    """Clients in other accounts, each through a role whose session is cached and refreshed.

    One AssumeRole call an account and hour, however many clients and threads ask.

    Args:
        role_arn: Of an account.
        external_id: That the roles ask for.
        session_name: By which CloudTrail names the caller.
        sts: The client that assumes; one of this account by default.
        endpoint_url: Of every client, where it is not AWS's own.
        settings: Of botocore's Config, where the clients need others.
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
        self._role_arn = role_arn
        self._external_id = external_id
        self._session_name = session_name
        self._home = botocore.session.get_session()
        self._sts = sts or client("sts")
        self._clients: dict[tuple[str, str], Any] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def client(self, service: str, account_id: str) -> Any:
        """A client of `service` in the account; the role is assumed at its first call."""
        with self._lock:
            lock = self._locks.setdefault(account_id, threading.Lock())
        with lock:
            key = (service, account_id)
            if key not in self._clients:
                self._clients[key] = self._session(account_id).create_client(
                    service,
                    region_name=self._sts.meta.region_name,
                    config=self._config,
                    endpoint_url=self._endpoint_url,
                )
            return self._clients[key]

    def _session(self, account_id: str) -> botocore.session.Session:
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

        session = botocore.session.get_session()
        # Parsing the service models again for each account would cost more than the calls.
        session.register_component("data_loader", self._home.get_component("data_loader"))
        # botocore has no public way to give a session credentials that refresh themselves.
        session._credentials = DeferredRefreshableCredentials(  # noqa: SLF001
            refresh_using=assume, method="assume-role"
        )
        return session
