"""The deployment's services, which the functions and the command line use too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import streamlit as st

from console import identity
from console.audit_events import console_event
from console.identity import User
from console.reports import ReportShelf
from finops.deployment.audit import AuditDeployment
from finops.deployment.billing import BillingDeployment
from finops.deployment.budgets import BudgetDeployment
from finops.deployment.clients import Aws
from finops.deployment.environment import Environment
from finops.deployment.invoices import InvoiceDeployment
from finops.invoices.review import ReviewDesk
from finops.shared.audit import AuditRecorder, NoAudit
from finops.shared.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything that a page may use."""

    environment: Environment
    budgets: BudgetDeployment
    billing: BillingDeployment
    invoices: InvoiceDeployment
    audit: AuditDeployment
    reports: ReportShelf
    who: Callable[[], User | None]
    """The person of the session at hand, by claims that are valid now."""

    @property
    def review_desk(self) -> ReviewDesk:
        """The review of invoices."""
        return self.invoices.review_desk

    @property
    def recorder(self) -> AuditRecorder:
        """The audit trail; one that records nothing where none is deployed."""
        try:
            return self.audit.recorder
        except ConfigurationError as error:
            if error.code == "not_deployed":
                return NoAudit()
            raise

    def require(self, user: User) -> None:
        """Go on only while this person's session lasts, with the same role.

        A fragment or a dialog runs again by itself, without the page that has signed the person in.
        So an open tab would outlive its session.
        """
        if self.who() != user:
            st.warning("Your session has ended. Load the page again.", icon=":material/lock:")
            st.stop()

    def record(
        self, user: User, action: str, subject: str, version: str = "", **details: Any
    ) -> None:
        """Record in the audit trail what a person did.

        Args:
            user: Who did it.
            action: What was done, such as `budget.edited`.
            subject: The id of what was changed.
            version: Identifies this change of the subject; random where it is left out.
            details: Further facts, small enough for an audit entry.
        """
        self.recorder.record(
            console_event(user, action, subject, version, details, datetime.now(UTC))
        )


@st.cache_resource(ttl="10m", show_spinner=False)
def services(environment: Environment) -> Services:
    """The services of a deployment, shared by all sessions."""
    aws = Aws(environment)
    return Services(
        environment=environment,
        budgets=BudgetDeployment(environment, aws),
        billing=BillingDeployment(environment, aws),
        invoices=InvoiceDeployment(environment, aws),
        audit=AuditDeployment(environment, aws),
        reports=ReportShelf(environment, aws),
        who=partial(identity.current, environment),
    )
