"""What stands where a bill's id should, and is none: words for nothing, and names of totals.

As ids they would count a total beside its bills, or let one bill take the place of another.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

#: What databases and spreadsheets write for a value that is not there, in lower case.
_NOTHING: Final = frozenset(
    {"null", "(null)", "<null>", r"\n", "none", "nil", "nan", "undefined", "n/a", "(blank)", "-"}
    | {"--", "#n/a", "#ref!", "#value!", "#name?", "#div/0!", "#num!", "#null!"}
)
#: Names of a line of totals, in lower case, in the languages of headers that are known.
_TOTALS: Final = frozenset(
    {"total", "totals", "grand total", "subtotal", "sub-total", "sub total", "sum"}
    | {"summe", "gesamt", "gesamtsumme", "gesamtbetrag", "zwischensumme", "endsumme", "endbetrag"}
    | {"total général", "sous-total", "somme", "total general", "suma", "suma total"}
    | {"total geral", "soma", "totale", "totale generale", "subtotale", "somma"}
    | {
        "totaal",
        "subtotaal",
        "eindtotaal",
        "razem",
        "ogółem",
        "summa",
        "合計",
        "小計",
        "总计",
        "合计",
    }
)
#: Such a name with what is summed: "Subtotal Acme", "Total for March", "Total USD".
_TOTAL_OF: Final = re.compile(
    r"(?:grand total|sub-?total|zwischensumme|sous-total)[s:]?\s.*"
    r"|totals? (?:(?:for|of|in|per|by)\s.*|[a-z]{3})"
)
_HEADS: Final = frozenset(name[:2] for name in _NOTHING | _TOTALS)
#: Marks that people set around them.
_MARKS: Final = " \t\xa0:.*="
#: Characters that are not seen, such as a byte order mark within a file: two ids would look alike.
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


def is_nothing(text: str) -> bool:
    """Whether a text only says that there is no value."""
    return text.lower() in _NOTHING


def is_total(text: str) -> bool:
    """Whether a text names a line of totals."""
    name = text.strip(_MARKS).lower()
    return name in _TOTALS or _TOTAL_OF.fullmatch(name) is not None


def has_invisible(text: str) -> bool:
    """Whether a text holds characters that are not seen."""
    return _INVISIBLE.search(text) is not None


def are_plain(texts: Collection[str]) -> bool:
    """Whether all of some texts are surely ids; a quick look, which may say no where they are."""
    heads = {text[:2].lower() for text in texts}
    return (
        _HEADS.isdisjoint(heads)
        and all(head[:1].isalnum() for head in heads)
        and not has_invisible("".join(texts))
    )
