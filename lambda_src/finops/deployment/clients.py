"""boto3 clients of a deployment's management account, and the settings of its functions."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from finops.deployment.environment import LOCAL_MANAGEMENT_ACCOUNT, Environment
from finops.reconciliation.cost_explorer import CLIENT_SETTINGS
from finops.shared.aws import CLIENT_CONFIG, aws_errors
from finops.shared.errors import ConfigurationError

# A drift run over a thousand accounts may take the function's whole 15 minutes, and must not be
# started twice.
_INVOKE_CONFIG = Config(read_timeout=910, retries={"mode": "standard", "total_max_attempts": 1})
# Forms by which browsers upload name the bucket's own region: another one's answer would redirect.
_FORM_CONFIG = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
_CONFIGS = {
    "lambda": _INVOKE_CONFIG,
    "s3": _FORM_CONFIG,
    "ce": Config(**CLIENT_SETTINGS),
    "invoicing": Config(**CLIENT_SETTINGS),
}


class Aws:
    """Clients of one deployment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        local = (
            {
                "aws_access_key_id": LOCAL_MANAGEMENT_ACCOUNT,
                "aws_secret_access_key": "test",
                "region_name": "us-east-1",
            }
            if environment.endpoint_url
            else {}
        )
        self._session = boto3.Session(**local)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """A client in the management account."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service,
                    endpoint_url=self._environment.endpoint_url,
                    config=CLIENT_CONFIG.merge(_CONFIGS.get(service, Config())),
                )
            return self._clients[service]

    def function_variables(self, name: str, *, module: str) -> Mapping[str, str]:
        """A function's environment as Terraform set it: what the flow's resources are called.

        Raises:
            ConfigurationError: with code `not_deployed`, where there is no such function.
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
                    remedy=f"Deploy the module {module} first: `make up`, or terraform apply",
                ) from error
            raise
        return dict(found["Environment"]["Variables"])
