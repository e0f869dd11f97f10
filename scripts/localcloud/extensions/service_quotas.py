"""Service Quotas: how much of a service an account may use, for the services that flows ask about.

AWS: https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html
MiniStack has no such service. FINOPS_TEXTRACT_TPS, which limits the calls of a second here, is the
quota of each of Textract's operations; without it they are the defaults, those of a large region.
"""

from __future__ import annotations

import json
import os
from typing import Any

import ministack.app
from ministack.core import iam_actions, router
from ministack.core.responses import error_response_json, json_response

_LARGE_REGION = 5.0
_OPERATIONS = ("AnalyzeExpense", "GetExpenseAnalysis", "StartExpenseAnalysis")


def _applied() -> float:
    return float(os.environ.get("FINOPS_TEXTRACT_TPS", "0")) or _LARGE_REGION


def _default() -> float:
    return _LARGE_REGION


_CALLS = {"ListServiceQuotas": _applied, "ListAWSDefaultServiceQuotas": _default}


def _values(service: str, calls: float) -> dict[str, float] | None:
    return {
        "textract": {f"Transactions per second per account for {one}": calls for one in _OPERATIONS}
    }.get(service)


async def _handle(
    _method: str, _path: str, headers: dict[str, str], body: bytes, _query: Any
) -> Any:
    operation = headers.get("x-amz-target", "").partition(".")[2]
    if operation not in _CALLS:
        return error_response_json("UnknownOperationException", f"no {operation}", 400)
    service = json.loads(body or b"{}").get("ServiceCode", "")
    values = _values(service, _CALLS[operation]())
    if values is None:
        return error_response_json("NoSuchResourceException", f"no service {service} is known", 400)
    quotas = [
        {
            "ServiceCode": service,
            "QuotaName": name,
            "Value": value,
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }
        for name, value in values.items()
    ]
    return json_response({"Quotas": quotas})


def install() -> None:
    """Serve Service Quotas in the emulator's port."""
    router.SERVICE_PATTERNS["servicequotas"] = {
        "target_prefixes": ["ServiceQuotasV20190624."],
        "credential_scope": "servicequotas",
    }
    iam_actions.SERVICE_TO_IAM_NAMESPACE["servicequotas"] = "servicequotas"
    ministack.app.SERVICE_HANDLERS["servicequotas"] = _handle
