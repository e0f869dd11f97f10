"""What every flow shares: errors, AWS access and observability."""
