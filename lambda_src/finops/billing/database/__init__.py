"""The billing database behind the ports: Aurora MySQL through the RDS Data API."""
