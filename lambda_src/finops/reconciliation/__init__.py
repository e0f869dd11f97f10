"""Compares the costs of all payer accounts, by business unit, with budgets and invoices."""
