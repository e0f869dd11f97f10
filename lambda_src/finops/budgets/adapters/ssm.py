"""Parameter Store of this account."""

from __future__ import annotations

from typing import Any

from finops.budgets.ports import StoredParameter
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError


class SsmParameters:
    """This account's parameters under the prefix."""

    def __init__(self, client: Any, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def get(self, budget_name: str) -> StoredParameter | None:
        try:
            with aws_errors("read_parameter"):
                answer = self._client.get_parameter(Name=self.name_of(budget_name))
        except ConfigurationError as error:
            if error.code == "ParameterNotFound":
                return None
            raise
        found = answer["Parameter"]
        return StoredParameter(found["Version"], found["Value"], found["LastModifiedDate"])

    def name_of(self, budget_name: str) -> str:
        return f"{self._prefix}/{budget_name}"

    def names(self) -> list[str]:
        with aws_errors("read_parameters"):
            return sorted(
                parameter["Name"].removeprefix(f"{self._prefix}/")
                for page in self._client.get_paginator("get_parameters_by_path").paginate(
                    Path=self._prefix, Recursive=True
                )
                for parameter in page["Parameters"]
            )

    def add(self, budget_name: str, value: str) -> None:
        try:
            with aws_errors("write_parameter"):
                self._client.put_parameter(
                    Name=self.name_of(budget_name),
                    Description=f"Budget {budget_name}, written by the management account",
                    Value=value,
                    Type="String",
                )
        except ConfigurationError as error:
            if error.code != "ParameterAlreadyExists":
                raise

    def delete(self, budget_name: str) -> None:
        try:
            with aws_errors("delete_parameter"):
                self._client.delete_parameter(Name=self.name_of(budget_name))
        except ConfigurationError as error:
            if error.code != "ParameterNotFound":
                raise
