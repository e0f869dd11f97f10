"""The generated usage, what Cost Explorer makes of it, and the invoices over it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from localcloud.costs import usage
from localcloud.costs.contract import Service
from localcloud.costs.errors import CostsError
from localcloud.costs.explorer import CostExplorer, Settings
from localcloud.costs.invoicing import Invoicing

PAYER, MEMBER, EURO_PAYER, EVEN_PAYER = (
    "111111111111",
    "222222222222",
    "555555555555",
    "666666666666",
)
TODAY = date(2026, 3, 18)
ACCOUNT = {"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}
SERVICE = {"Type": "DIMENSION", "Key": "SERVICE"}
RECORD = {"Type": "DIMENSION", "Key": "RECORD_TYPE"}

Ask = Callable[..., dict[str, Any]]


def explorer(*, today: date = TODAY, **settings: Any) -> Service:
    return Service("ce", CostExplorer(lambda: today, Settings(**settings)).operations)


def costs(
    start: str,
    end: str,
    *,
    service: Service | None = None,
    caller: str = PAYER,
    granularity: str = "MONTHLY",
    metrics: tuple[str, ...] = ("UnblendedCost",),
    **request: Any,
) -> dict[str, Any]:
    asked = {
        "TimePeriod": {"Start": start, "End": end},
        "Granularity": granularity,
        "Metrics": list(metrics),
        **request,
    }
    return (service or explorer()).answer("GetCostAndUsage", asked, caller)


def total(answer: dict[str, Any], metric: str = "UnblendedCost") -> Decimal:
    """The sum of an answer, grouped or not."""
    return sum(
        (
            Decimal(cell[metric]["Amount"])
            for result in answer["ResultsByTime"]
            for cell in (result["Total"], *(group["Metrics"] for group in result["Groups"]))
            if cell
        ),
        Decimal(),
    )


def by_key(answer: dict[str, Any]) -> dict[tuple[str, ...], Decimal]:
    (result,) = answer["ResultsByTime"]
    return {
        tuple(group["Keys"]): Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
        for group in result["Groups"]
    }


def only(key: str, *values: str) -> dict[str, Any]:
    return {"Dimensions": {"Key": key, "Values": list(values)}}


def refused(call: Callable[[], object]) -> CostsError:
    with pytest.raises(CostsError) as caught:
        call()
    return caught.value


def issued(
    month: date, *, caller: str = PAYER, account: str | None = None, today: date = TODAY
) -> list[dict[str, Any]]:
    service = Service("invoicing", Invoicing(lambda: today, 4).operations)
    asked = {
        "Selector": {"ResourceType": "ACCOUNT_ID", "Value": account or caller},
        "Filter": {"BillingPeriod": {"Month": month.month, "Year": month.year}},
    }
    found: list[dict[str, Any]] = service.answer("ListInvoiceSummaries", asked, caller)[
        "InvoiceSummaries"
    ]
    return found


def invoiced(invoices: list[dict[str, Any]]) -> Decimal:
    return sum((Decimal(one["BaseCurrencyAmount"]["TotalAmount"]) for one in invoices), Decimal())


@pytest.mark.parametrize("payer", [PAYER, EURO_PAYER, "777777777777"])
def test_a_day_that_is_over_keeps_its_costs(payer: str) -> None:
    organisation = usage.organisation(payer, 4)

    def known(today: date) -> list[usage.Line]:
        days = date(2026, 2, 27), date(2026, 3, 10)
        lines = usage.lines(organisation, *days, today)
        return sorted((one for one in lines if one.record_type != "Tax"), key=repr)

    assert known(date(2026, 3, 10)) == known(TODAY)
    assert len(known(date(2026, 3, 9))) < len(known(TODAY))


def test_payers_differ_in_accounts_and_costs() -> None:
    payers = [PAYER, EURO_PAYER, EVEN_PAYER]
    accounts = [set(usage.organisation(payer, 4).accounts) for payer in payers]
    assert set(accounts[0]) == {PAYER, MEMBER, "333333333333", "444444444444"}
    assert not accounts[0] & accounts[1] | accounts[1] & accounts[2]
    assert len({total(costs("2026-02-01", "2026-03-01", caller=one)) for one in payers}) == 3


def test_groups_and_days_sum_up_to_the_whole() -> None:
    whole = total(costs("2026-01-01", "2026-03-01"))
    assert whole > 30_000
    for groups in ([ACCOUNT], [SERVICE, ACCOUNT], [RECORD]):
        for granularity in ("MONTHLY", "DAILY"):
            answer = costs("2026-01-01", "2026-03-01", granularity=granularity, GroupBy=groups)
            assert total(answer) == whole
            assert answer["GroupDefinitions"] == groups


def test_amortized_costs_spread_what_was_paid_up_front() -> None:
    metrics = ("UnblendedCost", "AmortizedCost")
    upfront = only("RECORD_TYPE", "Upfront", "DiscountedUsage")
    paid = costs("2026-01-01", "2026-03-01", metrics=metrics, Filter=upfront)
    assert total(paid) == 1460
    assert total(paid, "AmortizedCost") == 59 * Decimal(1460) / 365
    plan = only("RECORD_TYPE", *(f"SavingsPlan{one}" for one in _SAVINGS_PLAN))
    used = costs("2026-02-01", "2026-03-01", metrics=metrics, Filter=plan)
    assert total(used) == total(used, "AmortizedCost") == 28 * 30


_SAVINGS_PLAN = ("RecurringFee", "CoveredUsage", "Negation")


def test_net_costs_take_the_discount_off_the_usage() -> None:
    metrics = ("UnblendedCost", "NetUnblendedCost", "NetAmortizedCost")
    answer = costs("2026-02-01", "2026-03-01", metrics=metrics)
    assert total(answer) == total(answer, "NetUnblendedCost") != total(answer, "NetAmortizedCost")
    by_usage = costs(
        "2026-02-01", "2026-03-01", metrics=metrics, Filter=only("RECORD_TYPE", "Usage")
    )
    agreed = only("RECORD_TYPE", "Enterprise Discount Program Discount")
    discount = costs("2026-02-01", "2026-03-01", metrics=metrics, Filter=agreed)
    assert total(discount) < 0
    assert total(discount, "NetUnblendedCost") == 0
    assert total(by_usage, "NetUnblendedCost") == total(by_usage) + total(discount)


def test_usage_has_no_currency() -> None:
    metrics = ("UsageQuantity", "NormalizedUsageAmount", "BlendedCost")
    (result,) = costs("2026-02-01", "2026-03-01", metrics=metrics)["ResultsByTime"]
    units = {name: result["Total"][name]["Unit"] for name in metrics}
    assert units == {"UsageQuantity": "N/A", "NormalizedUsageAmount": "N/A", "BlendedCost": "USD"}


def test_the_end_is_exclusive_and_months_are_cut_to_the_interval() -> None:
    days = costs("2026-02-01", "2026-02-03", granularity="DAILY")["ResultsByTime"]
    assert [one["TimePeriod"] for one in days] == [
        {"Start": "2026-02-01", "End": "2026-02-02"},
        {"Start": "2026-02-02", "End": "2026-02-03"},
    ]
    months = costs("2026-01-30", "2026-03-05")["ResultsByTime"]
    assert [tuple(one["TimePeriod"].values()) for one in months] == [
        ("2026-01-30", "2026-02-01"),
        ("2026-02-01", "2026-03-01"),
        ("2026-03-01", "2026-03-05"),
    ]


def test_a_month_is_estimated_until_it_is_invoiced() -> None:
    def estimated(today: date) -> list[bool]:
        answer = costs("2026-01-01", "2026-03-01", service=explorer(today=today))
        return [one["Estimated"] for one in answer["ResultsByTime"]]

    assert estimated(date(2026, 3, 2)) == [False, True]
    assert estimated(date(2026, 3, 3)) == [False, False]


def test_today_has_no_costs_yet() -> None:
    days = costs("2026-03-16", "2026-03-20", granularity="DAILY")["ResultsByTime"]
    assert [Decimal(one["Total"]["UnblendedCost"]["Amount"]) > 0 for one in days] == [
        True,
        True,
        False,
        False,
    ]
    grouped = costs("2026-03-18", "2026-03-19", granularity="DAILY", GroupBy=[ACCOUNT])
    assert grouped["ResultsByTime"][0]["Groups"] == []


def test_a_member_account_sees_its_own_costs_only() -> None:
    answer = costs("2026-02-01", "2026-03-01", caller=MEMBER, GroupBy=[ACCOUNT])
    whole = by_key(costs("2026-02-01", "2026-03-01", GroupBy=[ACCOUNT]))
    assert by_key(answer) == {(MEMBER,): whole[MEMBER,]}
    assert answer["DimensionValueAttributes"] == [
        {"Value": MEMBER, "Attributes": {"description": "payments"}}
    ]


def test_filters_combine() -> None:
    def filtered(expression: dict[str, Any]) -> Decimal:
        return total(costs("2026-02-01", "2026-03-01", Filter=expression))

    accounts = by_key(costs("2026-02-01", "2026-03-01", GroupBy=[ACCOUNT, RECORD]))
    tax = only("RECORD_TYPE", "Tax")
    one = only("LINKED_ACCOUNT", MEMBER)
    whole = sum(accounts.values())
    assert filtered(tax) == sum(cost for (_, kind), cost in accounts.items() if kind == "Tax")
    assert filtered({"Not": tax}) == whole - filtered(tax)
    assert filtered({"And": [one, tax]}) == accounts[MEMBER, "Tax"]
    assert filtered({"Or": [one, tax]}) == filtered(one) + filtered({"And": [{"Not": one}, tax]})
    exact = {"Dimensions": {**tax["Dimensions"], "MatchOptions": ["EQUALS", "CASE_SENSITIVE"]}}
    assert filtered(exact) == filtered(tax)


def test_tags_and_cost_categories_group_and_filter() -> None:
    team, unit = {"Type": "TAG", "Key": "team"}, {"Type": "COST_CATEGORY", "Key": "BusinessUnit"}
    tagged = by_key(costs("2026-02-01", "2026-03-01", GroupBy=[team]))
    assert {"team$", "team$payments"} < {keys[0] for keys in tagged}
    absent = {"Tags": {"Key": "team", "MatchOptions": ["ABSENT"]}}
    assert total(costs("2026-02-01", "2026-03-01", Filter=absent)) == tagged["team$",]
    units = by_key(costs("2026-02-01", "2026-03-01", GroupBy=[unit]))
    payments = {"CostCategories": {"Key": "BusinessUnit", "Values": ["payments"]}}
    found = total(costs("2026-02-01", "2026-03-01", Filter=payments))
    assert found == units["BusinessUnit$payments",]


def test_pages_make_the_same_answer() -> None:
    asked: dict[str, Any] = {"granularity": "DAILY", "GroupBy": [ACCOUNT, SERVICE]}
    whole = costs("2026-02-25", "2026-03-04", **asked)
    assert "NextPageToken" not in whole
    service, pages = explorer(page_size=7), []
    token: dict[str, Any] = {}
    while True:
        answer = costs("2026-02-25", "2026-03-04", service=service, **asked, **token)
        pages.append(answer)
        if "NextPageToken" not in answer:
            break
        token = {"NextPageToken": answer["NextPageToken"]}

    def groups(answer: dict[str, Any]) -> list[Any]:
        return [
            (result["TimePeriod"], group)
            for result in answer["ResultsByTime"]
            for group in result["Groups"]
        ]

    assert [cell for answer in pages for cell in groups(answer)] == groups(whole)
    assert {len(groups(answer)) for answer in pages[:-1]} == {7}

    follow: dict[str, Any] = {"service": service, **asked, **token}
    changed = refused(lambda: costs("2026-02-26", "2026-03-04", **follow))
    assert changed.code == "RequestChangedException"
    follow["NextPageToken"] = "bm9uZQ=="
    assert refused(lambda: costs("2026-02-25", "2026-03-04", **follow)).code == (
        "InvalidNextTokenException"
    )


@pytest.mark.parametrize(
    ("start", "end", "wording"),
    [
        ("2026-03-01", "2026-03-01", "Start date (and hour) should be before end date (and hour)"),
        ("2026-03-02", "2026-03-01", "Start date (and hour) should be before end date (and hour)"),
        ("2026-03-01", "2026-04-02", "end date past the beginning of next month"),
        ("2026-03-19", "2026-03-20", "Start date should be no later than the current date"),
        ("2025-01-31", "2026-03-01", "You haven't enabled historical data beyond 14 months"),
        ("2026-02-30", "2026-03-01", "Dates must be of the form yyyy-MM-dd for this granularity"),
    ],
)
def test_invalid_intervals_are_refused(start: str, end: str, wording: str) -> None:
    error = refused(lambda: costs(start, end))
    assert (error.code, str(error)) == ("ValidationException", wording)


def test_the_longest_interval_is_answered() -> None:
    assert len(costs("2025-02-01", "2026-04-01")["ResultsByTime"]) == 14


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"GroupBy": [ACCOUNT, SERVICE, RECORD]}, "ValidationException"),
        ({"GroupBy": [{"Type": "DIMENSION", "Key": "NONE"}]}, "ValidationException"),
        ({"GroupBy": [{"Key": "SERVICE"}]}, "ValidationException"),
        ({"granularity": "HOURLY"}, "DataUnavailableException"),
        ({"granularity": "YEARLY"}, "ValidationException"),
        ({"metrics": ("Cost",)}, "ValidationException"),
        ({"metrics": ()}, "ValidationException"),
        ({"Filter": {}}, "ValidationException"),
        ({"Filter": {**only("SERVICE", "x"), "Not": only("SERVICE", "y")}}, "ValidationException"),
        ({"Filter": {"And": [only("SERVICE", "x")]}}, "ValidationException"),
        ({"Filter": only("SERVICE")}, "ValidationException"),
        (
            {
                "Filter": {
                    "Dimensions": {
                        "Key": "SERVICE",
                        "Values": ["x"],
                        "MatchOptions": ["STARTS_WITH"],
                    }
                }
            },
            "ValidationException",
        ),
        ({"Nothing": 1}, "ValidationException"),
    ],
)
def test_requests_that_break_a_rule_are_refused(request_: dict[str, Any], code: str) -> None:
    assert refused(lambda: costs("2026-02-01", "2026-03-01", **request_)).code == code


def test_each_account_has_its_own_rate() -> None:
    service = explorer(calls_a_second=2)
    for caller in (PAYER, EURO_PAYER):
        for _ in range(2):
            costs("2026-03-01", "2026-03-02", service=service, caller=caller)
    call = refused(lambda: costs("2026-03-01", "2026-03-02", service=service))
    assert (call.code, call.status) == ("LimitExceededException", 400)


def test_dimension_values_are_those_of_the_interval() -> None:
    asked = {
        "TimePeriod": {"Start": "2026-02-01", "End": "2026-03-01"},
        "Dimension": "LINKED_ACCOUNT",
    }
    answer = explorer().answer("GetDimensionValues", asked, PAYER)
    assert answer["TotalSize"] == 4
    assert answer["DimensionValues"][1] == {
        "Value": MEMBER,
        "Attributes": {"description": "payments"},
    }
    services = {**asked, "Dimension": "SERVICE", "SearchString": "lambda"}
    found = explorer().answer("GetDimensionValues", services, PAYER)["DimensionValues"]
    assert [one["Value"] for one in found] == ["AWS Lambda"]


def test_a_forecast_is_near_the_later_costs() -> None:
    asked = {
        "TimePeriod": {"Start": "2026-02-01", "End": "2026-03-01"},
        "Granularity": "MONTHLY",
        "Metric": "AMORTIZED_COST",
        "Filter": only("RECORD_TYPE", "Usage"),
    }
    answer = explorer(today=date(2026, 2, 1)).answer("GetCostForecast", asked, PAYER)
    came = costs(
        "2026-02-01",
        "2026-03-01",
        metrics=("AmortizedCost",),
        Filter=only("RECORD_TYPE", "Usage"),
    )
    (month,) = answer["ForecastResultsByTime"]
    low, high = month["PredictionIntervalLowerBound"], month["PredictionIntervalUpperBound"]
    assert Decimal(low) < total(came, "AmortizedCost") < Decimal(high)
    past = {**asked, "TimePeriod": {"Start": "2026-02-01", "End": "2026-04-01"}}
    assert refused(lambda: explorer().answer("GetCostForecast", past, PAYER)).code == (
        "ValidationException"
    )


def test_invoices_agree_with_costs_to_the_cent_until_a_late_credit() -> None:
    def difference(payer: str, today: date) -> Decimal:
        answer = costs("2026-02-01", "2026-03-01", caller=payer, service=explorer(today=today))
        return total(answer) - invoiced(issued(date(2026, 2, 1), caller=payer))

    cents = Decimal("0.02")  # each invoice is rounded
    for payer in (PAYER, EURO_PAYER, EVEN_PAYER):
        assert 0 < abs(difference(payer, date(2026, 3, 9))) < cents
    for payer in (PAYER, EURO_PAYER):
        assert abs(difference(payer, date(2026, 3, 10)) + 25) < cents
    assert abs(difference(EVEN_PAYER, date(2026, 3, 10))) < cents


def test_each_seller_has_its_own_invoice() -> None:
    entities = [
        (one["Entity"]["BillingEntity"], one["Entity"]["InvoicingEntity"], one["BillType"])
        for one in issued(date(2026, 1, 1))
    ]
    assert entities == [
        ("AWS", "Amazon Web Services, Inc.", "ANNIVERSARY"),
        ("AWS", "Amazon Web Services, Inc.", "PURCHASE"),
        ("AWS_MARKETPLACE", "Example Observability, Inc.", "ANNIVERSARY"),
    ]


@pytest.mark.parametrize("payer", [PAYER, EURO_PAYER, EVEN_PAYER])
def test_every_amount_of_an_invoice_adds_up(payer: str) -> None:
    for number in range(1, 13):
        for one in issued(usage.months_before(TODAY, number), caller=payer):
            stated = {"BaseCurrencyAmount", "PaymentCurrencyAmount", "TaxCurrencyAmount"}
            for name in stated & one.keys():
                amount, parts = one[name], one[name]["AmountBreakdown"]
                sums = [
                    Decimal(parts[part]["TotalAmount"]) if part in parts else Decimal()
                    for part in ("Discounts", "Taxes")
                ]
                before_tax = Decimal(amount["TotalAmountBeforeTax"])
                assert Decimal(parts["SubTotalAmount"]) + sums[0] == before_tax
                assert before_tax + sums[1] == Decimal(amount["TotalAmount"])


def test_an_invoice_is_paid_in_the_payers_currency_at_the_months_rate() -> None:
    for one in issued(date(2026, 1, 1), caller=EURO_PAYER):
        base, paid = one["BaseCurrencyAmount"], one["PaymentCurrencyAmount"]
        exchange = paid["CurrencyExchangeDetails"]
        assert (exchange["SourceCurrencyCode"], exchange["TargetCurrencyCode"]) == ("USD", "EUR")
        converted = Decimal(base["TotalAmount"]) * Decimal(exchange["Rate"])
        assert abs(converted - Decimal(paid["TotalAmount"])) <= Decimal("0.02")
        assert "CurrencyExchangeDetails" not in base


def test_a_refund_is_a_credit_memo_of_the_invoice_before() -> None:
    (memo,) = [one for one in issued(date(2026, 2, 1)) if one["InvoiceType"] == "CREDIT_MEMO"]
    assert Decimal(memo["BaseCurrencyAmount"]["TotalAmount"]) < 0
    assert memo["OriginalInvoiceId"] == issued(date(2026, 1, 1))[0]["InvoiceId"]


def test_an_open_month_has_no_invoice() -> None:
    february = date(2026, 2, 1)
    assert issued(date(2026, 3, 1)) == []
    assert issued(february, today=date(2026, 3, 2)) == []
    assert issued(february, today=date(2026, 3, 3)) == issued(february)


def test_an_invoice_is_found_by_its_number_and_filters_apply() -> None:
    service = Service("invoicing", Invoicing(lambda: TODAY, 4).operations)

    def found(**request: Any) -> list[dict[str, Any]]:
        selector = {"ResourceType": "ACCOUNT_ID", "Value": PAYER}
        asked = {"Selector": selector, **request}
        answer: list[dict[str, Any]] = service.answer("ListInvoiceSummaries", asked, PAYER)[
            "InvoiceSummaries"
        ]
        return answer

    one = issued(date(2026, 1, 1))[0]
    assert found(Selector={"ResourceType": "INVOICE_ID", "Value": one["InvoiceId"]}) == [one]
    sold = found(Filter={"InvoicingEntity": "Example Observability, Inc."})
    assert len(sold) == 13
    day = one["IssuedDate"]
    interval = {"StartDate": day, "EndDate": day + timedelta(days=1).total_seconds()}
    assert found(Filter={"TimeInterval": interval}) == issued(date(2026, 1, 1))


def test_invoices_of_others_are_refused() -> None:
    month = date(2026, 2, 1)
    assert refused(lambda: issued(month, account=EURO_PAYER)).code == "AccessDeniedException"
    assert refused(lambda: issued(month, account="x")).code == "ValidationException"
    assert refused(lambda: issued(month, caller=MEMBER, account=PAYER)).code == (
        "AccessDeniedException"
    )
    assert issued(month, caller=MEMBER) == []
