"""Rules and tags that no charge has: misspelt, or out of date."""

from __future__ import annotations

from collections.abc import Iterator

from finops.reconciliation.comparison.costs import Costs
from finops.reconciliation.mapping import SharedCost


def idle_rules(costs: Costs) -> Iterator[str]:
    """A note for each shared cost, tag rule and tag of the showback that no charge matches."""
    charges = [one.charge for one in costs.current]
    if not charges:
        return
    mapping = costs.evidence.mapping
    tagged = {charge.tag_rule for charge in charges}
    for place, rule in enumerate(mapping.tag_rules, 1):
        if place not in tagged:
            yield f"The tag rule {rule.name} matches no charge."
    for tag, found in costs.evidence.tagged.items():
        if not any(one.value for one in found):
            yield f"No charge has the tag {tag}, so there is no table by it."
    services = {charge.service for charge in charges}
    for shared in mapping.shared_costs:
        if not any(shared.covers(charge) for charge in charges):
            yield f"The shared cost {shared.name} matches no charge.{_hint(shared, services)}"


def _hint(shared: SharedCost, services: set[str]) -> str:
    """Services that this source spells otherwise."""
    wanted = {_plain(name) for name in shared.services}
    alike = sorted(name for name in services if _plain(name) in wanted)
    if not alike:
        return ""
    return f" The source has {', '.join(alike)}: name it in service_aliases."


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
