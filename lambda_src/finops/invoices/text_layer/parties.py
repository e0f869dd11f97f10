"""The vendor and the receiver of an invoice, by the look and the position of company names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from finops.invoices.identity import vendor_key
from finops.invoices.text_layer.labels import (
    ACCOUNT_HOLDER,
    AMOUNT,
    DATE,
    LABELS,
    LEGAL_FORM,
    RECEIVER,
)
from finops.invoices.text_layer.words import Line, Piece

_DOMAIN: Final = re.compile(
    r"(?:@|www\.|https?://)(?:www\.)?([a-z0-9-]+(?:\.[a-z0-9-]+)*)\.[a-z]{2,}", re.IGNORECASE
)
#: Domains that say nothing about the sender.
_PROVIDERS: Final = frozenset(
    {"gmail", "outlook", "hotmail", "yahoo", "gmx", "icloud", "example", "mail", "web", "tcpdf"}
)
_TITLE: Final = re.compile(
    r"(?:tax |kopie |copy |original )?(?:invoice|rechnung|facture|factuur|factura|fattura|fatura|"
    r"faktura|credit note|gutschrift|receipt|quittung|avoir|statement|page|seite|pagina)\b.*",
    re.IGNORECASE,
)
_SPLIT: Final = re.compile(r"\s{1,8}[-–—|•·]\s{1,8}|\s{0,8}[•|·]\s{0,8}")  # noqa: RUF001
_ADDRESS: Final = re.compile(
    r"\b\d{4,6}\b|^\d+\s|\b\d+[a-z]?$|street|straße|strasse|road|avenue|\brue\b|\blane\b|\bweg\b|laan\b|plein\b|"
    r"\bcalle\b|\bvia\b|\brua\b|box \d|suite|floor|p\.?o\.? box",
    re.IGNORECASE,
)
#: Percent: words read with less confidence at the start of a name are noise.
_NOISE: Final = 60.0
#: Percent: of a name that may be the receiver's.
_UNCONFIRMED: Final = 75.0
_BANK: Final = re.compile(r"\bbank|sparkasse|banque|\biban\b|\bbic\b|swift", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A party's name, the lines of its address, and the confidence in percent."""

    name: Piece
    address: tuple[Piece, ...] = ()
    sure: float


def vendor_of(pages: Sequence[Sequence[Line]]) -> dict[int, Party]:
    """The vendor for each page, by page number, that shows its name.

    A name gets points for a legal form, for matching an e-mail or web address or the account
    holder, for large letters at the top, and for appearing at the top and at the bottom. The
    receiver's name gets none. Where no receiver is found, a name that nothing else confirms may be
    the receiver's, and gets less confidence.
    """
    text = "\n".join(line.text for lines in pages for line in lines)
    domains = {
        re.sub(r"[^a-z0-9]", "", part.lower())
        for found in _DOMAIN.findall(text)
        for part in found.split(".")
        if len(part) > 3 and part.lower() not in _PROVIDERS
    }
    holders = {
        vendor_key(_SPLIT.split(match["name"])[0])
        for lines in pages
        for line in lines
        for piece in (*line.pieces, line.whole)
        if (match := ACCOUNT_HOLDER.search(piece.text))
    }
    addressed = any(receiver_of(lines) or _received(lines) for lines in pages)
    confirmed: set[str] = set()
    points: dict[str, float] = {}
    seen: dict[str, list[tuple[int, Piece, Sequence[Line], int]]] = {}
    for number, lines in enumerate(pages, 1):
        if not lines:
            continue
        usual = median(piece.height for line in lines for piece in line.pieces)
        received = _received(lines)
        for at, line in enumerate(lines):
            for piece in _names(line):
                key = vendor_key(piece.text)
                if not key or id(piece.words[0]) in received:
                    continue
                score = _points(piece, usual, domains, holders, key)
                if addressed or _is_known(key, domains, holders):
                    confirmed.add(key)
                points[key] = max(points.get(key, 0.0), score)
                seen.setdefault(key, []).append((number, piece, lines, at))
    for key, places in seen.items():
        heights = {round(piece.top, 1) for _, piece, _, _ in places}
        if len(heights) > 1:
            points[key] += 1.5
            confirmed.add(key)
    found = _best(points, seen, confirmed)
    if len(pages) > 1:
        # A document can contain invoices of several vendors.
        for number, lines in enumerate(pages, 1):
            if number not in found and (alone := vendor_of([lines])):
                found[number] = alone[1]
    return found


def _best(
    points: dict[str, float],
    seen: dict[str, list[tuple[int, Piece, Sequence[Line], int]]],
    confirmed: set[str],
) -> dict[int, Party]:
    """The name with the most points, on each of its pages; none if no name has enough."""
    if not points:
        return {}
    ranked = sorted(points, key=lambda key: -points[key])
    best = ranked[0]
    lead = points[best] - (points[ranked[1]] if len(ranked) > 1 else 0.0)
    if points[best] < 2.0:
        return {}
    sure = min(97.0, 50.0 + 8.0 * min(points[best], 5.0) + 3.0 * min(lead, 3.0))
    if best not in confirmed:
        sure = min(sure, _UNCONFIRMED)
    return {
        number: Party(name=piece, address=tuple(_address(lines, at, piece)), sure=sure)
        for number, piece, lines, at in reversed(seen[best])
    }


def _points(piece: Piece, usual: float, domains: set[str], holders: set[str], key: str) -> float:
    found = 0.0
    if LEGAL_FORM.search(piece.text):
        found += 2.5
    if _has_domain(key, domains):
        found += 3.0
    if key in holders:
        found += 3.0
    if piece.top < 0.22:
        found += 1.0
        if piece.height > 1.25 * usual:
            found += 1.5
        if piece.top < 0.08:
            found += 0.5
    if _BANK.search(piece.text):
        found -= 4.0
    return found


def _has_domain(key: str, domains: set[str]) -> bool:
    letters = re.sub(r"[^a-z0-9]", "", key)
    return bool(letters) and any(
        letters in domain or (len(domain) > 4 and domain in letters) for domain in domains
    )


def _is_known(key: str, domains: set[str], holders: set[str]) -> bool:
    """Whether a web address or the account's holder confirms a name."""
    return key in holders or _has_domain(key, domains)


def _names(line: Line) -> Iterator[Piece]:
    """The pieces of a line that can be the name of a company."""
    for piece in line.pieces:
        part = _first_part(piece)
        text = part.text
        if not 2 <= len(text) <= 60 or len(part.words) > 7 or not re.search(r"[^\W\d_]{2}", text):
            continue
        if ":" in text or "@" in text or "www." in text or _TITLE.fullmatch(text):
            continue
        if AMOUNT.fullmatch(text) or DATE.search(text) or _ADDRESS.search(text):
            continue
        if any(pattern.fullmatch(text) for _, pattern, _ in LABELS) or RECEIVER.fullmatch(text):
            continue
        if text.endswith((".", "!", "?")) and not LEGAL_FORM.search(text):
            continue
        yield part


def _first_part(piece: Piece) -> Piece:
    """The text before a dash: "Acme AG - Street 1 - City" gives Acme AG."""
    first = _SPLIT.split(piece.text)[0]
    words = list(piece.words[: max(1, len(first.split()))])
    # Text recognition makes odd characters of a logo beside the name.
    while len(words) > 1 and words[0].confidence < _NOISE:
        del words[0]
    return Piece(tuple(words))


def receiver_of(lines: Sequence[Line]) -> Party | None:
    """The receiver of the invoice, if a label names it."""
    for at, line in enumerate(lines):
        for index, piece in enumerate(line.pieces):
            label = piece.text.rstrip(": ")
            if not RECEIVER.fullmatch(label):
                continue
            block = list(_below(lines, at, piece))
            if not block and index + 1 < len(line.pieces):
                block = [line.pieces[index + 1]]
            if block and re.search(r"[^\W\d_]{2}", block[0].text):
                return Party(name=block[0], address=tuple(block[1:5]), sure=93.0)
    return None


def _received(lines: Sequence[Line]) -> set[int]:
    """The first words of the receivers' lines: below a label, or in an envelope's window."""
    found: set[int] = set()
    for at, line in enumerate(lines):
        for piece in line.pieces:
            if RECEIVER.fullmatch(piece.text.rstrip(": ")):
                found |= {id(one.words[0]) for one in _below(lines, at, piece)}
    for at, line in enumerate(lines):
        first = line.pieces[0]
        if not 0.13 <= first.top <= 0.26 or first.left > 0.6 or len(_SPLIT.split(first.text)) > 1:
            continue
        block = [first, *_below(lines, at, first)]
        separate = at == 0 or first.top - lines[at - 1].bottom > 1.2 * first.height
        postcode = any(re.search(r"\b\d{4,6}\b|\b[A-Z]{1,2}\d", one.text) for one in block[1:])
        if separate and 3 <= len(block) <= 7 and postcode and not _has_contact(block):
            found |= {id(one.words[0]) for one in block}
            break
    return found


def _has_contact(block: Sequence[Piece]) -> bool:
    """Whether a block has a phone number, an e-mail address or an account: the sender's."""
    return any(
        re.search(r"@|www\.|tel|phone|fax|iban|vat|tva|btw|ust", one.text, re.IGNORECASE)
        for one in block
    )


def _below(lines: Sequence[Line], at: int, piece: Piece) -> Iterator[Piece]:
    """The pieces below a piece, in a block aligned with its left end."""
    bottom = piece.bottom
    for line in lines[at + 1 : at + 8]:
        if line.top - bottom > 1.6 * piece.height:
            return
        under = next((one for one in line.pieces if abs(one.left - piece.left) < 0.02), None)
        if under is None:
            continue
        yield under
        bottom = under.bottom


def _address(lines: Sequence[Line], at: int, name: Piece) -> Iterator[Piece]:
    for one in list(_below(lines, at, name))[:4]:
        if ":" not in one.text and not any(p.match(one.text) for _, p, _ in LABELS):
            yield one
