"""Which encoding text is in that is not UTF-8: told where it is certain, and not chosen otherwise.

Bytes above 127 are different letters in each encoding: 0xF1 is ñ in Windows-1252 and ń in
Windows-1250. A text is plausible in an encoding where each word can be written with one language's
alphabet; it is certain where all plausible encodings read it alike. Statistical detectors were
measured and are not used: charset-normalizer 3.5 can't tell Windows-1252 from Windows-1250, and
takes "Köln" in cp850 for Mac Roman, with a good score.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

#: Letters beyond ASCII, by language: https://www.unicode.org/cldr/charts/latest/summary/root.html
#: (main exemplar characters, and those that names commonly have).
_ALPHABETS: Final = {language: frozenset(letters) for language, letters in {
    "fr": "àâæçéèêëîïôœùûüÿ",
    "es": "áéíñóúü",
    "ca": "àçèéíïòóúü",
    "pt": "áàâãçéêíóôõúü",
    "it": "àèéìíîòóùú",
    "de": "äöüßé",
    "nl": "áéëïóöüè",
    "sv": "åäöéü",
    "da": "æøåéö",
    "is": "áðéíóúýþæö",
    "et": "äõöüšž",
    "cs": "áčďéěíňóřšťúůýž",
    "sk": "áäčďéíĺľňóôŕšťúýž",
    "pl": "ąćęłńóśźż",
    "hu": "áéíóöőúüű",
    "ro": "ăâîșțşţ",
    "hr": "čćđšž",
    "tr": "çğıöşüâîû",
    "lt": "ąčęėįšųūž",
    "lv": "āčēģīķļņšūž",
    "ru": "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
    "uk": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "sr": "абвгдђежзијклљмнњопрстћуфхцчџш",
    "el": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
}.items()}  # fmt: skip
_WESTERN: Final = ("fr", "es", "ca", "pt", "it", "de", "nl", "sv", "da", "is")
_CENTRAL: Final = ("cs", "sk", "pl", "hu", "ro", "hr", "de")
_CYRILLIC: Final = ("ru", "uk", "sr")
#: Encodings that spreadsheets and accounting programs still write, and the languages of each. Of
#: two that read a text alike, the first one is told.
_CANDIDATES: Final = {
    "cp1252": _WESTERN,
    "cp1250": _CENTRAL,
    "cp1251": _CYRILLIC,
    "cp1253": ("el",),
    "cp1254": ("tr", *_WESTERN),
    "cp1257": ("lt", "lv", "et"),
    "iso8859-2": _CENTRAL,
    "iso8859-5": _CYRILLIC,
    "iso8859-7": ("el",),
    "iso8859-15": _WESTERN,
    "cp850": _WESTERN,
    "cp852": _CENTRAL,
    "cp866": _CYRILLIC,
    "mac-roman": _WESTERN,
    "koi8-r": ("ru",),
}
ALL_ENCODINGS: Final = tuple(_CANDIDATES)
#: What is called Windows-1252 by people.
ENCODING_NAMES: Final = {
    one: f"Windows-{one[2:]}" if one.startswith("cp12") else one for one in _CANDIDATES
}
#: Signs beyond ASCII that stand beside words and numbers, and those that stand within a word.
_SIGNS: Final = frozenset("€£¥§©®™°ªº«»¿¡“”„‘’‚–—…•·²³½¼¾×±÷‰†‡‹›¬¦´¹\u00a0№")
_SHORT: Final = frozenset("àèéóúíåöøæивскоуяаοη")
#: Slovak's ĺ and ŕ, which stand between consonants; anywhere else they are å and à.
_LONG_LIQUID: Final = re.compile(
    r"(?<![bcdfghjklmnpqrstvwxzčďňřšťž])[ĺŕ]|[ĺŕ](?![bcdfghjklmnpqrstvwxzčďňřšťž])"
)
_OTHER_SCRIPTS: Final = frozenset({*_CYRILLIC, "el"})
_WITHIN: Final = frozenset("’·\u00ad")
_WORD: Final = re.compile(r"[^\W\d_]+(?:[’·\u00ad][^\W\d_]+)*")


def _strange_lines(head: bytes) -> bytes:
    """The whole lines that are not UTF-8."""
    found = []
    for line in re.split(rb"[\r\n]+", head)[:-1]:
        try:
            line.decode()
        except UnicodeDecodeError:
            found.append(line)
    return b"\n".join(found)


def plausible_encodings(text: bytes, among: Iterable[str] = ALL_ENCODINGS) -> dict[str, str]:
    """The readings of a text that is not UTF-8, each with the first encoding that gives it."""
    found: dict[str, str] = {}
    for encoding in among:
        try:
            read = text.decode(encoding)
        except UnicodeDecodeError:
            continue
        if read not in found and _is_plausible(read, _CANDIDATES[encoding]):
            found[read] = encoding
    return found


def _is_plausible(text: str, languages: tuple[str, ...]) -> bool:
    """Whether each word of a text can be written with the alphabet of one of the languages."""
    words = set()
    end = 0
    for word in _WORD.finditer(text):
        between = text[end : word.start()]
        if not _are_signs(between) or (end and between and not any(map(str.isascii, between))):
            return False
        end = word.end()
        if not word[0].isascii():
            words.add(word[0])
            beside = text[word.start() - 1 : word.start()] + text[end : end + 1]
            if len(word[0]) == 1 and any(map(str.isdigit, beside)):
                return False
    if languages[0] in _OTHER_SCRIPTS and not any(len(word) > 2 for word in words):
        return False
    return _are_signs(text[end:]) and all(
        _is_shaped(word) and _fits(word.lower(), languages) for word in words
    )


def _are_signs(between: str) -> bool:
    return all(
        (one.isascii() and (one >= " " or one in "\t\n\r")) or one in _SIGNS for one in between
    )


def _is_shaped(word: str) -> bool:
    """Whether letters stand where people write them.

    Capitals at the beginning or everywhere; a final sigma at the end; no sign of Cyrillic, which
    changes the letter before it, at the beginning. Few letters are a word alone.
    """
    rest = word[1:]
    if "ς" in word[:-1] or word[0].lower() in "ьъы":
        return False
    if not rest:
        return word.lower() in _SHORT
    if _LONG_LIQUID.search(word.lower()) or re.search("(?<!l)·|·(?!l)", word.lower()):
        return False
    return word.isupper() or not any(map(str.isupper, rest))


def certain_reading(readings: Mapping[str, str]) -> tuple[str, str] | None:
    """(text, encoding) where there is one reading, of more than single letters."""
    if len(readings) != 1:
        return None
    ((text, encoding),) = readings.items()
    return (text, encoding) if _has_evidence(text) else None


def _has_evidence(text: str) -> bool:
    """Whether a text has a word with letters beyond ASCII, or signs beyond ASCII alone."""
    lengths = [len(word) for word in _WORD.findall(text) if not word.isascii()]
    return max(lengths) > 2 if lengths else not text.isascii()


def described_readings(readings: Mapping[str, str]) -> str:
    """The words in which readings differ, for people; empty where there are none."""
    split = {encoding: _WORD.findall(text) for text, encoding in readings.items()}
    differing = [words for words in zip(*split.values(), strict=False) if len(set(words)) > 1]
    if not differing:
        return ""
    return " or ".join(
        f"{ENCODING_NAMES[encoding]} ({word!r})"
        for encoding, word in zip(split, differing[0], strict=True)
    )


def file_encodings(head: bytes) -> tuple[str, ...]:
    """The encodings that a file's lines may have that are not UTF-8.

    Args:
        head: Its first bytes. Without such lines in it, all are possible.
    """
    readings = plausible_encodings(_strange_lines(head))
    if any(map(_has_evidence, readings)) or not readings:
        return tuple(readings.values())
    return ALL_ENCODINGS


def _fits(word: str, languages: tuple[str, ...]) -> bool:
    further = {one for one in word if not one.isascii() and one not in _WITHIN}
    return any(
        further <= _ALPHABETS[name]
        and (name not in _OTHER_SCRIPTS or not any(map(str.isascii, word)))
        for name in languages
    )
