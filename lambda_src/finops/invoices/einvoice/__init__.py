"""Invoices that are sent as structured data: UBL and CII, by the terms of EN 16931."""
