"""AWS behind the billing ports, by service."""
