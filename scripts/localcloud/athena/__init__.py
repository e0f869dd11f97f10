"""Amazon Athena's UNLOAD: Trino's SQL, run by DuckDB on the files of Glue tables."""
