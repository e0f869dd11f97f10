"""The words of a page, their lines, and the pieces of a line that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

#: A gap wider than this many letter heights starts another piece.
_GAP: Final = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word and its box, as ratios of the page's width and height from the top left."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    confidence: float = 99.9

    @property
    def height(self) -> float:
        """The height of the box."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """Its vertical middle."""
        return (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWords:
    """A page's words; `aspect` is its width divided by its height."""

    words: tuple[Word, ...]
    aspect: float = 0.707


@dataclass(frozen=True, slots=True)
class Piece:
    """Words of a line that are close together."""

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words with single spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def left(self) -> float:
        """Its left end."""
        return min(word.left for word in self.words)

    @property
    def right(self) -> float:
        """Its right end."""
        return max(word.right for word in self.words)

    @property
    def top(self) -> float:
        """Its top."""
        return min(word.top for word in self.words)

    @property
    def bottom(self) -> float:
        """Its bottom."""
        return max(word.bottom for word in self.words)

    @property
    def height(self) -> float:
        """The height of its letters."""
        return median(word.height for word in self.words)

    @property
    def middle(self) -> float:
        """Its vertical middle."""
        return (self.top + self.bottom) / 2

    @property
    def confidence(self) -> float:
        """The lowest confidence of its words, in percent."""
        return min(word.confidence for word in self.words)

    def overlaps(self, other: Piece) -> bool:
        """Whether one is above the other, at least partly."""
        return min(self.right, other.right) > max(self.left, other.left)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the page: its pieces from left to right."""

    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The text of all pieces."""
        return " ".join(piece.text for piece in self.pieces)

    @property
    def whole(self) -> Piece:
        """The line as one piece."""
        return Piece(tuple(word for piece in self.pieces for word in piece.words))

    @property
    def top(self) -> float:
        """Its top."""
        return min(piece.top for piece in self.pieces)

    @property
    def bottom(self) -> float:
        """Its bottom."""
        return max(piece.bottom for piece in self.pieces)


def lines_of(page: PageWords) -> list[Line]:
    """The page's lines from top to bottom."""
    rows: list[list[Word]] = []
    for word in sorted(page.words, key=lambda one: (one.middle, one.left)):
        row = next((row for row in reversed(rows[-6:]) if _same_row(row, word)), None)
        if row is None:
            rows.append([word])
        else:
            row.append(word)
    rows.sort(key=lambda row: median(word.middle for word in row))
    return [Line(_pieces(row, page.aspect)) for row in rows]


def _same_row(row: Sequence[Word], word: Word) -> bool:
    middle = median(one.middle for one in row)
    return abs(middle - word.middle) < 0.5 * min(median(one.height for one in row), word.height)


def _pieces(row: Iterable[Word], aspect: float) -> tuple[Piece, ...]:
    pieces: list[list[Word]] = []
    for word in sorted(row, key=lambda one: one.left):
        if pieces:
            last = pieces[-1][-1]
            # Heights are ratios of the page's height, gaps of its width.
            letter = min(last.height, word.height) / aspect
            if word.left - last.right <= _GAP * letter:
                pieces[-1].append(word)
                continue
        pieces.append([word])
    return tuple(Piece(tuple(words)) for words in pieces)
