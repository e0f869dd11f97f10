"""Invoices: reads documents and JSON, validates them, numbers them and notifies people."""
