"""https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html."""

from __future__ import annotations

from functools import partial

import pytest

from tests.localcloud.contract.aws import Account, allow, error_code

pytestmark = pytest.mark.needs("service_quotas")


def test_quotas_have_names_and_values(management: Account) -> None:
    quotas = management.client("service-quotas")
    found = quotas.list_service_quotas(ServiceCode="textract", MaxResults=100)["Quotas"]
    assert any("AnalyzeExpense" in one["QuotaName"] and one["Value"] > 0 for one in found)
    assert {one["ServiceCode"] for one in found} == {"textract"}


def test_an_unknown_service_is_refused(management: Account) -> None:
    ask = partial(management.client("service-quotas").list_service_quotas, ServiceCode="nothing")
    assert error_code(ask) == "NoSuchResourceException"


def test_who_may_not_list_them_is_refused(management: Account) -> None:
    role = management.role(allow("s3:ListAllMyBuckets"))
    quotas = management.client("service-quotas", management.assume(role))
    assert error_code(partial(quotas.list_service_quotas, ServiceCode="textract")).startswith(
        "AccessDenied"
    )
