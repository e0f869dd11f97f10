"""Lines of totals are never money, and bills that only look like them are loaded."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops.billing.checking import check_file
from finops.billing.dataset_format import DatasetFormat
from finops.billing.domain import FileEntry, FileStatus
from finops.billing.totals_words import begin_with_total, is_total
from finops.shared.rates import ExchangeRates, RatePolicy
from tests.billing.use_cases import HEADER, SETTINGS, Flow

Line = tuple[str, str]


def lines(*rows: Line, day: str = "2026-03-31", currency: str = "USD") -> bytes:
    """A bill for each id and amount; a line of totals looks like one but for its id."""
    texts = (f'"{name}",,,,,,{day},{currency},{amount}\n' for name, amount in rows)
    return (HEADER + "".join(texts)).encode()


BILLS: list[Line] = [("B-1", "100"), ("B-2", "200.50"), ("B-3", "7")]


def load(body: bytes, form: DatasetFormat | None = None, *, part_bytes: int = 0) -> Flow:
    flow = Flow(replace(SETTINGS, formats={"f": form} if form else {}))
    if part_bytes:
        flow.settings = replace(flow.settings, large_file_bytes=1)
    entry = flow.load(flow.objects.put("billing/f/a.csv", body))
    if part_bytes:
        entry = flow.run_workflow(entry.load_id, part_bytes)
    return flow


def entry_of(flow: Flow) -> FileEntry:
    found: FileEntry = flow.store.files[1]
    return found


def refused(flow: Flow) -> list[tuple[int, str]]:
    found = [(row.line, row.reason) for one in flow.quarantines for row in one.rows]
    return sorted(found)


def total(flow: Flow) -> Decimal:
    return sum((Decimal(row["bill_amount"]) for row in flow.store.rows.values()), Decimal(0))


@pytest.mark.parametrize("amount", ["307.50", "1"])
@pytest.mark.parametrize(
    "name",
    [
        *("Total", "Totals", "Grand total", "GRAND TOTAL USD", "Subtotal", "Sub-Total Acme"),
        *("Summe", "Summe USD", "Zwischensumme", "Zwischensumme 2026", "Gesamtsumme:", "Gesamt"),
        *("Gesamtergebnis", "Endbetrag", "Total général", "Total general USD", "Sous-total"),
        *("Sous-total mars", "Totale", "Totale complessivo", "Totale generale 2026", "Suma"),
        *("Suma total", "Importe total", "Total Geral", "Soma", "Totaal", "Eindtotaal", "Razem"),
        *("Ogółem", "Celkem", "Summa", "Yhteensä", "Összesen", "Toplam", "Genel toplam"),
        *("Итого", "ИТОГО:", "Итого USD", "Итого по марту", "Общая сумма", "Σύνολο", "合計"),
        *(
            "合計 (USD)",
            "小計",
            "总计",
            "합계",
            "المجموع",
            "*** Total ***",
            "= Summe =",
            "Total USD",
        ),
        *("Total EUR", "Total 2026-03", "Total 03/2026", "Total March 2026", "Totals for March"),
        *("Total: USD", "Summe: März", "Total invoice", "Total amount due", "Total invoices USD"),
        *("Total billed 2026-03", "Total charges (USD)", "Total facture"),
    ],
)
def test_an_id_that_names_totals_is_no_bill_whatever_its_amount(name: str, amount: str) -> None:
    flow = load(lines(*BILLS, (name, amount)))
    assert refused(flow) == [(5, "totals_row")]
    assert entry_of(flow).status is FileStatus.LOADED_WITH_REJECTS
    assert (total(flow), entry_of(flow).amounts) == (Decimal("307.50"), {"USD": Decimal("307.50")})


@pytest.mark.parametrize(
    "name",
    [
        # In no list of words: none has a digit, as the ids above have.
        *("Kopsumma", "Jumla kuu", "Samtals", "Gesamtwert", "Gran Suma", "Cyfanswm", "Σ", "x"),
        # Also names, which is why the amount decides.
        *("Total FRA", "Acme Total", "Total Acme 7", "Acme Ergebnis", "Balance 31", "Suma 3"),
        "",
    ],
)
def test_an_amount_that_is_the_sum_of_the_rows_above_shows_a_line_of_totals(name: str) -> None:
    flow = load(lines(*BILLS, (name, "307.50")))
    assert refused(flow) == [(5, "totals_row")]
    assert total(flow) == Decimal("307.50")
    (row,) = flow.quarantines[0].rows
    assert "307.50 USD is the sum of the 3 rows above it" in row.message


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("Total FRA", "100"), ("B-2", "30")], "130"),
        ([*BILLS, ("Total FRA", "307.40")], "614.90"),
        ([*BILLS, ("TOTAL-4711", "9")], "316.50"),
        ([*BILLS, ("Total 4711", "9")], "316.50"),
        # An amount alone says nothing: two bills may cost the same, or what others do together.
        ([("B-1", "10"), ("B-2", "10"), ("B-3", "20"), ("B-4", "40")], "80"),
        # Where ids are words, one more is an id.
        ([("alpha", "10"), ("beta", "10"), ("gamma", "20")], "40"),
        ([("B-1", "10"), ("beta", "3"), ("gamma", "13")], "26"),
        ([("B-1", "5"), ("B-2", "-5"), ("credit", "0")], "0"),
        ([("Summit-1", "5"), ("Totality-9", "5")], "10"),
    ],
)
def test_bills_that_look_like_totals_are_loaded(rows: list[Line], expected: str) -> None:
    flow = load(lines(*rows))
    assert (refused(flow), total(flow)) == ([], Decimal(expected))
    assert entry_of(flow).status is FileStatus.LOADED


def test_subtotals_are_sums_since_the_last_one_and_the_end_is_the_sum_of_all_bills() -> None:
    flow = load(
        lines(
            *[("A-1", "100"), ("A-2", "20"), ("Acme Total", "120")],
            *[("B-1", "7"), ("B-2", "5"), ("B-3", "1"), ("Byte Total", "13")],
            *[("North", "133"), ("C-1", "50"), ("Coda Total", "50.00")],
            ("Everything", "183"),
        )
    )
    kinds = [(line, "totals_row") for line in (4, 8, 9, 11, 12)]
    assert (refused(flow), total(flow)) == (kinds, Decimal(183))


@pytest.mark.parametrize("company", ["Total Wine", "Som Distilleries"])
def test_one_bill_of_the_same_amount_is_no_evidence_against_another(company: str) -> None:
    rows = [("INV-1", "Acme", "10"), ("INV-2", company, "10")]
    texts = (f"{name},{who},,,,,2026-03-31,USD,{amount}\n" for name, who, amount in rows)
    flow = load((HEADER + "".join(texts)).encode())
    assert refused(flow) == []
    assert total(flow) == 20


def test_each_currency_has_its_sum() -> None:
    body = lines(("B-1", "100"), ("B-2", "5")) + b"B-3,,,,,,2026-03-31,USD,7\n"
    euros = b"E-1,,,,,,2026-03-31,USD,1\nall,,,,,,2026-03-31,USD,113\n"
    assert refused(load(body + euros)) == [(6, "totals_row")]
    other = lines(("E-1", "30"), ("E-2", "4"), currency="EUR").partition(b"\n")[2]
    both = body + other + b"all,,,,,,2026-03-31,EUR,34\nwhole,,,,,,2026-03-31,USD,112\n"
    flow = Flow(replace(SETTINGS, rates=RatePolicy(static={"EUR": Decimal("1.1")})))
    flow.load(flow.objects.put("billing/f/a.csv", both))
    assert refused(flow) == [(7, "totals_row"), (8, "totals_row")]
    assert flow.store.files[1].amounts == {"USD": Decimal(112), "EUR": Decimal(34)}


def test_a_line_of_totals_counts_rows_that_are_rejects_for_another_reason() -> None:
    body = lines(*BILLS) + b"B-4,,,,,,never,USD,10\nSamtals,,,,,,2026-03-31,USD,317.50\n"
    flow = load(body)
    assert refused(flow) == [(5, "invalid_date"), (6, "totals_row")]
    # Without a day it is no bill anyway; the reason says what it is.
    flow = load(lines(*BILLS) + b"B-9,,,,,,,USD,307.50\n,,,,,,2026-03-31,USD,307.5\n")
    assert refused(flow) == [(5, "totals_row"), (6, "totals_row")]


def test_totals_are_as_exact_as_they_are_written() -> None:
    rows = [("B-1", "1.111"), ("B-2", "2.222"), ("B-3", "3.336")]
    assert refused(load(lines(*rows, ("Samtals", "6.67")))) == [(5, "totals_row")]
    assert refused(load(lines(*rows, ("Samtals", "6.68")))) == []


HASHED = DatasetFormat(
    columns={"bill_date": "Datum", "bill_amount": "Betrag"},
    constants={"currency": "USD"},
    id_from=("Datum", "Kunde", "Text", "Betrag"),
)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        # The day and the currency are filled, so that nothing else makes it a reject.
        ("2026-03-31,Summe,,307.50", "totals_row"),
        ("2026-03-31,,Gesamtsumme März,1", "totals_row"),
        ("2026-03-31,Total,,307.50", "totals_row"),
        ("2026-03-31,Total Kunden,alle,307.50", "totals_row"),
        ("2026-03-31,alle 2,Итого,9", "totals_row"),
        ("2026-03-31,K-9,#NV,4", "missing_value"),
        ("2026-03-31,#WERT!,x,4", "missing_value"),
        ("2026-03-31,Total,x,4", ""),
        ("2026-03-31,TotalEnergies,x,307.40", ""),
        ("2026-03-31,K-9,n/a,4", ""),
    ],
)
def test_totals_and_errors_are_no_bills_where_ids_are_hashes(row: str, reason: str) -> None:
    body = (
        "Datum,Kunde,Text,Betrag\n2026-03-01,K-1,a,100\n2026-03-02,K-2,b,200.50\n"
        f"2026-03-03,K-3,c,7\n{row}\n"
    ).encode()
    flow = load(body, HASHED)
    assert refused(flow) == ([(5, reason)] if reason else [])
    expected = Decimal("307.5") + (0 if reason else Decimal(row.rpartition(",")[2]))
    assert total(flow) == expected


@pytest.mark.parametrize("text", ["#NV", "#WERT!", "TBD", "n/a", "####", "-"])
def test_an_amount_that_is_none_is_told_so(text: str) -> None:
    flow = load(lines(*BILLS, ("B-4", text)))
    assert refused(flow) == [(5, "invalid_amount")]
    assert "--decimal-comma" not in flow.quarantines[0].rows[0].message


names = st.sampled_from(
    ["B-1", "B-2", "B-3", "B-4", "x", "Total", "Total FRA", "Acme Total", "Итого", "", "Samtals"]
)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(names, st.sampled_from(["1", "2", "3", "-1", "x"])), max_size=14),
    part_bytes=st.integers(1, 300),
)
def test_a_file_has_the_same_totals_in_parts_in_a_check_and_whole(
    rows: list[Line], part_bytes: int
) -> None:
    body = lines(*rows)
    whole, in_parts = load(body), load(body, part_bytes=part_bytes)
    assert refused(whole) == refused(in_parts)
    assert whole.store.rows == in_parts.store.rows
    stream = whole.objects.open
    checked = check_file(
        lambda: stream(entry_of(whole).source), None, ExchangeRates(RatePolicy(), whole.store.rates)
    )
    assert sorted((one.line, one.reason) for one in checked.problems) == refused(whole)


@given(st.sampled_from(["Total", "Summe EUR", "Итого", "Sous-total", "合計", "tổng cộng"]))
def test_what_names_totals_is_found_by_the_quick_look(text: str) -> None:
    for written in (text, text.upper(), f"  ** {text}:"):
        assert is_total(written)
        assert begin_with_total([written, "B-1"]) == {written}
