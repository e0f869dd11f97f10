"""The `finops` command line: the same services as the Lambda functions, for people and scripts."""
