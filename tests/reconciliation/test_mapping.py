"""Who bears a charge, and what settings say of it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.reconciliation.configuration import Configuration, parse
from finops.reconciliation.domain import UNMAPPED, Charge, ChargeCategory, Metric
from finops.reconciliation.mapping import (
    Account,
    Allocated,
    CostMapping,
    Ownership,
    TagRule,
    allocate,
)
from finops.shared.errors import RejectedInput
from finops.shared.money import total
from tests.reconciliation.fakes import OCTOBER, PAYER, PAYMENTS, PLATFORM, STRANGER, charge

SETTINGS = """
currency: USD
payer_accounts:
  - {id: "111111111111", name: Holding, business_unit: Corporate IT, cost_centre: CC-1}
linked_accounts:
  - {id: "222222222222", name: payments, business_unit: Payments, owner: p@example.com}
  - {id: "333333333333", name: platform, business_unit: Platform}
tag_rules:
  - {tag: team, values: [fraud, risk], business_unit: Risk}
shared_costs:
  - {name: Support, services: ["AWS Support (Business)"], split: proportional}
  - {name: Tax, categories: [Tax], split: fixed, shares: {Payments: 60, Platform: 40}}
  - {name: Network, accounts: ["333333333333"], services: [Transit], split: even,
     units: [Payments, Risk]}
budgets:
  Payments: {monthly_target: "12000", alert_threshold_pct: 10, currency: USD}
"""


def units(settings: Configuration, *charges: Charge) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for one in allocate(charges, settings.mapping, lambda charge: charge.billed):
        found[one.unit] = found.get(one.unit, Decimal(0)) + one.amount
    return found


@pytest.fixture(scope="module")
def settings() -> Configuration:
    return parse(SETTINGS)


def test_tags_come_before_accounts_and_payers_bear_their_own_costs(settings: Configuration) -> None:
    assert units(
        settings,
        charge("1"),
        charge("2", tag_rule=1),
        charge("4", account=PAYER),
        charge("8", account=STRANGER),
    ) == {"Payments": 1, "Risk": 2, "Corporate IT": 4, UNMAPPED: 8}


def test_a_payer_bears_all_its_accounts_where_none_is_listed() -> None:
    settings = parse('payer_accounts: [{id: "111111111111", business_unit: All of it}]')
    assert units(settings, charge("1"), charge("2", payer="999999999999")) == {
        "All of it": 1,
        UNMAPPED: 2,
    }


def test_shared_costs_go_by_what_units_spend_themselves(settings: Configuration) -> None:
    assert units(
        settings,
        charge("300"),
        charge("100", account=PLATFORM),
        charge("40", account=PAYER, service="AWS Support (Business)"),
    ) == {"Payments": 330, "Platform": 110}


def test_shared_costs_go_by_set_shares_and_evenly(settings: Configuration) -> None:
    assert units(settings, charge("10", service="Tax", category=ChargeCategory.TAX)) == {
        "Payments": 6,
        "Platform": 4,
    }
    assert units(settings, charge("10", account=PLATFORM, service="Transit")) == {
        "Payments": 5,
        "Risk": 5,
    }


def test_what_is_shared_by_nobody_is_unmapped() -> None:
    settings = parse(
        'linked_accounts: [{id: "222222222222"}]\n'
        "shared_costs: [{name: S, services: [Support], split: proportional}]"
    )
    assert units(settings, charge("10", service="Support")) == {UNMAPPED: 10}


@given(
    st.lists(
        st.tuples(
            st.decimals(-1000, 1000, places=8, allow_nan=False),
            st.sampled_from([PAYER, PAYMENTS, PLATFORM, STRANGER]),
            st.sampled_from(["Amazon EC2", "AWS Support (Business)", "Transit"]),
        ),
        max_size=25,
    )
)
def test_nothing_is_lost_or_made_whatever_is_shared(
    made: list[tuple[Decimal, str, str]],
) -> None:
    charges = [charge(cost, account=account, service=service) for cost, account, service in made]
    found: list[Allocated] = allocate(charges, parse(SETTINGS).mapping, lambda one: one.billed)
    assert total(one.amount for one in found) == total(one.billed for one in charges)


def test_ids_keep_their_zeros_and_amounts_their_digits() -> None:
    settings = parse(
        "payer_accounts: [{id: 012345678901, business_unit: A}]\n"
        "budgets: {A: {monthly_target: 0.10}}"
    )
    assert list(settings.mapping.payers) == ["012345678901"]
    assert str(settings.budgets(OCTOBER)["A"].monthly_target) == "0.10"
    assert settings.budgets(OCTOBER)["A"].currency == "USD"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("payer_accounts: [", "is not valid YAML"),
        ("currency: USD\ncurrency: EUR", "currency is given more than once"),
        ("payer_account: []", "unknown field `payer_account`"),
        ("payer_accounts: [{name: A}]", "missing required field `id` - at `$.payer_accounts[0]`"),
        ("payer_accounts: [{id: A}, {id: A}]", "payer_accounts lists A 2 times"),
        ("budgets: {A: {monthly_target: twelve}}", "$.budgets"),
        (
            "budgets: {A: {monthly_target: -1}}",
            "budgets.A.monthly_target must be 0 or more, not -1",
        ),
        (
            "budgets: {A: {monthly_target: NaN}}",
            "budgets.A.monthly_target must be 0 or more, not NaN",
        ),
        (
            "budgets: {A: {annual_target: 5.500}}",
            "budgets.A.annual_target is 5.500, which has more than the 2 decimals of USD",
        ),
        ("budgets: {A: {monthly_target: '1.5', currency: JPY}}", "the 0 decimals of JPY"),
        ("budgets: {A: {monthly_target: 1, currency: DOLLAR}}", "'DOLLAR' is not an ISO 4217 code"),
        ("budgets: {Unmapped: {monthly_target: 1}}", "Unmapped can't be the name"),
        ("currency: Euro", "currency 'Euro' is not an ISO 4217 code"),
        ("shared_costs: [{name: S}]", "it would share all costs"),
        (
            "shared_costs: [{name: S, services: [a], split: fixed}]",
            "`shares` is required with split fixed",
        ),
        (
            "shared_costs: [{name: S, services: [a], units: [Q]}]",
            "'Q', which is not a business unit",
        ),
        (
            "tag_rules: [{tag: t, values: [a], business_unit: A},"
            " {tag: t, values: [a, b], business_unit: B}]",
            "tag_rules give t=a to more than one rule",
        ),
        (
            "rates: [{currency: EUR, date: 2026-01-01, usd_per_unit: 0}]",
            "EUR of 2026-01-01 must be above 0, not 0",
        ),
        ("just text", "Expected `object`"),
    ],
)
def test_refuses_settings_with_the_place_and_the_reason(text: str, said: str) -> None:
    with pytest.raises(RejectedInput) as refused:
        parse(text, name="reconciliation.yaml")
    assert refused.value.code == "invalid_configuration"
    assert said in str(refused.value)
    assert "reconciliation.yaml" in str(refused.value)


def test_former_names_and_spellings_are_accepted() -> None:
    british = "amortized".replace("z", "s")
    former = parse(f"metric: {british}\nshown_apart: [Tax]")
    assert former == parse("metric: amortized\nexcluded_categories: [Tax]")
    assert former.metric is Metric.AMORTIZED
    assert former.excluded == {ChargeCategory.TAX}
    with pytest.raises(RejectedInput, match="use only the new one"):
        parse("shown_apart: [Tax]\nexcluded_categories: [Credit]")


def test_warns_of_what_is_probably_not_meant() -> None:
    settings = parse(
        "linked_accounts: [{id: A}, {id: B, business_unit: Bee}]\n"
        "budgets: {Sea: {monthly_target: 1, alert_threshold_pct: 80}}"
    )
    said = "\n".join(settings.warnings)
    for part in ("payer_accounts is empty", "80% above or below", "belongs to Sea", "Bee has no"):
        assert part in said
    assert "linked account A has no business_unit" in said


def test_who_excludes_adjustments_excludes_discounts_as_before() -> None:
    found = parse("excluded_categories: [Adjustment]").excluded
    assert found == {ChargeCategory.ADJUSTMENT, ChargeCategory.DISCOUNT}
    assert parse("excluded_categories: [Discount]").excluded == {ChargeCategory.DISCOUNT}


def test_a_unit_has_what_all_of_its_accounts_and_rules_agree_on() -> None:
    def owned(unit: str, owner: str, cost_centre: str) -> Ownership:
        return Ownership(business_unit=unit, owner=owner, cost_centre=cost_centre)

    mapping = CostMapping(
        linked={
            "1": Account(id="1", ownership=owned("A", "ana", "1")),
            "2": Account(id="2", ownership=owned("A", "ana", "2")),
            "3": Account(id="3"),
        },
        tag_rules=(TagRule(key="team", values=("b",), ownership=owned("B", "bo", "3")),),
    )
    assert mapping.ownership_of_unit("A") == owned("A", "ana", "")
    assert mapping.ownership_of_unit("B") == owned("B", "bo", "3")
    assert mapping.ownership_of_unit("C") == owned("C", "", "")
