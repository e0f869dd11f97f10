"""https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html."""

from __future__ import annotations

from functools import partial

import pytest

from tests.localcloud.contract.aws import Account, allow, error_code

pytestmark = pytest.mark.needs("service_quotas")


@pytest.mark.parametrize("listing", ["list_service_quotas", "list_aws_default_service_quotas"])
def test_quotas_have_names_and_values(management: Account, listing: str) -> None:
    ask = getattr(management.client("service-quotas"), listing)
    found = ask(ServiceCode="textract", MaxResults=100)["Quotas"]
    assert any("AnalyzeExpense" in one["QuotaName"] and one["Value"] > 0 for one in found)
    assert {one["ServiceCode"] for one in found} == {"textract"}


@pytest.mark.parametrize("listing", ["list_service_quotas", "list_aws_default_service_quotas"])
def test_an_unknown_service_is_refused(management: Account, listing: str) -> None:
    ask = getattr(management.client("service-quotas"), listing)
    assert error_code(partial(ask, ServiceCode="nothing")) == "NoSuchResourceException"


def test_who_may_not_list_them_is_refused(management: Account) -> None:
    role = management.role(allow("s3:ListAllMyBuckets"))
    quotas = management.client("service-quotas", management.assume(role))
    assert error_code(partial(quotas.list_service_quotas, ServiceCode="textract")).startswith(
        "AccessDenied"
    )
