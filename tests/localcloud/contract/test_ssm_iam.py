"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html."""

from __future__ import annotations

import pytest

from tests.localcloud.contract.aws import REGION, Account, allow, error_code, unique

pytestmark = pytest.mark.needs("ssm_iam")


def test_reading_by_path_is_allowed_on_the_path_alone(spoke: Account) -> None:
    path, other = unique("path"), unique("path")
    for root in (path, other):
        spoke.client("ssm").put_parameter(Name=f"/{root}/one", Value="1", Type="String")
    arn = f"arn:aws:ssm:{REGION}:{spoke.id}:parameter/{path}"
    role = spoke.role(allow("ssm:GetParametersByPath", [arn, f"{arn}/*"]))
    ssm = spoke.client("ssm", spoke.assume(role))
    found = ssm.get_parameters_by_path(Path=f"/{path}")["Parameters"]
    assert [one["Name"] for one in found] == [f"/{path}/one"]
    assert error_code(lambda: ssm.get_parameters_by_path(Path=f"/{other}")) == (
        "AccessDeniedException"
    )
