"""https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CancelRotateSecret.html."""

from __future__ import annotations

from functools import partial

import pytest

from tests.localcloud.contract.aws import Account, allow, error_code, unique

pytestmark = pytest.mark.needs("secret_rotation")


def test_a_rotation_is_turned_off_again(management: Account) -> None:
    secrets, name = management.client("secretsmanager"), unique("rotated")
    function = management.function("def handler(event, context): pass")
    management.client("lambda").add_permission(
        FunctionName=function,
        StatementId="rotation",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
    )
    arn = secrets.create_secret(Name=name, SecretString="s")["ARN"]
    secrets.rotate_secret(
        SecretId=arn,
        RotationLambdaARN=function,
        RotationRules={"AutomaticallyAfterDays": 30},
        RotateImmediately=False,
    )
    assert secrets.describe_secret(SecretId=arn)["RotationEnabled"]
    answer = secrets.cancel_rotate_secret(SecretId=arn)
    assert (answer["ARN"], answer["Name"]) == (arn, name)
    found = secrets.describe_secret(SecretId=arn)
    assert not found["RotationEnabled"]
    assert found["RotationRules"] == {"AutomaticallyAfterDays": 30}
    secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


def test_turning_a_rotation_off_needs_permission(management: Account) -> None:
    secrets = management.client("secretsmanager")
    arn = secrets.create_secret(Name=unique("rotated"), SecretString="s")["ARN"]
    other = f"{arn}-other"
    role = management.role(allow("secretsmanager:CancelRotateSecret", arn))
    allowed = management.client("secretsmanager", management.assume(role))
    assert allowed.cancel_rotate_secret(SecretId=arn)["ARN"] == arn
    role = management.role(allow("secretsmanager:CancelRotateSecret", other))
    refused = management.client("secretsmanager", management.assume(role))
    assert error_code(partial(refused.cancel_rotate_secret, SecretId=arn)) == (
        "AccessDeniedException"
    )
    nowhere = partial(secrets.cancel_rotate_secret, SecretId=unique("none"))
    assert error_code(nowhere) == "ResourceNotFoundException"
    secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
