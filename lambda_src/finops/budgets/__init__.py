"""Budgets: rows of the management account's table become AWS Budgets of the spoke accounts."""
