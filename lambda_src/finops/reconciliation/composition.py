"""Builds a reconciliation, for the function and for the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from finops.billing.database.rates import AuroraRates
from finops.budgets.adapters.dynamodb import DynamoBudgetTable, DynamoStatusTable
from finops.invoices.identity import number_key, vendor_key
from finops.reconciliation.adapters.budgets import TableBudgets
from finops.reconciliation.adapters.cost_explorer import AwsCostExplorer
from finops.reconciliation.adapters.export_engines import AthenaSettings, ExportEngines
from finops.reconciliation.adapters.invoicing import AwsInvoices
from finops.reconciliation.adapters.ledger import LedgerCosts
from finops.reconciliation.adapters.organizations import OrganizationsDirectory
from finops.reconciliation.adapters.payers import PayerAccounts
from finops.reconciliation.adapters.processed_invoices import DynamoProcessedInvoices
from finops.reconciliation.adapters.s3 import S3Files
from finops.reconciliation.collection import EvidenceCollector
from finops.reconciliation.comparison.breakdowns import ASKED_MONTHS
from finops.reconciliation.configuration import Configuration
from finops.reconciliation.cost_explorer import CostExplorerCosts
from finops.reconciliation.domain import SOURCES, Metric
from finops.reconciliation.ports import AnswerCache, CostSource, ReportStore
from finops.reconciliation.rate_limit import RateLimit
from finops.reconciliation.rendering import render
from finops.reconciliation.service import Reconciler
from finops.reconciliation.showback_pages import write_pages
from finops.reconciliation.spending import DailyAllowance
from finops.shared.audit import AuditRecorder, NoAudit
from finops.shared.aws import AssumedRoles
from finops.shared.data_api import DataApi
from finops.shared.errors import RejectedInput
from finops.shared.periods import Month
from finops.shared.rates import RatePolicy


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What a reconciliation is made of in one deployment.

    Attributes:
        variables: The function's environment, as Terraform set it.
        client: Makes clients of the management account.
        roles: Of the other payer accounts; None where nothing is asked of AWS.
        configuration: Accounts, rules, budgets and rates.
        cache: Of Cost Explorer's answers.
        now: UTC.
        scratch: A folder for exports.
        measure: Told of each call of the Data API, as 1 of the metric DataApiCalls.
    """

    variables: Mapping[str, str]
    client: Callable[[str], Any]
    roles: AssumedRoles | None
    configuration: Configuration
    cache: AnswerCache
    now: datetime
    scratch: Path
    audit: AuditRecorder = field(default_factory=NoAudit)
    actor: str = "schedule"
    said_to_be: str = ""
    correlation_id: str = ""
    measure: Callable[[str, int], None] = lambda _metric, _value: None

    def reconciler(
        self,
        source: str,
        *,
        month: Month,
        inputs: Sequence[str] = (),
        store: ReportStore,
        formats: Sequence[str],
    ) -> Reconciler:
        """The use case.

        Args:
            source: `ce`, `focus`, `athena` or `ledger`.
            month: That will be reconciled.
            inputs: Paths and S3 URIs of an export; the deployment's own where empty.
            store: Where reports go.
            formats: Of the report.
        """
        return Reconciler(
            evidence=self._evidence(source, month, inputs),
            store=store,
            render=render,
            render_pages=write_pages,
            formats=formats,
            audit=self.audit,
            actor=self.actor,
            said_to_be=self.said_to_be,
            correlation_id=self.correlation_id,
        )

    def _evidence(self, source: str, month: Month, inputs: Sequence[str]) -> EvidenceCollector:
        on_aws = bool(self.variables)
        return EvidenceCollector(
            # Whatever has read an export, a report of it is the same.
            source_key="focus" if source == "athena" else source,
            source=self.source(source, month, inputs),
            configuration=self.configuration,
            number_key=number_key,
            issued=self._issued if on_aws and source == "ce" else None,
            processed=self._processed if on_aws else None,
            directory=OrganizationsDirectory(self.client("organizations"))
            if on_aws and self.configuration.organization_tags
            else None,
            budget_rows=self._budget_rows if on_aws else None,
            rates=AuroraRates(self._database).rates if self.variables.get("DATABASE_ARN") else None,
            rate_policy=RatePolicy.from_variables(self.variables),
        )

    def source(self, source: str, month: Month, inputs: Sequence[str]) -> CostSource:
        """Where charges come from.

        Raises:
            RejectedInput: there is no such source, or it lacks what it needs.
        """
        if source == "ce":
            return self.cost_explorer
        if source in {"focus", "athena"}:
            return self.engines.source(
                self._exports(inputs), month.back(ASKED_MONTHS), by_athena=source == "athena"
            )
        if source == "ledger":
            return LedgerCosts(self._database)
        raise RejectedInput(
            f"unknown source {source!r}",
            code="unknown_source",
            value=source,
            remedy=f"Use one of {', '.join(SOURCES)}",
        )

    @cached_property
    def cost_explorer(self) -> CostExplorerCosts:
        """Cost Explorer of every payer; it also counts the requests and their price."""
        return CostExplorerCosts(
            AwsCostExplorer(self._accounts, role_name=self._role_name),
            payers=self.payers,
            cache=self.cache,
            limit=RateLimit(float(self.variables.get("CALLS_PER_SECOND") or 5)),
            allowance=self._allowance,
            now=self.now,
            is_net=self.configuration.metric in {Metric.NET, Metric.NET_AMORTIZED},
        )

    @property
    def _allowance(self) -> DailyAllowance | None:
        usd = self.variables.get("DAILY_USD")
        if not usd:
            return None
        files = S3Files(self.client("s3"), self.variables["BUCKET"])
        return DailyAllowance(files, self.now.date(), Decimal(usd))

    @property
    def payers(self) -> list[str]:
        """The payer accounts: those of the configuration, else the own one."""
        return sorted(self.configuration.mapping.payers) or [self.variables["ACCOUNT_ID"]]

    @property
    def _role_name(self) -> str:
        return self.variables.get("PAYER_ROLE_NAME", "")

    @cached_property
    def _accounts(self) -> PayerAccounts:
        return PayerAccounts(self.variables["ACCOUNT_ID"], self.client, self.roles)

    @property
    def _issued(self) -> AwsInvoices:
        return AwsInvoices(self._accounts, self.payers, role_name=self._role_name)

    @property
    def _processed(self) -> DynamoProcessedInvoices | None:
        table = self.variables.get("INVOICES_TABLE")
        if not table:
            return None
        return DynamoProcessedInvoices(
            self.client("dynamodb"), table, number_key=number_key, vendor_key=vendor_key
        )

    @property
    def _budget_rows(self) -> TableBudgets | None:
        table = self.variables.get("BUDGETS_TABLE")
        if not table:
            return None
        dynamodb, statuses = self.client("dynamodb"), self.variables.get("BUDGET_STATUS_TABLE")
        return TableBudgets(
            DynamoBudgetTable(dynamodb, table),
            DynamoStatusTable(dynamodb, statuses) if statuses else None,
        )

    @cached_property
    def _database(self) -> DataApi:
        if not self.variables.get("DATABASE_ARN"):
            raise RejectedInput(
                "this deployment has no billing database",
                code="no_ledger",
                remedy="Set `flows.database` of modules/reconciliation, or use another source",
            )
        return DataApi(
            self.client("rds-data"),
            cluster_arn=self.variables["DATABASE_ARN"],
            secret_arn=self.variables["DATABASE_SECRET_ARN"],
            database=self.variables["DATABASE_NAME"],
            measure=self.measure,
        )

    @cached_property
    def engines(self) -> ExportEngines:
        """What reads exports; it also counts what Athena is asked."""
        return ExportEngines(
            client=self.client,
            settings=AthenaSettings.of(self.variables),
            bucket=self.variables.get("BUCKET", ""),
            scratch=self.scratch,
        )

    def _exports(self, inputs: Sequence[str]) -> Sequence[str]:
        wanted = inputs or [uri for uri in self.variables.get("EXPORTS_URI", "").split(",") if uri]
        if not wanted:
            raise RejectedInput(
                "no export is given",
                code="no_export",
                remedy="Give a file, folder or s3:// URI with --input",
            )
        return wanted


def payer_roles(
    variables: Mapping[str, str], *, session_name: str, **settings: Any
) -> AssumedRoles:
    """The roles of the payer accounts, as modules/reconciliation_payer names them."""
    return AssumedRoles(
        role_arn=lambda account: f"arn:aws:iam::{account}:role/{variables['PAYER_ROLE_NAME']}",
        external_id=variables["EXTERNAL_ID"],
        session_name=session_name,
        **settings,
    )
