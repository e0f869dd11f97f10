"""The flow's bucket and table, in moto's AWS."""

from __future__ import annotations

from typing import Any

import boto3

BUCKET, TABLE, VENDORS = "invoices-bucket", "finops-invoices", "finops-vendors"
INDEXES = {"by_status": "status", "by_month": "received_month"}
PROJECTIONS = {
    "": {"ProjectionType": "ALL"},
    "search_": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["searched"]},
}


def make_bucket() -> Any:
    """Returns an S3 client."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return s3


def make_table() -> Any:
    """Returns a DynamoDB client."""
    dynamodb = boto3.client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"}
            for name in ("id", "received_at", *INDEXES.values())
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": kind + name,
                "KeySchema": [
                    {"AttributeName": key, "KeyType": "HASH"},
                    {"AttributeName": "received_at", "KeyType": "RANGE"},
                ],
                "Projection": projection,
            }
            for name, key in INDEXES.items()
            for kind, projection in PROJECTIONS.items()
        ],
    )
    return dynamodb


def make_vendors_table() -> Any:
    """Returns a DynamoDB client."""
    dynamodb = boto3.client("dynamodb")
    dynamodb.create_table(
        TableName=VENDORS,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    return dynamodb
