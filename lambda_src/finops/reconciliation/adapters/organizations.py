"""AWS Organizations: accounts and their tags."""

from __future__ import annotations

from typing import Any

from finops.reconciliation.configuration import OrganizationTags
from finops.reconciliation.mapping import Account, Ownership
from finops.shared.aws import aws_errors


class OrganizationsDirectory:
    """`Directory` by AWS Organizations."""

    def __init__(self, organizations: Any) -> None:
        self._organizations = organizations

    def accounts(self, tags: OrganizationTags) -> list[Account]:
        with aws_errors("list_accounts"):
            pages = self._organizations.get_paginator("list_accounts").paginate()
            found = [account for page in pages for account in page["Accounts"]]
            return [
                Account(
                    id=one["Id"],
                    name=one.get("Name", ""),
                    ownership=self._ownership(one["Id"], tags),
                )
                for one in found
            ]

    def _ownership(self, account: str, tags: OrganizationTags) -> Ownership | None:
        pages = self._organizations.get_paginator("list_tags_for_resource").paginate(
            ResourceId=account
        )
        found = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        unit = found.get(tags.business_unit, "")
        if not unit:
            return None
        return Ownership(
            business_unit=unit,
            cost_centre=found.get(tags.cost_centre, ""),
            owner=found.get(tags.owner, ""),
            environment=found.get(tags.environment, ""),
        )
