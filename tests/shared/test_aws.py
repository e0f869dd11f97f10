"""Clients, as their services need them."""

from __future__ import annotations

import io

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker
from botocore.stub import Stubber

from finops.reconciliation import handlers
from finops.shared.aws import aws_errors, client, with_stored_settings
from finops.shared.errors import TransientFailure

#: https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/data-api.limitations.html
LONGEST_STATEMENT = 45


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.parametrize("make", [client, handlers._client])
def test_a_statement_is_awaited_as_long_as_it_may_take(make: object) -> None:
    assert callable(make)
    assert make("rds-data").meta.config.read_timeout > LONGEST_STATEMENT
    assert make("sqs").meta.config.read_timeout < LONGEST_STATEMENT


SETTINGS = {"BUCKET": "b", "SETTINGS_KEY": "config/settings-1.json", "CHUNK_BYTES": "5"}


def test_settings_beyond_the_environment_are_those_of_the_object_that_it_names() -> None:
    s3 = boto3.client("s3")
    with Stubber(s3) as stub:
        stub.add_response(
            "get_object",
            {"Body": io.BytesIO(b'{"DATASETS": "{}"}')},
            {"Bucket": "b", "Key": "config/settings-1.json"},
        )
        assert with_stored_settings(SETTINGS, s3) == {**SETTINGS, "DATASETS": "{}"}


def test_without_an_object_of_settings_the_environment_is_all() -> None:
    assert with_stored_settings({"DATASETS": "{}"}, None) == {"DATASETS": "{}"}


@pytest.mark.parametrize("code", ["NoSuchKey", "AccessDenied"])
def test_settings_that_cannot_be_read_yet_are_tried_again(code: str) -> None:
    s3 = boto3.client("s3")
    with Stubber(s3) as stub:
        stub.add_client_error("get_object", code)
        with pytest.raises(TransientFailure, match=code):
            with_stored_settings(SETTINGS, s3)


# What functions ask of services whose models name errors of throttling.
SERVICES = ("dynamodb", "kms", "rds-data", "s3", "sns", "sqs", "ssm", "stepfunctions", "textract")


def throttling_errors() -> set[str]:
    """The codes by which AWS says "later", in the models of these services and in botocore."""
    codes = {
        *ThrottledRetryableChecker._THROTTLED_ERROR_CODES,
        *TransientRetryableChecker._TRANSIENT_ERROR_CODES,
    }
    for service in SERVICES:
        model = botocore.session.get_session().get_service_model(service)
        for shape in model.error_shapes:
            code = shape.metadata.get("error", {}).get("code", shape.name)
            codes |= {one for one in (shape.name, code) if "throttl" in one.lower()}
    return codes


@pytest.mark.parametrize("code", sorted(throttling_errors()))
def test_what_aws_throttles_is_tried_again(code: str) -> None:
    refused = ClientError({"Error": {"Code": code, "Message": "later"}}, "Publish")
    with pytest.raises(TransientFailure), aws_errors("publish"):
        raise refused
