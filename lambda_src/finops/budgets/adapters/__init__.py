"""boto3 behind the ports of the budgets flow: one module for each AWS service."""
