"""Costs of all payer accounts by business unit, against budgets and invoices."""
