"""Event-driven FinOps for AWS: budgets, billing, invoices, reconciliation and their audit trail."""

__version__ = "0.1.0"
