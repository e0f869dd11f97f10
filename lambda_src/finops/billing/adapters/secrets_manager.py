"""Logins of the database in Secrets Manager."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from finops.billing.database.users import Login, Purpose
from finops.shared.aws import aws_errors
from finops.shared.errors import FinOpsError


class SecretsManagerLogins:
    """`LoginSecrets` in Secrets Manager.

    A value has the fields that the Data API reads, `username` and `password`:
    https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.secrets-manager.html

    Args:
        client: The boto3 client.
        arns: The secret of each purpose.
    """

    def __init__(self, client: Any, arns: Mapping[Purpose, str]) -> None:
        self._client = client
        self._arns = arns

    def read(self, purpose: Purpose) -> Login | None:
        try:
            with aws_errors("read_database_secret"):
                found = self._client.get_secret_value(SecretId=self._arns[purpose])
        except FinOpsError as error:
            # A secret without a value, as Terraform makes it.
            if error.code == "ResourceNotFoundException":
                return None
            raise
        try:
            value = json.loads(found["SecretString"])
            return Login(user=str(value["username"]), password=str(value["password"]))
        except (KeyError, TypeError, ValueError):
            return None

    def write(self, purpose: Purpose, login: Login) -> None:
        value = {"engine": "mysql", "username": login.user, "password": login.password}
        with aws_errors("write_database_secret"):
            self._client.put_secret_value(
                SecretId=self._arns[purpose], SecretString=json.dumps(value)
            )
