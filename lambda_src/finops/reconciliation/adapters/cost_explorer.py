"""Cost Explorer of the payer accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finops.reconciliation.adapters.payers import PayerAccounts, payer_remedy
from finops.shared.aws import aws_errors


class AwsCostExplorer:
    """`CostExplorer` of the payers."""

    def __init__(self, payers: PayerAccounts, *, role_name: str) -> None:
        self._payers = payers
        self._role_name = role_name

    def page(self, payer: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        with aws_errors(f"cost_explorer of {payer}", remedy=payer_remedy(payer, self._role_name)):
            answer: Mapping[str, Any] = self._payers.client("ce", payer).get_cost_and_usage(
                **request
            )
        return answer
