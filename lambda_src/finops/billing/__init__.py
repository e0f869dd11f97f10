"""Billing: CSV files dropped into S3 land, validated and converted to USD, in Aurora MySQL."""
