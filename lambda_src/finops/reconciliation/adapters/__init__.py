"""What is behind the ports of a reconciliation: one file for each service or source."""
