"""The reconciliation flow's resources, as its function is configured."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from finops.deployment.clients import Aws
from finops.deployment.environment import Environment
from finops.deployment.recorder import CommandRecorder
from finops.reconciliation.adapters.folder import FolderCache
from finops.reconciliation.adapters.s3 import S3AnswerCache, S3Files
from finops.reconciliation.configuration import Configuration, parse
from finops.reconciliation.ports import AnswerCache
from finops.reconciliation.stores import Reports
from finops.shared.audit import AuditRecorder, NoAudit
from finops.shared.aws import with_stored_settings
from finops.shared.errors import FinOpsError

if TYPE_CHECKING:
    from finops.reconciliation.composition import Deployment


class ReconciliationDeployment:
    """Settings, cache and clients of the reconciliation flow.

    Args:
        environment: The deployment.
        aws: Clients that others use, too; by default its own.
        alone: Whether to go on without a deployment if there is none.
    """

    def __init__(self, environment: Environment, aws: Aws | None = None, *, alone: bool) -> None:
        self._aws = aws or Aws(environment)
        self._environment = environment
        self._alone = alone

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """The function's settings; empty if nothing is deployed."""
        try:
            variables = self._aws.function_variables(
                self._environment.reconcile_function, module="reconciliation"
            )
            return with_stored_settings(variables, self._aws.client("s3"))
        except FinOpsError:
            if self._alone:
                return {}
            raise

    @cached_property
    def configuration(self) -> Configuration:
        """The deployed accounts, rules, budgets and rates."""
        key = self.variables["CONFIGURATION_KEY"]
        files = S3Files(self._aws.client("s3"), self.variables["BUCKET"])
        return parse(files.read(key).decode(), name=key)

    @property
    def reports(self) -> Reports:
        """The reports that the function wrote."""
        return Reports(S3Files(self._aws.client("s3"), self.variables["BUCKET"]))

    def deployment(
        self, configuration: Configuration, *, now: datetime, scratch: Path
    ) -> Deployment:
        """What a reconciliation needs; without AWS if nothing is deployed."""
        # Engines and templates, which commands that only read reports do not wait for.
        from finops.reconciliation.composition import Deployment, payer_roles
        from finops.reconciliation.cost_explorer import CLIENT_SETTINGS

        variables = self.variables
        return Deployment(
            variables=variables,
            client=self._aws.client,
            roles=payer_roles(
                variables,
                session_name="finops-reconcile",
                sts=self._aws.client("sts"),
                endpoint_url=self._environment.endpoint_url,
                **CLIENT_SETTINGS,
            )
            if variables
            else None,
            configuration=configuration,
            cache=self._cache(variables, scratch),
            now=now,
            scratch=scratch,
            audit=self._audit(variables),
            actor=self._aws.caller if variables.get("AUDIT_QUEUE_URL") else "",
        )

    def _audit(self, variables: Mapping[str, str]) -> AuditRecorder:
        queue_url = variables.get("AUDIT_QUEUE_URL", "")
        return CommandRecorder(self._aws.client("sqs"), queue_url) if queue_url else NoAudit()

    def _cache(self, variables: Mapping[str, str], scratch: Path) -> AnswerCache:
        if variables:
            return S3AnswerCache(self._aws.client("s3"), variables["BUCKET"])
        return FolderCache(scratch / "cache")
