"""Text that is not UTF-8 is read where its encoding is certain, and refused otherwise."""

# ruff: noqa: RUF001 - letters as they are written

from __future__ import annotations

import json
from itertools import combinations

import pytest

from finops.billing.dataset_format import format_key
from finops.billing.encodings import certain_reading, plausible_encodings
from tests.billing.use_cases import Flow

WORDS = {
    "cp1252": "Müller Straße Crème brûlée Société Hôpital Noël Núñez Peña Camión São Informação "
    "Malmö Åkesson København Ærø Città Zoë façade naïve Genève € £ “Café” ÅHLÉNS",
    "cp1250": "Łódź Wrocław Kraków Gdańsk Příliš Plzeň Dvořák Győr Tűzoltó Šibenik Čakovec Košice",
    "cp1251": "Москва Иванов Общество",
    "cp1253": "Αθήνα Εταιρεία Θεσσαλονίκη",
    "cp1254": "İstanbul Şirketi Güneş Ağrı",
    "cp1257": "Šiauliai Rīga Tõnu Kęstutis",
    "cp850": "Müller Köln Crème Núñez Société Ærø",
    "cp852": "Łódź Wrocław Dvořák",
    "iso8859-2": "Łódź Dvořák Šibenik",
    "mac-roman": "Müller Köln Crème Núñez Société Ærø",
    "koi8-r": "Москва Иванов",
    "cp932": "東京 山田商事 カタカナ",
}


def test_no_words_of_any_encoding_are_read_as_others() -> None:
    certain = 0
    for encoding, words in WORDS.items():
        some = words.split()
        for chosen in [*((one,) for one in some), *combinations(some, 2)]:
            text = ";".join(chosen)
            found = certain_reading(plausible_encodings(text.encode(encoding)))
            assert found is None or found[0] == text, (encoding, text, found)
            certain += found is not None
    assert certain > 250


@pytest.mark.parametrize(
    ("text", "encoding", "told"),
    [
        ("Müller & Söhne – 5 €", "cp1252", "cp1252"),
        ("Núñez y Compañía", "cp1252", "cp1252"),
        ("Spółka Łódź", "cp1250", "cp1250"),
        ("Општина Београд", "cp1251", "cp1251"),
        ("Москва", "koi8-r", "koi8-r"),
        ("Köln, Straße", "cp850", "cp850"),
        ("Société Générale", "mac-roman", "mac-roman"),
        ("Liège", "cp1252", ""),
        ("Dvořák", "cp1250", ""),
        ("山田商事", "cp932", ""),
        ("Å", "cp1252", ""),
    ],
)
def test_an_encoding_is_told_where_it_is_certain(text: str, encoding: str, told: str) -> None:
    found = certain_reading(plausible_encodings(text.encode(encoding)))
    assert (found or ("", ""))[1] == told


BODY = "id,date,currency,amount,company\n1,2026-03-05,USD,1,{}\n2,2026-03-05,USD,2,Acme\n"


@pytest.mark.parametrize(
    ("name", "encoding", "note"),
    [
        ("Müller", "cp1252", "not_utf_8"),
        ("Spółka Łódź", "cp1250", "read_as_cp1250"),
        ("Société Générale", "mac-roman", "read_as_mac-roman"),
    ],
)
def test_a_guess_is_told_with_its_encoding(name: str, encoding: str, note: str) -> None:
    flow = Flow()
    entry = flow.load(flow.objects.put("billing/d/a.csv", BODY.format(name).encode(encoding)))
    assert (entry.status, entry.tally.notes) == ("LOADED", {note: 1})
    assert flow.store.rows["d", "1"]["company_name"] == name


def test_an_uncertain_name_costs_its_line_and_is_loaded_once_it_is_declared() -> None:
    flow = Flow()
    body = BODY.format("Brasserie de Liège").encode("cp1252")
    entry = flow.load(flow.objects.put("billing/d/a.csv", body))
    assert (entry.status, entry.tally.inserted) == ("LOADED_WITH_REJECTS", 1)
    (row,) = flow.quarantines[-1].rows
    assert (row.line, row.reason) == (2, "invalid_encoding")
    assert "Windows-1252 ('Liège') or Windows-1250 ('Ličge')" in row.message
    assert "finops billing format" in row.message
    flow.objects.content[format_key("d"), ""] = json.dumps({"encoding": "cp1252"}).encode()
    again = flow.load(flow.objects.put("billing/d/a.csv", body))
    assert (again.status, again.tally.inserted, again.tally.notes) == ("LOADED", 1, {})
    assert flow.store.rows["d", "1"]["company_name"] == "Brasserie de Liège"


def test_lines_that_others_make_certain_are_read_with_them() -> None:
    flow = Flow()
    body = BODY.format("Liège").replace("Acme", "Núñez y Compañía").encode("cp1252")
    entry = flow.load(flow.objects.put("billing/d/a.csv", body))
    assert entry.tally.notes == {"not_utf_8": 2}
    assert flow.store.rows["d", "1"]["company_name"] == "Liège"
