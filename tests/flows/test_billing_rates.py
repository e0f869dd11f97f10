"""The ECB's rates, fetched by the schedule's function from a server in the ECB's place."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.flows.billing import FETCHER, BillingFlow, as_csv, bill

pytestmark = pytest.mark.flow

#: The day of the file, on which no other test has rates.
DAY = "2001-03-05"


def fetched(billing: BillingFlow) -> dict[str, Any]:
    answer: dict[str, Any] = billing.deployment.invoke(FETCHER, {})
    return answer


def test_rates_are_fetched_and_loaded_once_and_convert_bills(billing: BillingFlow) -> None:
    with billing.ecb() as ecb:
        ecb.rates = {"USD": "1.5", "ISK": "75", "NOK": "none"}
        with ThreadPoolExecutor(4) as runs:
            answers = list(runs.map(lambda _: fetched(billing), range(4)))
        key = answers[0]["key"]
        assert {one["key"] for one in answers} == {key}
        assert sum(one["is_new"] for one in answers) == 1
        assert not fetched(billing)["is_new"]
    assert key == ecb.key
    entry = billing.loaded_rates(key)
    # The krone's rate is none, and is told; the others are loaded.
    assert (entry.status, entry.tally.read, entry.tally.quarantined) == (
        "LOADED_WITH_REJECTS",
        4,
        1,
    )
    assert [one["value"] for one in billing.quarantined(entry)] == ["none"]

    body = as_csv([bill(1, bill_date=DAY, currency="ISK", bill_amount="100")])
    assert billing.drop("billing/ecb-rates/a.csv", body).status == "LOADED"
    row = billing.rows("ecb-rates")["1"]
    assert (row["amount_usd"], row["rate_source"], row["rate_date"]) == ("2.000000", "ECB", DAY)


@pytest.mark.parametrize("status", [302, 404])
def test_what_is_no_answer_of_the_ecb_fails_and_drops_nothing(
    billing: BillingFlow, status: int
) -> None:
    with billing.ecb() as ecb:
        ecb.status, ecb.rates = status, {"USD": f"1.{status}"}
        answer = billing.deployment.client("lambda").invoke(FunctionName=FETCHER, Payload=b"{}")
        assert "FunctionError" in answer
        assert f"HTTP {status}" in json.loads(answer["Payload"].read())["errorMessage"]
        # Not followed, and not asked again.
        assert ecb.asked == 1
        ecb.status = 200
        assert fetched(billing)["is_new"]
    billing.loaded_rates(ecb.key)


def test_a_private_address_is_not_asked(billing: BillingFlow) -> None:
    with billing.fetching_from("https://127.0.0.1:1/daily.xml"):
        answer = billing.deployment.client("lambda").invoke(FunctionName=FETCHER, Payload=b"{}")
    assert "address that is not public" in json.loads(answer["Payload"].read())["errorMessage"]
