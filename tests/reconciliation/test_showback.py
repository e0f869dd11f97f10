"""Costs by owner and by tag: every table adds up to the whole, and each line has a page."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import boto3
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no stubs
from moto import mock_aws

import report_schema
from finops.reconciliation.adapters.exports import ExportedCosts
from finops.reconciliation.adapters.folder import Folder
from finops.reconciliation.adapters.s3 import S3Files
from finops.reconciliation.comparison.showback import MOST_PAGES
from finops.reconciliation.configuration import parse
from finops.reconciliation.domain import ChargeCategory, Metric, TaggedCosts
from finops.reconciliation.mapping import TagKey
from finops.reconciliation.ports import TagQuery
from finops.reconciliation.rendering import render
from finops.reconciliation.report import Report
from finops.reconciliation.showback import Showback, Statement, page_name
from finops.reconciliation.showback_pages import write_pages
from finops.reconciliation.stores import Reports
from finops.shared.errors import RejectedInput
from finops.shared.money import total
from tests.reconciliation.export_files import focus, write
from tests.reconciliation.fakes import (
    OCTOBER,
    PAYER,
    PAYMENTS,
    PLATFORM,
    STRANGER,
    FakeSource,
    charge,
    reconciler,
)

BUCKET = "reports-of-tests"
SEPTEMBER = OCTOBER.plus(-1)
HOSTILE = (
    "../../etc/passwd",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "ann@example.com",
    "ANN@example.com",
    "x" * 5000,
    "\u202e\u05d0\u65e5\u672c\u8a9e \U0001f4b8",
    "javascript:alert(1)",
    "=cmd|' /C calc'!A0",
    "a/b\\c:d*e?f",
    "a b",
    "a-b",
    "{{ 7 * 7 }}{% raw %}",
    "none",
)
OWNED = """
payer_accounts: [{id: "111111111111", name: Holding, business_unit: Corporate IT, owner: it}]
linked_accounts:
  - {id: "222222222222", name: payments, business_unit: Shop, owner: ann}
  - {id: "333333333333", business_unit: Shop, owner: bob}
  - {id: "555555555555", business_unit: Labs, owner: bob}
shared_costs: [{name: Support, services: [Support], split: even, units: [Shop, Labs]}]
excluded_categories: [Tax]
budgets: {Shop: {monthly_target: 1000}, Labs: {monthly_target: 40}, Idle: {monthly_target: 7}}
"""


def run(charges: list[Any], settings: str = OWNED, **facts: Any) -> Report:
    made = reconciler(charges, configuration=parse(settings), **facts)
    return made.run(OCTOBER, now=datetime(2026, 11, 20, tzinfo=UTC), close=True).report


def by(report: Report, kind: str = "owner", tag: str = "") -> Showback:
    [found] = [one for one in report.showback if (one.by, one.tag) == (kind, tag)]
    return found


def actuals(found: Showback) -> dict[str, str]:
    return {one.name: str(one.actual) for one in found.statements}


CHARGES = [
    charge("100.005", account=PAYMENTS),
    charge("50.005", account=PLATFORM),
    charge("30", account="555555555555", service="Amazon S3"),
    charge("20", account=PAYER, service="Support"),
    charge("8", account=STRANGER),
    charge("99", account=PAYMENTS, category=ChargeCategory.TAX),
    charge("90", account=PAYMENTS, start=SEPTEMBER.first),
]


def test_costs_are_of_the_owner_of_their_account_and_add_up_to_all_costs() -> None:
    report = run(CHARGES)
    found = by(report)
    # Support is shared by Shop, which has two owners, and Labs, which has one.
    assert actuals(found) == {"ann": "100.01", "bob": "90.00", "it": "0.00", "": "18.00"}
    assert total(one.actual for one in found.statements) == report.totals.actual
    assert total(one.previous for one in found.statements) == report.totals.previous
    of = {one.name: one for one in found.statements}
    assert [(one.unit, one.is_whole, one.budget, one.actual) for one in of["bob"].units] == [
        ("Shop", False, None, Decimal("50.00")),
        ("Labs", True, Decimal(40), Decimal("40.00")),
    ]
    assert (of["bob"].budget, of["bob"].variance) == (Decimal(40), Decimal(0))
    # The budget of Shop is of two owners. Nobody is named for Idle.
    assert (of["ann"].budget, of[""].budget) == (None, Decimal(7))
    assert [one.unit for one in of[""].units] == ["Shop", "Unmapped", "Idle"]
    assert of["ann"].change == Decimal("10.01")
    assert [(one.item, one.name) for one in of["ann"].accounts] == [(PAYMENTS, "payments")]


@pytest.mark.parametrize("seed", range(20))
def test_every_table_adds_up_whatever_is_charged(seed: int) -> None:
    chance = random.Random(seed)
    accounts = [str(100000000000 + at) for at in range(60)]
    owners = ["", *(f"owner {at}" for at in range(chance.choice((1, 5, 150))))]
    listed = "\n".join(
        f'  - {{id: "{one}", business_unit: U{chance.randrange(20)},'
        f' owner: "{chance.choice(owners)}"}}'
        for one in accounts[:50]
    )
    settings = f"linked_accounts:\n{listed}\nshared_costs: [{{name: S, services: [S0]}}]\n"
    charges = [
        charge(
            str(chance.randrange(-500, 4000) / 1000),
            account=chance.choice(accounts),
            service=f"S{chance.randrange(30)}",
            start=chance.choice((SEPTEMBER.first, OCTOBER.first)),
        )
        for _ in range(400)
    ]
    report = run(charges, settings)
    for found in report.showback:
        assert_adds_up(found.statements, found.others, report.totals)
        for one in found.statements:
            for table in (one.units, one.services, one.accounts):
                if table:
                    assert_adds_up(table, None, one)


def assert_adds_up(lines: Sequence[Any], others: Any, whole: Any) -> None:
    lines = [*lines, *([others] if others else [])]
    for name in ("actual", "previous", "change"):
        assert total(getattr(one, name) for one in lines) == getattr(whole, name)


def test_nobody_is_an_owner_where_none_is_named() -> None:
    assert run([charge("1")], "linked_accounts: []").showback == ()


def test_forecast_and_variance_of_an_owner_are_those_of_the_units() -> None:
    source = FakeSource(
        [charge("10", start=day, account="555555555555") for day in OCTOBER.days if day.day < 20],
        known_until=date(2026, 10, 20),
    )
    made = reconciler([], source=source, configuration=parse(OWNED))
    report = made.run(OCTOBER, now=datetime(2026, 10, 20, tzinfo=UTC)).report
    [labs] = [one for one in report.units if one.name == "Labs"]
    [bob] = [one for one in by(report).statements if one.name == "bob"]
    assert labs.forecast
    assert (bob.forecast, bob.budget) == (labs.forecast, labs.budget)
    assert bob.forecast_variance == labs.forecast - Decimal(40)
    text = write_pages(report)[f"showback/{bob.page}"].decode()
    assert "<dt>Forecast</dt>" in text
    assert "so far" in text


# Tags


def tagged(value: str, amount: str, **facts: Any) -> TaggedCosts:
    made: dict[str, Any] = {
        "linked_account": PAYMENTS,
        "service": "Amazon EC2",
        "first": OCTOBER.first,
        "currency": "USD",
    }
    return TaggedCosts(value=value, amount=Decimal(amount), **{**made, **facts})


class TaggedSource(FakeSource):
    """With tags."""

    def __init__(self, charges: list[Any], *found: TaggedCosts) -> None:
        super().__init__(charges)
        self.found = found

    def tagged_costs(self, _query: TagQuery) -> tuple[TaggedCosts, ...]:
        return self.found


TEAM = "showback: {tags: [team]}"


def test_costs_by_tag_add_up_and_say_what_is_not_tagged() -> None:
    found = (tagged("fraud", "6.004"), tagged("risk", "3.004"), tagged("", "1.002"))
    source = TaggedSource([charge("10.01")], *found)
    report = run([], TEAM, source=source)
    assert actuals(by(report, "tag", "team")) == {"fraud": "6.01", "risk": "3.00", "": "1.00"}
    [check] = [one for one in report.checks if one.name == "tags_add_up"]
    assert (check.holds, check.expected) == (True, Decimal("10.01"))
    pages = write_pages(report)
    assert {"<h1>Not tagged</h1>", "<h1>fraud</h1>"} <= set(
        re.findall("<h1>.*?</h1>", b"".join(pages.values()).decode())
    )


def test_tags_that_do_not_add_up_break_a_check() -> None:
    report = run([], TEAM, source=TaggedSource([charge("10")], tagged("fraud", "6")))
    [check] = [one for one in report.checks if one.name == "tags_add_up"]
    assert (check.holds, check.expected, check.found) == (False, Decimal(10), Decimal(6))


def test_a_tag_that_no_charge_has_is_told_and_so_is_a_source_without_tags() -> None:
    report = run([], TEAM, source=TaggedSource([charge("10")], tagged("", "10")))
    assert report.showback == ()
    assert "No charge has the tag team, so there is no table by it." in report.notes
    assert all(one.holds for one in report.checks if one.name == "tags_add_up")
    report = run([charge("10")], TEAM)
    assert "Charges made by hand has no tags: no table by team." in report.notes


def test_most_values_have_pages_and_the_others_are_one_line() -> None:
    found = [tagged(f"team {at}", f"{at}.01") for at in range(1, MOST_PAGES + 41)]
    cost = total(one.amount for one in found)
    report = run([], TEAM, source=TaggedSource([charge(cost)], *found))
    table = by(report, "tag", "team")
    assert len(table.statements) == MOST_PAGES
    assert table.other_count == 40
    assert table.others
    assert table.others.actual == total(one.amount for one in found[:40])
    assert len(write_pages(report)) == MOST_PAGES
    text = render(report, "html").decode()
    assert "40 more values" in text
    assert len(text) < 2**20


def values(source: ExportedCosts, key: TagKey, **facts: Any) -> dict[str, Decimal]:
    query: dict[str, Any] = {"month": OCTOBER, "key": key, "metric": Metric.BILLED, **facts}
    sums: Counter[str] = Counter()
    for one in source.tagged_costs(TagQuery(**query)):
        if one.first == OCTOBER.first:
            sums[one.value] += one.amount  # type: ignore[assignment]  # Decimals add up, too
    return dict(sums)  # type: ignore[arg-type]


def test_values_of_a_tag_are_read_from_json_of_any_spelling(tmp_path: Path) -> None:
    rows = [
        focus("1", Tags='{"team": "fraud"}', EffectiveCost="3"),
        focus("2", Tags='{"user:team": "Fraud"}'),
        focus("4", Tags='{"Team": "risk"}'),
        focus("8", Tags='{"team": "", "other": "x"}'),
        focus("16", Tags=""),
        focus("32", Tags="not JSON"),
        focus("64", Tags='{"team": "fraud"}', ChargeCategory="Tax"),
        focus("128", Tags='{"team": "fraud"}', BillingPeriodStart="2026-08-01 00:00:00"),
    ]
    source = ExportedCosts([write(tmp_path / "focus.csv", rows)])
    without_tax = frozenset({ChargeCategory.TAX})
    assert values(source, TagKey(key="team"), excluded=without_tax) == {
        "fraud": 1,
        "Fraud": 2,
        "": 60,
    }
    assert values(source, TagKey(key="TEAM", ignore_case=True), excluded=without_tax) == {
        "fraud": 3,
        "risk": 4,
        "": 56,
    }
    assert values(source, TagKey(key="team"), metric=Metric.AMORTIZED)["fraud"] == 67
    assert values(source, TagKey(key="no such tag")) == {"": 127}


@pytest.mark.parametrize(
    "key", ['quote"d', "a.b", "$x[0]", "it's", "back\\slash", "*", "a/b~c", "Ümlaut"]
)
def test_keys_of_any_letters_are_found(tmp_path: Path, key: str) -> None:
    rows = [focus("1", Tags=json.dumps({key: "yes"})), focus("2", Tags=json.dumps({"z": "no"}))]
    source = ExportedCosts([write(tmp_path / "focus.csv", rows)])
    assert values(source, TagKey(key=key)) == {"yes": 1, "": 2}


def test_columns_of_tags_are_read_where_a_cur_has_them(tmp_path: Path) -> None:
    rows = [
        {
            "bill_payer_account_id": PAYER,
            "line_item_usage_account_id": PAYMENTS,
            "product_product_name": "Amazon EC2",
            "bill_billing_period_start_date": "2026-10-01T00:00:00Z",
            "line_item_usage_start_date": "2026-10-05T00:00:00Z",
            "line_item_line_item_type": "Usage",
            "line_item_unblended_cost": cost,
            "line_item_currency_code": "USD",
            "resource_tags_user_team": team,
        }
        for cost, team in (("1", "fraud"), ("2", ""))
    ]
    source = ExportedCosts([write(tmp_path / "cur.csv", rows)])
    assert values(source, TagKey(key="team")) == {"fraud": 1, "": 2}
    assert values(source, TagKey(key="product")) == {"": 3}


def test_a_report_of_an_export_has_a_page_for_each_value(tmp_path: Path) -> None:
    rows = [focus("1.005", Tags=json.dumps({"team": name})) for name in HOSTILE]
    source = ExportedCosts([write(tmp_path / "focus.csv", rows)])
    settings = "tag_rules: [{tag: team, values: [none], business_unit: None of these}]"
    report = run([], settings, source=source)
    assert {one.name for one in by(report, "tag", "team").statements} == set(HOSTILE)
    assert all(one.holds for one in report.checks if one.name == "tags_add_up")
    assert len(write_pages(report)) == len(HOSTILE)


# Settings


def test_tags_of_rules_are_shown_unless_others_are_named() -> None:
    rules = "tag_rules: [{tag: team, values: [a], business_unit: A}]\n"
    assert parse(rules).showback_tags == (TagKey(key="team"),)
    assert parse(rules + "showback: {tags: []}").showback_tags == ()
    assert parse(rules + "showback: {tags: [b, c, b]}").showback_tags == (
        TagKey(key="b"),
        TagKey(key="c"),
    )
    folded = parse("ignore_tag_case: true\nshowback: {tags: [Team, team]}").showback_tags
    # Cost Explorer knows a key only as it is written.
    assert folded == (TagKey(key="Team", ignore_case=True),)
    with pytest.raises(RejectedInput, match="showback"):
        parse("showback: {tags: [a, b, c, d, e, f]}")
    with pytest.raises(RejectedInput, match="showback"):
        parse("showback: {tags: ['']}")


# Pages


def hostile_report() -> Report:
    accounts = [
        {"id": str(at), "name": name[:90], "business_unit": name[:150], "owner": name}
        for at, name in enumerate(HOSTILE)
    ]
    listed = json.dumps(accounts, ensure_ascii=False)
    charges = [
        charge("1.01", account=str(at), service=name[:100]) for at, name in enumerate(HOSTILE)
    ]
    source = TaggedSource(charges, *(tagged(name, "1.01", service=name[:100]) for name in HOSTILE))
    return run([], f"linked_accounts: {listed}\n{TEAM}", source=source)


class Links(HTMLParser):
    """The tags of a page, and where it leads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        facts = dict(attrs)
        assert not any(name.startswith("on") for name in facts)
        if facts.get("id"):
            self.ids.add(str(facts["id"]))
        if tag == "a":
            self.links.append(str(facts["href"]))


def test_hostile_names_break_no_page_link_or_file_name(tmp_path: Path) -> None:
    report = hostile_report()
    stored = Reports(Folder(tmp_path)).write(
        report, {"html": render(report, "html")}, write_pages(report)
    )
    first = Path(stored.locations["html"])
    pages = sorted((first.parent / "showback").iterdir())
    assert len(pages) == 2 * len(HOSTILE)
    # Also where case does not count, and names may have 255 bytes.
    assert len({one.name.lower() for one in pages}) == len(pages)
    for one in pages:
        assert re.fullmatch(r"[a-z0-9-]{1,140}\.html", one.name)
    by_path = {path: Links(path.read_text(encoding="utf-8")) for path in (first, *pages)}
    for path, found in by_path.items():
        assert not {"script", "img", "iframe", "link", "object"} & set(found.tags)
        assert not re.search(r"https?://|url\(|@import|@font-face", path.read_text())
        for link in found.links:
            name, _, anchor = link.partition("#")
            target = (path.parent / unquote(name)).resolve() if name else path
            assert target in by_path, link
            assert not anchor or anchor in by_path[target].ids, link
    # From the report to each, and from each to every other one by the same.
    assert {f"showback/{one.name}" for one in pages} <= set(by_path[first].links)


def test_a_page_is_named_by_its_text_and_told_apart_by_a_hash() -> None:
    assert page_name("owner", "", "Zoë Ångström").startswith("owner-zoe-angstrom-")
    assert page_name("tag", "cost center", "").startswith("tag-cost-center-none-")
    names = [page_name(kind, key, name) for kind, key in (("owner", ""), ("tag", "a"), ("tag", "A"))
             for name in ("", *HOSTILE)]  # fmt: skip
    assert len(set(names)) == len(names)
    assert all(PurePosixPath(one).name == one for one in names)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture(params=["folder", "bucket"])
def reports(request: pytest.FixtureRequest, tmp_path: Path) -> Reports:
    if request.param == "folder":
        return Reports(Folder(tmp_path))
    return Reports(S3Files(request.getfixturevalue("s3"), BUCKET))


def test_pages_of_an_open_month_are_replaced_and_former_ones_say_so(reports: Reports) -> None:
    report = replace(run(CHARGES), revision=0)
    reports.write(report, {"html": b"<p>"}, {"showback/a.html": b"a", "showback/b.html": b"b"})
    reports.write(report, {"html": b"<p>"}, {"showback/b.html": b"B"})
    files = reports._files
    assert files.read("provisional/2026-10/showback/b.html") == b"B"
    gone = files.read("provisional/2026-10/showback/a.html").decode()
    assert "not in the newest report of 2026-10" in gone
    assert 'href="../reconciliation-2026-10.html"' in gone
    assert reports.months() == {"2026-10": 0}
    reports.write(report, {"json": b"{}"})
    assert files.read("provisional/2026-10/showback/b.html") == b"B", "its HTML is still there"
    # Another run finds the same.
    reports.write(report, {"html": b"<p>"}, {"showback/a.html": b"A"})
    assert files.read("provisional/2026-10/showback/a.html") == b"A"


def test_pages_of_a_revision_stay_beside_it(reports: Reports) -> None:
    report = run(CHARGES)
    stored = reports.write(report, {"html": b"<p>"}, {"showback/a.html": b"a"})
    assert reports.newest("2026-10")
    folder = f"reports/{stored.locations['html'].partition('reports/')[2].rpartition('/')[0]}"
    assert reports._files.read(f"{folder}/showback/a.html") == b"a"
    other = replace(report, revision=2)
    reports.write(other, {"html": b"<p>"}, {"showback/b.html": b"b"})
    assert reports._files.read(f"{folder}/showback/a.html") == b"a"
    assert reports.months() == {"2026-10": 2}


@pytest.mark.parametrize(("formats", "expected"), [(("html", "json"), True), (("json",), False)])
def test_pages_are_written_beside_html_only(
    tmp_path: Path, formats: tuple[str, ...], expected: bool
) -> None:
    made = reconciler(
        CHARGES,
        configuration=parse(OWNED),
        formats=formats,
        store=Reports(Folder(tmp_path)),
        render_pages=write_pages,
    )
    made.run(OCTOBER, now=datetime(2026, 11, 20, tzinfo=UTC), close=True)
    assert bool(list(tmp_path.glob("reports/*/*/showback/owner-*.html"))) is expected


# Other formats


def test_csv_and_json_have_the_same_lines() -> None:
    found = (tagged("fraud", "200"), tagged("", "8.01"))
    report = run([], f"{OWNED}\n{TEAM}", source=TaggedSource(CHARGES, *found))
    text = render(report, "csv").decode("utf-8-sig")
    rows = [
        one for one in csv.DictReader(io.StringIO(text, newline="")) if one["table"] == "showback"
    ]
    told = [
        ("owner", one["owner"], one["amount"]) if one["item"] == "owner" else
        ("tag", one["item"].removeprefix("team="), one["amount"])
        for one in rows
    ]  # fmt: skip
    document = json.loads(render(report, "json"))
    assert told == [
        (table["by"], one["name"], one["actual"])
        for table in document["showback"]
        for one in table["statements"]
    ]
    assert {one["currency"] for one in rows} == {"USD"}


def test_a_report_with_pages_is_as_its_published_schema_says() -> None:
    found = (tagged("fraud", "200"), tagged("", "8.01"))
    report = run([], f"{OWNED}\n{TEAM}", source=TaggedSource(CHARGES, *found))
    Draft202012Validator(report_schema.schema()).validate(json.loads(render(report, "json")))


def test_statement_names_its_file_in_json() -> None:
    report = run(CHARGES)
    pages = write_pages(report)
    [table] = json.loads(render(report, "json"))["showback"]
    assert {f"showback/{one['page']}" for one in table["statements"]} == pages.keys()


def test_same_costs_in_another_order_give_the_same_bytes() -> None:
    found = [tagged(f"t{at}", "1.005") for at in range(7)]
    cost = total(one.amount for one in found)
    made = [
        run([], f"{OWNED}\n{TEAM}", source=TaggedSource([charge(cost), *CHARGES[1:]][::step],
                                                        *found[::step]))
        for step in (1, -1)
    ]  # fmt: skip
    assert made[0] == made[1]
    assert write_pages(made[0]) == write_pages(made[1])


def test_shares_are_of_all_costs() -> None:
    report = run(CHARGES)
    shares = [one.share_pct for one in by(report).statements]
    assert abs(total(one or Decimal(0) for one in shares) - 100) < 1
    assert isinstance(by(report).statements[0], Statement)
