"""The countries that the text of a document names."""

from __future__ import annotations

import re
from typing import Final

#: The states of each first digit of their ZIP codes, so that "DE 80331" is not in Delaware:
#: https://pe.usps.com/text/dmm300/L002.htm
_STATES: Final = {
    "0": "CT MA ME NH NJ RI VT PR",
    "1": "NY PA",
    "2": "DC MD NC SC VA WV",
    "3": "AL FL GA MS TN",
    "4": "IN KY MI OH",
    "5": "IA MN MT ND SD WI",
    "6": "IL KS MO NE",
    "7": "AR LA OK TX",
    "8": "AZ CO ID NM NV UT WY",
    "9": "AK CA HI OR WA",
}
_ADDRESSES: Final = "|".join(
    [
        *(
            rf"(?:{states.replace(' ', '|')})[ ,]+{digit}\d{{4}}"
            for digit, states in _STATES.items()
        ),
        r"DE[ ,]+19[7-9]\d\d",
    ]
)
UNITED_STATES: Final = (
    rf"\bUSA\b|\bU\.S\.A|\bUnited States\b|\b(?:{_ADDRESSES})(?:-\d{{4}})?\b|\bPuerto Rico\b"
)
#: https://www150.statcan.gc.ca/n1/pub/92-195-x/2011001/other-autre/pc-cp/def-eng.htm
CANADA: Final = (
    r"\bCanada\b|\b[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] \d[ABCEGHJ-NPRSTV-Z]\d\b|\bGST/HST\b|"
    r"\bHST\b"
)


def names_united_states(text: str) -> bool:
    """Whether a text has an address in the United States, or names the country."""
    return re.search(UNITED_STATES, text) is not None
