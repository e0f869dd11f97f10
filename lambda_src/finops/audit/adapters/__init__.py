"""What is behind the ports of the audit trail: one file for each service."""
