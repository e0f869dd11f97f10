"""The names of months in the languages of invoices, and the names that mean several months."""

# ruff: noqa: RUF001 - Turkish has a letter i without a dot
from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

_NAMES: Final = {
    1: "january jan januar jänner jaenner janvier janv januari enero ene gennaio gen janeiro "
    "styczeń stycznia sty siječanj siječnja leden ledna január ianuarie ocak tammikuu "
    "tammikuuta",
    2: "february feb febr februar février fevrier févr fevr februari febrero febbraio fevereiro "
    "fev luty lutego lut veljača veljače únor února február februarie şubat helmikuu "
    "helmikuuta",
    3: "march mar märz maerz mrz mars maart mrt marzo março marco marts marzec marca "
    "ožujak ožujka březen března bře marec március martie mart maaliskuu maaliskuuta",
    4: "april apr avril avr abril abr aprile kwiecień kwietnia kwi travanj travnja duben dubna "
    "dub apríl április aprilie nisan huhtikuu huhtikuuta",
    5: "may mai mei mayo maggio mag maj maio maja svibanj svibnja květen května kvě máj mája "
    "május mayıs toukokuu toukokuuta",
    6: "june jun juni juin junio giugno giu junho czerwiec czerwca cze lipanj lipnja lip červen "
    "června junij jún júna június iunie haziran kesäkuu kesäkuuta",
    7: "july jul juli juillet juil julio luglio lug julho lipiec lipca lip srpanj srpnja srp "
    "červenec července julij júl júla július iulie temmuz heinäkuu heinäkuuta",
    8: "august aug août aout augustus agosto ago agustus augusti sierpień sierpnia sie kolovoz "
    "kolovoza srpen srpna srp avgust augusztus ağustos elokuu elokuuta",
    9: "september sep sept septembre septiembre setiembre settembre set setembro wrzesień "
    "września wrz rujan rujna září zář szeptember septembrie eylül syyskuu syyskuuta",
    10: "october oct oktober okt octobre octubre ottobre ott outubro out październik października "
    "paź paz listopad listopada lis říjen října říj október octombrie ekim lokakuu lokakuuta",
    11: "november nov novembre noviembre novembro listopad listopada listopadu lis studeni "
    "studenoga studenog noiembrie kasım marraskuu marraskuuta",
    12: "december dec dezember dez décembre decembre déc diciembre dic dicembre dezembro "
    "grudzień grudnia gru des desember prosinac prosinca prosinec prosince decembrie aralık "
    "joulukuu joulukuuta",
}
MONTHS_OF: Final[Mapping[str, frozenset[int]]] = {
    name: frozenset(number for number, names in _NAMES.items() if name in names.split())
    for names in _NAMES.values()
    for name in names.split()
}
#: Months that Croatian names as its neighbours name others: "listopad" is October in Croatian and
#: November in Polish and Czech.
_CROATIAN: Final = {"listopad": 10, "listopada": 10, "lis": 10, "lip": 6, "srp": 7}
_CROATIAN_WORDS: Final = frozenset(
    re.findall(
        r"\S+",
        "račun racun računa oib pdv ukupno hrvatska croatia zagreb dospijeća dospijeće kupac",
    )
)
_NEIGHBOURS_WORDS: Final = frozenset(
    re.findall(
        r"\S+",
        "nip faktura kwota sprzedawca nabywca pln polska poland dph dič ičo czk "
        "splatnosti odběratel dodavatel česká",
    )
)


def month_of(name: str, words: Collection[str]) -> tuple[int, str]:
    """The month of this name: 0 if there is none, and why it is uncertain (else empty).

    Args:
        name: In any case, with or without a dot at its end.
        words: The words of the document in lower case, which tell its language.
    """
    known = name.casefold().rstrip(".")
    months = MONTHS_OF.get(known, frozenset())
    if len(months) < 2:
        return next(iter(months), 0), ""
    croatian = not _CROATIAN_WORDS.isdisjoint(words)
    neighbour = not _NEIGHBOURS_WORDS.isdisjoint(words)
    local = _CROATIAN[known]
    (other,) = months - {local}
    if croatian == neighbour:
        return local, f"{name} is month {local} in Croatian, and month {other} in Polish or Czech"
    return (local if croatian else other), ""


def words_of(text: str) -> set[str]:
    """The words of a text in lower case."""
    return set(re.findall(r"[^\W\d_]+", text.casefold()))
