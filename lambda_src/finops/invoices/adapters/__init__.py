"""AWS behind the ports: one module for each service, the only ones that call it."""
