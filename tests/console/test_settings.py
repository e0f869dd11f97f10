"""The page of settings: what is known, and who may do what."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import pytest

from console.identity import Role
from finops.billing.dataset_format import DatasetFormat
from finops.shared.rates import Rate, RatePolicy
from tests.console.conftest import Stage


def test_rights_rates_and_formats_are_told(stage: Stage) -> None:
    settings = SimpleNamespace(
        rates=RatePolicy(max_age_days=5, static={"CHF": Decimal("1.1")}),
        formats={"acme": DatasetFormat(delimiter=";")},
    )
    rate = Rate(
        currency="EUR", rate_date=date(2026, 3, 31), usd_per_unit=Decimal("1.25"), source="ECB"
    )
    stage.settings["billing"] = SimpleNamespace(settings=settings, newest_rates=lambda: [rate])
    app = stage.page("settings", Role.EDITOR)
    assert not app.exception
    rights, rates, formats = (one.value for one in app.dataframe)
    assert (
        dict(zip(rights["what"], rights["editor"], strict=True))["Approve raises of budgets"] == ""
    )
    assert set(rights["approver"]) == {"yes"}
    assert rates.to_dict("records") == [
        {
            "currency": "EUR",
            "usd_per_unit": "1.25",
            "rate_date": "2026-03-31",
            "source": "ECB",
        }
    ]
    assert formats["dataset"].tolist() == ["acme"]
    said = " ".join(one.value for one in (*app.markdown, *app.warning))
    assert "at most 5 days older" in said
    assert "CHF 1\\.1" in said
    assert "the editor**, editor" in said


@pytest.mark.parametrize(
    ("separated", "rule"), [(True, "Nobody approves an invoice"), (False, "People may approve")]
)
def test_what_is_not_deployed_says_so_and_the_rest_is_shown(
    stage: Stage, *, separated: bool, rule: str
) -> None:
    stage.invoices.separation_of_duties = separated
    app = stage.page("settings")
    assert not app.exception
    assert sum("Not deployed here" in one.value for one in app.info) == 3
    assert any(rule in one.value for one in app.markdown)
    assert any("0 vendors known" in one.value for one in app.markdown)
