"""A month reconciled: gathered, compared, closed, and revised."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from finops.reconciliation.audit_events import reconciled_event
from finops.reconciliation.configuration import Configuration, OrganizationTags, parse
from finops.reconciliation.domain import ChargeCategory, IssuedInvoice, UnitBudget, UnitStatus
from finops.reconciliation.mapping import Account, Ownership
from finops.reconciliation.messages import headline, subject, webhook_message
from finops.reconciliation.ports import Detail, Stored
from finops.reconciliation.rendering import render
from finops.reconciliation.report import Agreement, Report, as_document
from finops.shared.errors import ConfigurationError, RejectedInput
from finops.shared.rates import Rate
from tests.audit.recorders import MemoryRecorder
from tests.reconciliation.fakes import (
    OCTOBER,
    PAYER,
    PAYMENTS,
    PLATFORM,
    STRANGER,
    FakeBudgetRows,
    FakeIssued,
    FakeSource,
    FakeStore,
    charge,
    days,
    reconciler,
    usual,
)
from tests.reconciliation.sample_report import sample_report
from tests.trail import stated

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def test_an_open_month_has_one_report_that_each_run_replaces() -> None:
    store = FakeStore()
    for extra in ("0", "5"):
        outcome = reconciler([*usual(), charge(extra)], store=store).run(OCTOBER, now=NOW)
        assert (outcome.is_new, outcome.stored.revision, outcome.report.is_open) == (True, 0, True)
    assert not store.revisions
    assert store.open["2026-10"].document["totals"]["actual"] == "625.00"


def test_a_closed_month_is_revised_only_when_its_numbers_change() -> None:
    store, audit = FakeStore(), MemoryRecorder()
    first = reconciler(usual(), store=store, audit=audit).run(OCTOBER, now=NOW, close=True)
    same = reconciler(usual(), store=store, audit=audit).run(OCTOBER, now=NOW + timedelta(days=1))
    late = charge("-25", category=ChargeCategory.CREDIT)
    other = reconciler([*usual(), late], store=store, audit=audit).run(OCTOBER, now=NOW)
    assert [one.report.revision for one in (first, same, other)] == [1, 1, 2]
    assert [one.is_new for one in (first, same, other)] == [True, False, True]
    assert same.stored is store.revisions["2026-10", 1]
    changes = {one.line: (one.before, one.after) for one in other.report.changes}
    assert changes["Payments: actual"] == (Decimal("310.00"), Decimal("285.00"))
    assert changes["Credit"] == (None, Decimal("-25.00"))
    assert [event.action for event in audit.events] == ["month.closed", "month.reconciled"]
    assert audit.events[1].details["revision"] == 2
    assert "Revision 2 changes" in "\n".join(headline(other.report))


def test_a_closed_month_without_usage_on_its_last_days_has_no_forecast() -> None:
    settings = parse(
        """
linked_accounts: [{id: "222222222222", business_unit: A}]
budgets: {A: {monthly_target: 560}}
"""
    )
    quiet = [
        charge("20.20", start=day)
        for first in (date(2026, 8, 1), date(2026, 9, 1), OCTOBER.first)
        for day in days(first, first.replace(day=28))
    ]
    source = FakeSource(quiet, known_until=date(2026, 10, 28))
    run = reconciler([], source=source, configuration=settings)
    report = run.run(OCTOBER, now=NOW, close=True).report
    [unit] = report.units
    assert (str(unit.actual), str(unit.variance_pct)) == ("545.40", "-2.6")
    assert unit.status is UnitStatus.ON_TRACK
    assert (report.known_until, report.totals.forecast, unit.forecast) == (None, None, None)
    assert report.notes == (
        "Charges made by hand knows costs up to 2026-10-27 (UTC): those of later days may be"
        " missing.",
    )
    again = run.run(OCTOBER, now=NOW)
    assert (again.is_new, again.report.known_until) == (False, None)
    assert subject(report) == "Cloud costs 2026-10 closed: USD 545.40"
    assert "so far" not in "".join(headline(report))


@pytest.mark.parametrize("close", [False, True])
def test_a_past_month_without_any_charge_is_refused_unless_that_is_allowed(close: bool) -> None:
    july = [charge("1", start=date(2026, 7, 3))]
    with pytest.raises(RejectedInput) as refused:
        reconciler(july).run(OCTOBER, now=NOW, close=close)
    assert refused.value.code == "empty_month"
    report = reconciler(july).run(OCTOBER, now=NOW, close=close, allow_empty=True).report
    assert (str(report.totals.actual), report.totals.forecast) == ("0.00", None)
    assert {one.status for one in report.units} == {UnitStatus.NO_SPEND, UnitStatus.NO_BUDGET}


def test_a_charge_of_no_service_is_told_by_its_category() -> None:
    unnamed = [
        charge("900", service="", category=ChargeCategory.TAX),
        charge("0.10", service="", category=ChargeCategory.PURCHASE),
    ]
    report = reconciler([*usual(), *unnamed]).run(OCTOBER, now=NOW).report
    assert {one.service: str(one.amount) for one in report.services} == {
        "Tax": "900.00",
        "Amazon EC2": "620.00",
        "Purchase": "0.10",
    }
    assert str(report.totals.actual) == "1520.10"


def test_a_rule_that_matches_no_charge_is_told() -> None:
    settings = parse(
        """
tag_rules: [{tag: team, values: [fraud], business_unit: Fraud}]
shared_costs: [{name: Support, services: ["AWS Support (Business)"]}]
linked_accounts: [{id: "222222222222", business_unit: A}]
"""
    )
    support = charge("100", service="AWSSupportBusiness")
    report = reconciler([*usual(), support], configuration=settings).run(OCTOBER, now=NOW).report
    assert "The tag rule team=fraud matches no charge." in report.notes
    assert (
        "The shared cost Support matches no charge. The source has AWSSupportBusiness: name it in"
        " service_aliases." in report.notes
    )


def test_one_rule_means_a_service_by_all_of_its_names() -> None:
    settings = parse(
        """
shared_costs: [{name: Support, services: ["AWS Support (Business)"], split: even}]
service_aliases: {"AWS Support (Business)": [AWSSupportBusiness]}
linked_accounts:
  - {id: "222222222222", business_unit: A}
  - {id: "333333333333", business_unit: B}
"""
    )
    for name in ("AWS Support (Business)", "AWSSupportBusiness"):
        charges = [*usual(), charge("100", service=name)]
        report = reconciler(charges, configuration=settings).run(OCTOBER, now=NOW).report
        assert {one.name: str(one.actual) for one in report.units} == {"A": "360.00", "B": "360.00"}
        assert report.notes == ()


def test_the_first_day_of_a_running_month_may_have_no_charge_yet() -> None:
    report = reconciler(usual()).run(OCTOBER.plus(1), now=NOW).report
    assert report.totals.actual == 0


def test_a_month_that_another_run_closes_meanwhile_is_reported_as_closed() -> None:
    store = FakeStore()
    first = reconciler(usual(), store=store).run(OCTOBER, now=NOW, close=True)
    seen = iter([None])
    newest = store.newest
    store.newest = lambda month: next(seen, newest(month))  # type: ignore[method-assign]
    outcome = reconciler(usual(), store=store).run(OCTOBER, now=NOW)
    assert (outcome.is_new, outcome.stored) == (False, first.stored)


def test_a_new_budget_leaves_closed_months_alone() -> None:
    def settings(target: int) -> Configuration:
        return parse(
            f"""
linked_accounts: [{{id: "222222222222", business_unit: A}}]
budgets: {{A: {{monthly_target: {target}, alert_threshold_pct: 5}}}}
"""
        )

    store = FakeStore()
    reconciler(usual(), store=store, configuration=settings(310)).run(OCTOBER, now=NOW, close=True)
    later = reconciler(usual(), store=store, configuration=settings(700))
    again = later.run(OCTOBER, now=NOW)
    assert (again.is_new, again.report.revision, again.report.changes) == (False, 1, ())
    november = later.run(OCTOBER.plus(1), now=NOW).report
    assert str(november.units[0].budget) == "700.00"
    assert november.year
    assert november.year.lines[0].year_budget == 11 * 700 + 310, "which October was closed with"
    late = [*usual(), charge("-10", category=ChargeCategory.CREDIT)]
    revised = reconciler(late, store=store, configuration=settings(700)).run(OCTOBER, now=NOW)
    unit = revised.report.units[0]
    assert (revised.report.revision, str(unit.budget), unit.status) == (
        2,
        "310.00",
        UnitStatus.ON_TRACK,
    )
    assert "A: budget" not in {one.line for one in revised.report.changes}


def test_the_year_keeps_the_budget_of_a_unit_that_closed_months_had_under_another_name() -> None:
    def settings(unit: str, target: int) -> Configuration:
        return parse(
            f"""
linked_accounts: [{{id: "222222222222", business_unit: {unit}}}]
budgets: {{{unit}: {{monthly_target: {target}, from: 2026-10}}}}
"""
        )

    store, months = FakeStore(), OCTOBER.plus(1)
    charges = [charge("310"), charge("20", start=months.first)]
    first = reconciler(charges, store=store, configuration=settings("A", 300))
    first.run(OCTOBER, now=NOW, close=True)
    renamed = reconciler(charges, store=store, configuration=settings("Z", 900))
    year = renamed.run(months, now=NOW).report.year
    assert year
    lines = {one.unit: [one.actual, one.budget, one.year_budget] for one in year.lines}
    assert lines["A"] == [Decimal(0), Decimal(300), Decimal(300)]
    assert lines["Z"] == [Decimal(330), Decimal(900), Decimal(1800)]
    assert lines["All"] == [Decimal(330), Decimal(1200), Decimal(2100)]


def test_two_runs_that_close_at_once_make_one_revision() -> None:
    store = FakeStore()
    mine = reconciler(usual(), store=store)
    store.meanwhile.append(reconciler(usual()).run(OCTOBER, now=NOW, close=True).report)
    outcome = mine.run(OCTOBER, now=NOW, close=True)
    assert (outcome.report.revision, outcome.is_new, len(store.revisions)) == (1, False, 1)


def test_a_run_that_found_other_numbers_becomes_the_next_revision() -> None:
    store = FakeStore()
    other = reconciler([*usual(), charge("7")]).run(OCTOBER, now=NOW, close=True).report
    store.meanwhile.append(other)
    outcome = reconciler(usual(), store=store).run(OCTOBER, now=NOW, close=True)
    assert (outcome.report.revision, len(store.revisions)) == (2, 2)
    assert outcome.report.changes


def test_the_same_inputs_are_audited_as_one() -> None:
    audit = MemoryRecorder()
    for _ in range(2):
        reconciler(usual(), audit=audit, store=FakeStore()).run(OCTOBER, now=NOW)
    assert len({stated(event) for event in audit.events}) == 1
    assert audit.events[0].counts["units"] == 3


def test_runs_of_two_people_and_into_two_places_do_not_contradict_each_other() -> None:
    """The trail takes two statements of two senders under one id for a forgery."""
    report = reconciler(usual()).run(OCTOBER, now=NOW).report
    events = [
        reconciled_event(
            report,
            Stored(revision=0, document=as_document(report), locations={"html": place}),
            NOW,
            actor=actor,
            said_to_be=said,
        )
        for actor, said in (("schedule", ""), ("reconcile-month", "ann"), ("arn:ann", ""))
        for place in ("s3://reports/october.html", "/home/ann/october.html")
    ]
    assert len({one.entry_id for one in events}) == len(events)
    assert {one.details["reports"]["html"] for one in events} == {
        "s3://reports/october.html",
        "october.html",
    }


def test_a_month_is_not_said_to_be_closed_by_whoever_the_caller_names() -> None:
    audit = MemoryRecorder()
    run = reconciler(usual(), audit=audit)
    run = replace(run, actor="reconcile-month", said_to_be="cfo")
    run.run(OCTOBER, now=NOW, close=True)
    (event,) = audit.events
    assert (event.action, event.actor) == ("month.closed", "reconcile-month")
    assert event.details["said_to_be"] == "cfo"


@pytest.mark.parametrize(
    ("month", "close", "code"),
    [(1, False, ""), (2, False, "invalid_month"), (1, True, "closed_too_early")],
)
def test_refuses_months_that_have_not_begun_or_are_not_over(
    month: int, close: bool, code: str
) -> None:
    run = reconciler(usual())
    if not code:
        run.run(OCTOBER.plus(month), now=NOW)
        return
    with pytest.raises(RejectedInput) as refused:
        run.run(OCTOBER.plus(month), now=NOW, close=close)
    assert refused.value.code == code


def test_refuses_a_source_that_holds_nothing_of_the_year() -> None:
    with pytest.raises(RejectedInput) as refused:
        reconciler([]).run(OCTOBER, now=NOW)
    assert refused.value.code == "no_charges"


def test_a_currency_without_a_rate_is_refused() -> None:
    with pytest.raises(RejectedInput) as refused:
        reconciler([charge("100", currency="EUR")]).run(OCTOBER, now=NOW)
    assert refused.value.code == "no_rate"
    assert "finops fx load" in str(refused.value)


@pytest.mark.parametrize(
    ("written", "loaded", "actual"),
    [
        ("2026-10-25", None, "110.00"),
        ("2026-10-25", "2026-10-30", "120.00"),
        ("2026-10-30", "2026-10-25", "110.00"),
        ("2026-10-30", "2026-10-30", "110.00"),
        ("2026-11-01", "2026-10-30", "120.00"),
    ],
)
def test_the_newest_rate_counts_and_the_configurations_where_two_are_of_one_day(
    written: str, loaded: str | None, actual: str
) -> None:
    def rates(currency: str, first: date, last: date) -> list[Rate]:
        if not loaded or currency != "EUR":
            return []
        day = date.fromisoformat(loaded)
        rate = Rate(currency="EUR", rate_date=day, usd_per_unit=Decimal("1.2"), source="ECB")
        return [rate] if first <= day <= last else []

    settings = parse(f"rates: [{{currency: EUR, date: {written}, usd_per_unit: 1.1}}]")
    made = reconciler([charge("100", currency="EUR")], configuration=settings, rates=rates)
    report = made.run(OCTOBER, now=NOW).report
    assert str(report.totals.actual) == actual
    assert report.rates[0].currency == "EUR"


def test_reports_in_another_currency_than_charges() -> None:
    settings = parse(
        "currency: EUR\nrates: [{currency: EUR, date: 2026-10-30, usd_per_unit: 1.25}]"
    )
    report = reconciler([charge("100")], configuration=settings).run(OCTOBER, now=NOW).report
    assert (report.currency, str(report.totals.actual)) == ("EUR", "80.00")
    assert (str(report.rates[0].rate), report.rates[0].source) == (
        "0.800000000000000",
        "configuration",
    )


def test_budgets_of_the_table_are_summed_for_units_that_have_none() -> None:
    rows = FakeBudgetRows(
        {
            PAYMENTS: [UnitBudget(monthly_target=Decimal(9))],
            PLATFORM: [
                UnitBudget(monthly_target=Decimal(300)),
                UnitBudget(monthly_target=Decimal(1)),
            ],
            STRANGER: [UnitBudget(monthly_target=Decimal(5))],
        }
    )
    report = reconciler(usual(), budget_rows=rows).run(OCTOBER, now=NOW).report
    found = {one.name: (one.budget, one.budget_origin) for one in report.units}
    assert found["Payments"] == (Decimal("1000.00"), "the configuration")
    assert found["Platform"] == (Decimal("301.00"), "budgets table, 2 accounts")


def test_what_aws_budgets_says_is_beside_the_report_of_its_month() -> None:
    october = next(one for one in sample_report(accounts=3).aws_budgets or () if one.forecast)
    october = replace(october, read_at=datetime(2026, 10, 31, 23, 59, tzinfo=UTC))
    budgets = [
        replace(october, account=STRANGER, variance=Decimal(-5), forecast_variance=None),
        replace(october, account=PAYMENTS, variance=Decimal(7)),
        replace(october, account=PLATFORM, read_at=datetime(2026, 11, 1, tzinfo=UTC)),
    ]
    run = reconciler(usual(), budget_rows=FakeBudgetRows({}, budgets))
    found = run.run(OCTOBER, now=NOW).report.aws_budgets
    assert [(one.account, one.account_name) for one in found or ()] == [
        (PAYMENTS, run.evidence.configuration.mapping.linked[PAYMENTS].name),
        (STRANGER, ""),
    ]
    without = reconciler(usual(), budget_rows=FakeBudgetRows({}))
    assert without.run(OCTOBER, now=NOW).report.aws_budgets is None


def test_other_figures_of_aws_budgets_make_no_revision_of_a_closed_month() -> None:
    budget, *_ = sample_report(accounts=3).aws_budgets or ()
    budget = replace(budget, read_at=datetime(2026, 10, 31, tzinfo=UTC))
    rows, store = FakeBudgetRows({}, [budget]), FakeStore()
    run = reconciler(usual(), budget_rows=rows, store=store)
    closed = run.run(OCTOBER, now=NOW, close=True).report
    assert closed.aws_budgets
    rows.aws_budgets = [replace(budget, actual=Decimal(1), variance=Decimal(-99))]
    again = run.run(OCTOBER, now=NOW)
    assert (again.is_new, again.stored.revision) == (False, 1)


def test_a_month_that_is_over_keeps_what_was_read_in_it() -> None:
    budget, other, *_ = sample_report(accounts=3).aws_budgets or ()
    at = datetime(2026, 10, 30, tzinfo=UTC)
    first, second = (replace(one, read_at=at, account_name="") for one in (budget, other))
    rows, store = FakeBudgetRows({}, [first, second]), FakeStore()
    run = reconciler(usual(), budget_rows=rows, store=store)
    run.run(OCTOBER, now=at)
    rows.aws_budgets = [replace(first, actual=Decimal(9), read_at=at + timedelta(days=1, hours=1))]
    last = replace(rows.aws_budgets[0])
    run.run(OCTOBER, now=at + timedelta(days=1, hours=2))
    rows.aws_budgets = [replace(first, read_at=datetime(2026, 11, 2, tzinfo=UTC))]
    open_report = run.run(OCTOBER, now=datetime(2026, 11, 2, 1, tzinfo=UTC)).report
    assert open_report.aws_budgets == (last,)
    closed = run.run(OCTOBER, now=NOW, close=True).report
    assert closed.aws_budgets == (last,)
    rows.aws_budgets = None  # the budgets flow is taken away
    store.open.clear()
    again = reconciler([*usual(), charge("5")], budget_rows=rows, store=store)
    assert again.run(OCTOBER, now=NOW).report.aws_budgets == (last,)


def test_organizations_tags_complete_the_mapping() -> None:
    class Directory:
        def accounts(self, tags: OrganizationTags) -> list[Account]:
            assert tags.business_unit == "unit"
            return [
                Account(id=PAYMENTS, name="pay", ownership=Ownership(business_unit="Other")),
                Account(id=STRANGER, name="lab", ownership=Ownership(business_unit="Lab")),
            ]

    settings = parse(
        'linked_accounts: [{id: "222222222222", business_unit: Payments}]\n'
        "organization_tags: {business_unit: unit}"
    )
    charges = [charge("1"), charge("2", account=STRANGER), charge("4", account=PLATFORM)]
    report = (
        reconciler(charges, configuration=settings, directory=Directory())
        .run(OCTOBER, now=NOW)
        .report
    )
    assert {one.name: int(one.actual) for one in report.units} == {
        "Lab": 2,
        "Payments": 1,
        "Unmapped": 4,
    }
    assert {one.account: one.name for one in report.accounts}[PAYMENTS] == "pay"


def test_invoices_are_checked_against_aws_and_the_documents() -> None:
    issued = IssuedInvoice(
        payer=PAYER, number="E-1", issuer="AWS", amount=Decimal(100), currency="USD"
    )
    report = (
        reconciler(
            [charge("100", invoice="E-1")], issued=FakeIssued(issued), processed=FakeIssued(issued)
        )
        .run(OCTOBER, now=NOW)
        .report
    )
    [line] = report.invoices
    assert (line.agreement, line.processed) == (Agreement.AGREES, Decimal(100))
    assert next(one for one in report.checks if one.name == "focus_invoice_totals").holds


def test_an_anomaly_names_the_service_that_drove_it() -> None:
    spike = date(2026, 10, 14)
    source = FakeSource(
        [
            *usual(),
            *(charge("30", service="S3", start=day) for day in days(date(2026, 7, 1), OCTOBER.end)),
            charge("200", service="S3", start=spike),
            charge("300", account=PLATFORM, start=date(2026, 10, 20)),
        ]
    )
    report = reconciler([], source=source).run(OCTOBER, now=NOW).report
    other, found = report.anomalies
    assert (found.scope, found.services, found.impact) == ("account", ("S3",), Decimal("200.00"))
    assert (other.subject, other.services) == (PLATFORM, ("Amazon EC2",))
    [asked] = [query for query in source.queries if query.accounts]
    assert (asked.accounts, asked.detail) == (
        (PAYMENTS, PLATFORM),
        Detail.ACCOUNT_SERVICE_DAYS,
    ), "one pass for all anomalies"


def test_what_is_said_of_an_open_month_compares_its_forecast_with_the_budget() -> None:
    report = sample_report(is_open=True)
    said = headline(report)
    assert said[0].startswith(f"USD {report.totals.actual:,f} spent in 2026-10 so far. Of the")
    off = report.totals.forecast_variance
    assert off
    [line] = [one for one in said if one.startswith("Units with a budget ")]
    assert line == (
        f"Units with a budget will be {abs(off):,f} below their {report.totals.budget:,.2f}"
        " (-6.9%)."
    )
    [unit] = [one for one in report.units if one.status is UnitStatus.OVERRUN]
    assert (
        f"{unit.name}: over budget, USD {unit.actual:,f} so far, {unit.forecast:,f} by forecast,"
        f" budget {unit.budget:,f}" in said
    )


def test_what_is_said_of_a_budget_of_zero_and_of_one_that_is_met() -> None:
    def said(target: str) -> str:
        settings = parse(
            f"""
linked_accounts: [{{id: "222222222222", business_unit: A}}]
budgets: {{A: {{monthly_target: "{target}"}}}}
"""
        )
        run = reconciler([charge("310")], configuration=settings)
        return headline(run.run(OCTOBER, now=NOW, close=True).report)[0]

    spent = "USD 310.00 spent in 2026-10. Units with a budget are"
    assert said("0") == f"{spent} 310.00 above their 0.00."
    assert said("310") == f"{spent} on their budget of 310.00."


def test_an_invoice_that_nothing_is_compared_with_is_not_said_to_be_compared() -> None:
    report = reconciler([charge("310")]).run(OCTOBER, now=NOW, close=True).report
    assert [one.agreement for one in report.invoices] == [Agreement.MISSING]
    assert "Invoices: 0 compared, 0 with an unexplained difference." in headline(report)
    page = render(report, "html").decode()
    assert "No invoice has an unexplained difference" not in page
    assert "within its alert threshold" not in page, "where there is no budget"
    nothing = reconciler([charge("0")]).run(OCTOBER, now=NOW, close=True).report
    page = render(nothing, "html").decode()
    assert "There is no data for the month before." in page
    assert "Every service in every account cost the same" not in page


def test_what_is_said_of_thousands_of_units_fits_a_topic() -> None:
    report = sample_report(units=5_000, accounts=10_000)
    said = headline(report)
    assert len("\n".join(said)) < 10_000
    names_one = re.compile(": (over budget|far below budget|without .*), USD")
    alarming = [one for one in said if names_one.search(one)]
    assert len(alarming) == 20
    furthest = max(
        (
            one
            for one in report.units
            if one.variance is not None
            and one.status in (UnitStatus.OVERRUN, UnitStatus.UNDERRUN, UnitStatus.NO_SPEND)
        ),
        key=lambda one: abs(one.variance or Decimal(0)),
    )
    assert alarming[0].startswith(f"{furthest.name}: ")
    assert any(one.endswith(" more business units like these: see the report.") for one in said)


def test_what_is_said_of_a_month_fits_its_channel() -> None:
    report = (
        reconciler([*usual(), charge("9999", account=STRANGER, service="<b>&")])
        .run(OCTOBER, now=NOW, close=True)
        .report
    )
    said = "\n".join(headline(report))
    assert "USD 10,619.00 spent in 2026-10. Units with a budget are 690.00 below their" in said
    assert "1,000.00 (-69.0%). Of the costs, 10,309.00 has no budget." in said
    assert "Unmapped: USD 9,999.00 in 1 account." in said
    assert subject(report) == "Cloud costs 2026-10 closed: USD 10,619.00"
    assert subject(report).isascii()
    assert len([one for one in headline(report) if ": without a budget, " in one]) == 2
    assert not any(": without a budget, " in one for one in headline(report, with_units=False))
    message = webhook_message(report, "https://example.com/?a=1&b=2")
    assert message["blocks"][2]["text"]["text"] == (
        "<https://example.com/?a=1&b=2|Open the report>"
    )


def test_reports_are_the_same_for_the_same_inputs_whatever_the_day() -> None:
    reports: list[Report] = [
        reconciler(usual()).run(OCTOBER, now=now, close=True).report
        for now in (NOW, NOW + timedelta(days=7))
    ]
    assert as_document(reports[0]) == as_document(reports[1])


def test_gives_up_when_others_keep_writing() -> None:
    store = FakeStore()
    store.meanwhile = [
        reconciler([*usual(), charge(str(number))]).run(OCTOBER, now=NOW, close=True).report
        for number in range(1, 8)
    ]
    for number, report in enumerate(store.meanwhile):
        object.__setattr__(report, "revision", len(store.meanwhile) - number)
    with pytest.raises(ConfigurationError) as refused:
        reconciler(usual(), store=store).run(OCTOBER, now=NOW, close=True)
    assert refused.value.code == "contended"


@pytest.mark.parametrize("arose_on", [date(2026, 9, 5), date(2026, 3, 1)])
@pytest.mark.parametrize("cost", ["-3", "0", "5"])
def test_a_correction_of_a_month_that_no_source_knows_makes_no_account_new(
    arose_on: date, cost: str
) -> None:
    usage = [
        charge("50", start=day, account=one) for day in OCTOBER.days for one in (PAYMENTS, PLATFORM)
    ]
    correction = replace(charge(cost, start=OCTOBER.first), arose_on=arose_on)
    for charges in (usage, [*usage, correction]):
        assert reconciler(charges).run(OCTOBER, now=NOW).report.anomalies == ()


def test_a_new_service_of_an_old_account_is_told_until_somebody_acknowledges_it() -> None:
    new = [charge("40", start=day, service="Bedrock") for day in days(OCTOBER.first, OCTOBER.end)]
    old = [charge("500", start=day) for day in days(date(2026, 7, 1), OCTOBER.end)]
    report = reconciler([*old, *new]).run(OCTOBER, now=NOW).report
    [found] = report.anomalies
    assert (found.scope, found.subject, found.kind) == ("service", "Bedrock", "new")
    assert (str(found.actual), str(found.expected)) == ("1240.00", "0.00")
    assert found.first == OCTOBER.first
    assert "anomaly" in " ".join(headline(report))
    said = "acknowledged_anomalies: [{subject: Bedrock, day: 2026-10-09, reason: a pilot}]"
    quiet = reconciler([*old, *new], configuration=parse(said)).run(OCTOBER, now=NOW).report
    assert [one.acknowledged for one in quiet.anomalies] == ["a pilot"]
    assert "anomaly" not in " ".join(headline(quiet))
    assert b"Acknowledged: a pilot" in render(quiet, "html")
