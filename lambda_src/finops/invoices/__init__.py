"""Invoices: documents and JSON become checked, numbered and announced invoices."""
