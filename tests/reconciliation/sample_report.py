"""Reports made by hand, of any size: every table adds up, as those of `compare` do."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from finops.reconciliation.aws_budgets import AwsBudget, by_variance
from finops.reconciliation.domain import UNMAPPED, percent, unit_status
from finops.reconciliation.report import (
    AccountLine,
    Agreement,
    Anomaly,
    CategoryLine,
    Change,
    Check,
    DailyCost,
    Driver,
    InvoiceLine,
    RateUsed,
    Report,
    ServiceLine,
    Totals,
    Trend,
    Unit,
    UnitAccount,
    UnitService,
    UnmappedAccount,
)
from finops.reconciliation.showback import Showback, ShowbackUnit, Statement, page_name
from finops.reconciliation.year import Year, YearLine
from finops.shared.money import minor_units, total
from finops.shared.periods import Month

SCRIPT = "<script>alert('1')</script> & <b>Söhne</b>"
FORMULA = "=cmd|' /C calc'!A0"
_UNITS = (
    *("Payments", "Platform Engineering", "Data & Analytics", "Customer Support"),
    *("Research", "Marketing", "Logistics and Fulfilment Europe, Middle East and Africa", "Retail"),
)
_OWNERS = ("Ana Ruiz", "Bo Lindqvist", "Chidi Obi", "Dana Weiss", "Eun-ji Park", "")
_SERVICES = (
    *("Amazon Elastic Compute Cloud", "Amazon Relational Database Service"),
    *("Amazon Simple Storage Service", "AWS Lambda", "Amazon CloudFront", "AmazonCloudWatch"),
    *("AWS Key Management Service", "Amazon DynamoDB", "Amazon Elastic Kubernetes Service"),
    *("Amazon Managed Streaming for Apache Kafka", "AWS Support (Business)", "Amazon Redshift"),
)
#: The account whose refunds are more than its costs.
_REFUNDED = 11
_ENVIRONMENTS = ("production", "staging", "development")
_WORTH = (18_400_00, 9_750_50, 6_120_75, 2_980_40, 1_410_05, 640_99)


def sample_report(
    *,
    units: int = 7,
    accounts: int = 24,
    services: int = 12,
    is_open: bool = False,
    revision: int = 2,
    currency: str = "USD",
    hostile: bool = False,
) -> Report:
    """October 2026 of a company.

    Args:
        units: Without Unmapped.
        accounts: Of these every ninth is of no unit.
        services: How many are told apart.
        is_open: Whether the month goes on, its costs known up to the 20th.
        revision: Of a closed month; 2 has changes.
        currency: Of the report.
        hostile: With names that a page or a spreadsheet would run.
    """
    chance = random.Random(7)
    month = Month.parse("2026-10")
    digits = minor_units()[currency] or 0
    names = [_unit_name(at) for at in range(units)]
    lines = [_account(at, names, digits, chance) for at in range(accounts)]
    if hostile:
        names[0] = lines[0].name = SCRIPT
        lines[1].name = FORMULA
        for one in lines:
            one.unit = one.unit if one.unit in (*names, UNMAPPED) else SCRIPT
    of_unit: dict[str, list[_Account]] = defaultdict(list)
    for one in lines:
        of_unit[one.unit].append(one)
    all_units = tuple(
        _unit(at, name, of_unit[name], is_open=is_open)
        for at, name in enumerate([*names, UNMAPPED])
    )
    totals = _totals(all_units, is_open=is_open)
    trends = _trends(all_units, month, digits, chance)
    return Report(
        month=str(month),
        currency=currency,
        source="focus",
        source_name="FOCUS export",
        metric="billed",
        is_open=is_open,
        known_until=date(2026, 10, 21) if is_open else None,
        revision=0 if is_open else revision,
        totals=totals,
        units=all_units,
        unmapped=tuple(
            UnmappedAccount(account=one.id, name=one.name, payer=one.payer, amount=one.actual)
            for one in sorted(lines, key=lambda one: -one.actual)
            if one.unit == UNMAPPED
        ),
        categories=_categories(totals),
        accounts=tuple(
            AccountLine(
                account=one.id,
                name=one.name,
                payer=one.payer,
                units=(one.unit,),
                amount=one.actual + one.excluded,
                previous=one.previous,
                change=one.actual + one.excluded - one.previous,
            )
            for one in sorted(lines, key=lambda one: -one.actual - one.excluded)
        ),
        services=_services(totals, services, digits, hostile=hostile),
        daily=_daily(month, 20 if is_open else 31, digits, chance),
        trend_months=tuple(str(one) for one in month.back(12)),
        trends=trends,
        anomalies=_anomalies(lines, digits, hostile=hostile),
        invoices=_invoices(totals, currency, hostile=hostile),
        checks=_checks(totals),
        rates=(
            RateUsed(
                currency="EUR",
                rate=Decimal("1.084500000000000"),
                rate_date=date(2026, 10, 30),
                source="ECB",
            ),
        ),
        changes=()
        if is_open or revision < 2
        else (
            Change(
                table="units",
                line=f"{names[0]}: actual",
                before=all_units[0].actual + Decimal(312),
                after=all_units[0].actual,
            ),
            Change(table="invoices", line="111111111111 EUINGB26-7004", before=None, after=None),
            Change(table="unmapped", line="900000000009", before=None, after=Decimal(118)),
        ),
        notes=(
            *(
                ("2026-10 is open: costs are known up to 2026-10-20 (UTC), changes compare them"
                 " with whole months, and statuses go by the forecast.",)
                if is_open
                else ()
            ),
            "Charges in KWD of 2025-12 are left out of trends: no rate of that month is known.",
        ),
        year=_year(trends, all_units, month),
        aws_budgets=tuple(sorted(_aws_budgets(month, accounts), key=by_variance)),
        drivers=_drivers(lines, totals.actual, totals.previous),
        showback=(_by_owner(all_units, totals),),
    )  # fmt: skip


def _by_owner(units: Sequence[Unit], totals: Totals) -> Showback:
    """Each owner has whole units."""
    statements = []
    for name in sorted({one.owner for one in units}, key=lambda one: (not one, one)):
        mine = [one for one in units if one.owner == name]
        planned = [one for one in mine if one.budget is not None]
        actual, previous = total(one.actual for one in mine), total(one.previous for one in mine)
        budget = total(one.budget or Decimal(0) for one in planned)
        off = total(one.forecast or Decimal(0) for one in planned) - budget
        statements.append(
            Statement(
                name=name,
                page=page_name("owner", "", name),
                actual=actual,
                previous=previous,
                change=actual - previous,
                change_pct=percent(actual - previous, previous),
                share_pct=percent(actual, totals.actual),
                budget=budget if planned else None,
                variance=total(one.actual for one in planned) - budget if planned else None,
                forecast=None
                if totals.forecast is None
                else total(one.forecast or Decimal(0) for one in mine),
                forecast_variance=off if planned and totals.forecast is not None else None,
                units=tuple(
                    ShowbackUnit(
                        unit=one.name,
                        is_whole=True,
                        actual=one.actual,
                        previous=one.previous,
                        change=one.change,
                        budget=one.budget,
                        variance=one.variance,
                        forecast=one.forecast,
                        status=one.status,
                    )
                    for one in mine
                ),
            )
        )
    return Showback(by="owner", tag="", statements=tuple(statements))


def empty_report() -> Report:
    """A closed month of two units without budgets in which nothing was found."""
    nothing = Decimal("0.00")
    unit = _unit(9, "Research", [], is_open=False)
    return Report(
        month="2026-02",
        currency="USD",
        source="ce",
        source_name="Cost Explorer",
        metric="amortized",
        is_open=True,
        known_until=None,
        revision=0,
        totals=_totals((unit,), is_open=False),
        units=(unit,),
        unmapped=(),
        categories=(),
        accounts=(),
        services=(),
        daily=(),
        trend_months=tuple(str(one) for one in Month.parse("2026-02").back(12)),
        trends=(
            Trend(unit="All", amounts=(None,) * 11 + (nothing,)),
            Trend(unit="Research", amounts=(None,) * 11 + (nothing,)),
        ),
        anomalies=(),
        invoices=(),
        checks=(),
        rates=(),
        changes=(),
        notes=(),
    )


def _aws_budgets(month: Month, accounts: int) -> list[AwsBudget]:
    """One of each account, and a second of the first, without a forecast."""
    return [
        *(_aws_budget(month, number, Decimal(80 + 3 * number)) for number in range(accounts)),
        _aws_budget(month, 0, None, name="team-sales", counts="TagKeyValue user:Team$Sales"),
    ]


def _aws_budget(
    month: Month, number: int, forecast: Decimal | None, *, name: str = SCRIPT, counts: str = ""
) -> AwsBudget:
    limit, actual = Decimal("100.00"), Decimal("40.10") + number
    return AwsBudget(
        account=f"{10**11 + number}",
        account_name=FORMULA if not number else "",
        name=name,
        counts=counts,
        delivery="spoke",
        default_of="*" if number % 2 else "",
        currency="USD",
        period="MONTHLY",
        first=month.first,
        last=month.last,
        limit=limit,
        actual=actual,
        variance=actual - limit,
        forecast=forecast,
        forecast_variance=None if forecast is None else forecast - limit,
        read_at=datetime(2026, 11, 20, 12, 5, tzinfo=UTC),
    )


def _year(trends: Sequence[Trend], units: Sequence[Unit], month: Month) -> Year:
    """A calendar year, each unit with twelve times its budget."""
    budgets = {unit.name: unit.budget for unit in units}
    lines = []
    for trend in trends[1:]:
        known = [one for one in trend.amounts[-month.first.month :] if one is not None]
        actual, budget = total(known), budgets.get(trend.unit)
        year_budget = None if budget is None else budget * 12
        lines.append(_year_line(trend, actual, budget, len(known), year_budget))
    planned = [one for one in lines if one.year_budget is not None]
    year_budget = total(one.year_budget or Decimal(0) for one in planned)
    remaining = total(one.remaining or Decimal(0) for one in planned)
    whole = replace(
        _year_line(trends[0], total(one.actual for one in lines), None, 0, None),
        budget=total(one.budget or Decimal(0) for one in planned),
        variance=total(one.variance or Decimal(0) for one in planned),
        year_budget=year_budget,
        remaining=remaining,
        remaining_pct=percent(remaining, year_budget),
    )
    return Year(
        first_month=f"{month.first.year}-01",
        last_month=f"{month.first.year}-12",
        months=tuple(str(one) for one in month.back(month.first.month)),
        months_without_data=(),
        lines=(whole, *lines),
    )


def _year_line(
    trend: Trend,
    actual: Decimal,
    budget: Decimal | None,
    months: int,
    year_budget: Decimal | None,
) -> YearLine:
    now = trend.amounts[-1] or Decimal(0)
    remaining = None if year_budget is None else year_budget - actual
    return YearLine(
        unit=trend.unit,
        actual=actual,
        budget=None if budget is None else budget * months,
        variance=None if budget is None else actual - budget * months,
        year_budget=year_budget,
        remaining=remaining,
        remaining_pct=None
        if remaining is None or year_budget is None
        else percent(remaining, year_budget),
        year_before=now,
        change=now - now,
        change_pct=percent(now - now, now),
    )


class _Account:
    def __init__(self, at: int, unit: str, amounts: Sequence[Decimal]) -> None:
        self.id = f"{900_000_000_000 + at:012}"
        self.name = f"{unit.partition(' ')[0].lower()}-{_ENVIRONMENTS[at % 3]}" if at % 7 else ""
        self.payer = ("111111111111", "222222222222", "333333333333")[at % 3]
        self.unit = unit
        self.actual, self.excluded, self.previous = amounts


def _account(at: int, names: Sequence[str], digits: int, chance: random.Random) -> _Account:
    unit = UNMAPPED if at % 9 == 8 else names[at % len(names)]
    base = _WORTH[at % len(_WORTH)] // (1 + at // 40)
    now = int(base * chance.uniform(0.8, 1.25))
    before = int(base * chance.uniform(0.8, 1.15))
    if at == _REFUNDED:
        now = -before // 8
    return _Account(
        at, unit, [Decimal(one).scaleb(-digits) for one in (now, abs(now) // 40, before)]
    )


def _unit_name(at: int) -> str:
    return _UNITS[at] if at < len(_UNITS) else f"Business unit {at + 1:02}"


def _unit(at: int, name: str, lines: Sequence[_Account], *, is_open: bool) -> Unit:
    actual = total(one.actual for one in lines)
    previous = total(one.previous for one in lines)
    has_budget = name != UNMAPPED and at % 7 != 4
    share = (Decimal("0.92"), Decimal("1.02"), Decimal("1.31"), Decimal("0.99"))[at % 4]
    budget = (actual * share).quantize(Decimal(100)) if has_budget and actual > 0 else None
    if has_budget and actual <= 0:
        budget = Decimal(500)
    forecast = (actual * Decimal("1.48")).quantize(actual) if is_open and actual else None
    if is_open and budget is not None:
        budget = (budget * Decimal("1.45")).quantize(Decimal(100))
    if is_open and forecast is None:
        forecast = Decimal(0)
    threshold = Decimal(10 if at % 2 else 5)
    variance = None if budget is None else actual - budget
    return Unit(
        name=name,
        cost_centre="" if name == UNMAPPED else f"CC-{4100 + at}",
        owner="" if name == UNMAPPED else _OWNERS[at % len(_OWNERS)],
        environment="production" if at % 2 and name != UNMAPPED else "",
        actual=actual,
        excluded=total(one.excluded for one in lines),
        previous=previous,
        change=actual - previous,
        change_pct=percent(actual - previous, previous),
        budget=budget,
        budget_origin="" if budget is None else "budgets.yaml",
        alert_threshold_pct=None if budget is None else threshold,
        variance=variance,
        variance_pct=None if variance is None or budget is None else percent(variance, budget),
        forecast=forecast,
        status=unit_status(actual if forecast is None else forecast, budget, threshold),
        drivers=_drivers(lines, actual, previous),
        plan_drivers=() if budget is None else _drivers(lines, actual, budget),
        forecast_low=None if forecast is None else forecast - _range(forecast),
        forecast_high=None if forecast is None else forecast + _range(forecast),
        # Of many accounts, no days: they would be millions of amounts.
        services=_made_of(lines, 0 if len(lines) > 100 else 20 if is_open else 31),
    )


def _made_of(lines: Sequence[_Account], days: int) -> tuple[UnitService, ...]:
    """Each account has one service, and costs the same each day."""
    of_service: dict[str, list[UnitAccount]] = defaultdict(list)
    for at, one in enumerate(lines):
        daily = (one.actual / (days + 3)).quantize(one.actual)
        of_service[_SERVICES[at % 3]].append(
            UnitAccount(
                account=one.id,
                name=one.name,
                amount=one.actual,
                days=(daily,) * days,
                monthly=one.actual - daily * days,
            )
        )
    return tuple(
        UnitService(
            service=service, amount=total(one.amount for one in accounts), accounts=tuple(accounts)
        )
        for service, accounts in of_service.items()
    )


def _range(forecast: Decimal) -> Decimal:
    return (abs(forecast) / 20).quantize(forecast)


def _drivers(lines: Sequence[_Account], now: Decimal, before: Decimal) -> tuple[Driver, ...]:
    drivers = [
        Driver(
            service=_SERVICES[(at * 5) % len(_SERVICES)],
            account=one.id,
            account_name=one.name,
            now=one.actual,
            before=one.previous,
            change=one.actual - one.previous,
        )
        for at, one in enumerate(sorted(lines, key=lambda one: -abs(one.actual - one.previous))[:5])
    ]
    new = now - total(one.now for one in drivers)
    old = before - total(one.before for one in drivers)
    if drivers and (new or old):
        drivers.append(
            Driver(
                service="All others",
                account="",
                account_name="",
                now=new,
                before=old,
                change=new - old,
            )
        )
    return tuple(drivers)


def _totals(units: Sequence[Unit], *, is_open: bool) -> Totals:
    actual = total(one.actual for one in units)
    previous = total(one.previous for one in units)
    planned = [one for one in units if one.budget is not None]
    budget = total(one.budget or Decimal(0) for one in planned)
    variance = total(one.actual for one in planned) - budget
    foreseen = total(one.forecast or Decimal(0) for one in planned) - budget
    forecast = total(one.forecast or Decimal(0) for one in units)
    to_date = (actual / 2).quantize(actual)
    return Totals(
        actual=actual,
        excluded=total(one.excluded for one in units),
        previous=previous,
        change=actual - previous,
        change_pct=percent(actual - previous, previous),
        budget=budget,
        unbudgeted=actual - variance - budget,
        variance=variance,
        variance_pct=percent(variance, budget),
        forecast=forecast if is_open else None,
        forecast_low=forecast - _range(forecast) if is_open else None,
        forecast_high=forecast + _range(forecast) if is_open else None,
        usage_to_date=to_date if is_open else None,
        usage_to_date_previous=to_date - 40 if is_open else None,
        forecast_variance=foreseen if is_open else None,
        unmapped=total(one.actual for one in units if one.name == UNMAPPED),
    )


def _services(totals: Totals, count: int, digits: int, *, hostile: bool) -> tuple[ServiceLine, ...]:
    """Each half of what is left, and the last one all of it."""
    unit = Decimal(1).scaleb(-digits)
    left, left_before = totals.actual + totals.excluded, totals.previous
    lines = []
    for at in range(count):
        share = Decimal("0.3") if at < count - 1 else Decimal(1)
        now = (left * share).quantize(unit)
        before = (left_before * share * (Decimal("0.9") if at < count - 1 else 1)).quantize(unit)
        left, left_before = left - now, left_before - before
        name = _SERVICES[at] if at < len(_SERVICES) else f"Amazon Service {at:02}"
        if at == count - 1:
            name = f"9 services below 1.00 {'' if hostile else 'USD'}".strip()
        if hostile and not at:
            name = f'{FORMULA} "quoted", {SCRIPT}'
        lines.append(ServiceLine(service=name, amount=now, previous=before, change=now - before))
    return tuple(lines)


def _categories(totals: Totals) -> tuple[CategoryLine, ...]:
    credit, refund = Decimal(-1250), Decimal(-310)
    usage = totals.actual - credit - refund
    return (
        CategoryLine(category="Usage", amount=usage, excluded=False),
        CategoryLine(category="Credit", amount=credit, excluded=False),
        CategoryLine(category="Refund", amount=refund, excluded=False),
        CategoryLine(category="Tax", amount=totals.excluded, excluded=True),
    )


def _daily(month: Month, count: int, digits: int, chance: random.Random) -> tuple[DailyCost, ...]:
    return tuple(
        DailyCost(
            day=day,
            amount=Decimal(
                int(
                    chance.uniform(4_000_00, 4_300_00)
                    * (0.72 if day.weekday() > 4 else 1)
                    * (1.42 if day.day in (13, 14) else 1)
                )
            ).scaleb(-digits),
        )
        for day in month.days[:count]
    )


def _trends(
    units: Sequence[Unit], month: Month, digits: int, chance: random.Random
) -> tuple[Trend, ...]:
    """The first two months are not known."""
    unit = Decimal(1).scaleb(-digits)
    rows: list[list[Decimal | None]] = []
    for one in units:
        growth = chance.uniform(-0.03, 0.05)
        row: list[Decimal | None] = [None, None]
        row += [(one.previous * Decimal(1 - growth * (10 - at))).quantize(unit) for at in range(8)]
        rows.append([*row, one.previous, one.actual])
    columns = list(zip(*rows, strict=True))
    everything = tuple(
        None if column[0] is None else total(amount or Decimal(0) for amount in column)
        for column in columns
    )
    return (
        Trend(unit="All", amounts=everything),
        *(Trend(unit=one.name, amounts=tuple(row)) for one, row in zip(units, rows, strict=True)),
    )


def _anomalies(lines: Sequence[_Account], digits: int, *, hostile: bool) -> tuple[Anomaly, ...]:
    unit = Decimal(1).scaleb(-digits)
    first = date(2026, 10, 13)
    found = []
    for at, (scope, days, expected, actual) in enumerate(
        (("account", 2, "2110.40", "5630.15"), ("service", 1, "480.00", "112.55"))
    ):
        wanted, was = (Decimal(one).quantize(unit) for one in (expected, actual))
        account = lines[2]
        last = first + timedelta(days=days - 1)
        found.append(
            Anomaly(
                scope=scope,
                subject=account.id if scope == "account" else "Amazon Redshift",
                name=account.name if scope == "account" else "",
                units=(account.unit,) if scope == "account" else (),
                first=first + timedelta(days=at * 4),
                last=last + timedelta(days=at * 4),
                actual=was,
                expected=wanted,
                impact=was - wanted,
                score=Decimal("14.2") if was > wanted else Decimal("-6.1"),
                services=((FORMULA,) if hostile else ("Amazon Elastic Compute Cloud", "AWS Lambda"))
                if scope == "account"
                else (),
                evidence="Expected by weekday, from the 56 days before; the furthest day is"
                f" {'14.2' if was > wanted else '6.1'} times the usual deviation"
                f" {'above' if was > wanted else 'below'} that.",
            )
        )
    return tuple(found)


def _invoices(totals: Totals, currency: str, *, hostile: bool) -> tuple[InvoiceLine, ...]:
    digits = minor_units()[currency] or 0
    half = (totals.actual / 2).quantize(Decimal(1).scaleb(-digits))
    tax = totals.excluded
    rows = (
        ("111111111111", "EUINGB26-7001", half, half, half, Agreement.AGREES, "", "agrees"),
        (
            *("111111111111", "EUINGB26-7002", half / 4 + tax, half / 4, None),
            *(Agreement.EXPLAINED, "tax", f"tax: {tax:,f} charged, 0 invoiced"),
        ),
        (
            *("222222222222", "EUINGB26-7003", Decimal(8120), Decimal("9344.5"), Decimal("9344.5")),
            *(Agreement.DIFFERS, "late_data"),
            "1,224.50 EUR invoiced but not charged; no known reason explains the difference, and"
            " costs of this month may still change",
        ),
        (
            *("222222222222", "EUINGB26-7004", None, Decimal(118), None),
            *(Agreement.MISSING, ""),
            "no charge has this invoice number; its document was not processed",
        ),
        (
            *("333333333333", FORMULA if hostile else "", Decimal(-42), Decimal(-42), None),
            *(Agreement.AGREES, "", "agrees (invoices EUINGB26-7005)"),
        ),
    )  # fmt: skip
    return tuple(
        InvoiceLine(
            payer=payer,
            invoice_id=number,
            issuer="Amazon Web Services EMEA SARL" if number.startswith("EU") else "",
            currency=currency,
            charged=charged,
            invoiced=invoiced,
            processed=processed,
            difference=None if charged is None or invoiced is None else charged - invoiced,
            agreement=agreement,
            reason=reason,
            explanation=explanation,
        )
        for payer, number, charged, invoiced, processed, agreement, reason, explanation in rows
    )


def _checks(totals: Totals) -> tuple[Check, ...]:
    whole = totals.actual + totals.excluded
    return (
        Check(
            name="units_add_up",
            rule="Every charge is in exactly one business unit or in Unmapped.",
            holds=True,
            expected=whole,
            found=whole,
            note="All charges, against all units with their excluded costs.",
        ),
        Check(
            name="focus_invoice_totals",
            rule="For each invoice, the sum of BilledCost equals the payable amount.",
            holds=False,
            expected=totals.actual,
            found=totals.actual - Decimal("1224.50"),
            note="3 invoices compared; not EUINGB26-7003.",
        ),
        Check(
            name="source_total",
            rule="No charge is lost: all charges add up to the source's own total.",
            holds=None,
            expected=None,
            found=None,
            note="The source gives no sum of its own.",
        ),
    )
