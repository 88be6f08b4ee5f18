"""Sentences of English and Chinese text, with their places in it."""

import re
from collections.abc import Iterator
from typing import NamedTuple


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A full stop after these never ends a sentence; after the second kind it does unless a number follows;
# after the third kind it does where a capital follows.
_ALWAYS = _words("approx cf dr e.g eg i.e ie mr mrs ms prof resp viz vs st messrs gen rev hon")
_BEFORE_NUMBERS = _words("app art ch chap eq eqs ex fig figs no nos p pp sec sect tab vol vols")
_BEFORE_SMALL = _words("al co corp dept ed eds est etc inc jr ltd sr univ")
_MONTHS = _words("jan feb mar apr jun jul aug sep sept oct nov dec")
# Words that begin a sentence so much more often than they follow an initial ("U.S. The", "plan B. It").
_STARTERS = _words(
    "a an and as at but by for he her his how if in it its no of on one our she since so such that the their there "
    "these they this those thus to under we what when where which while who why with yet you"
)
_END = re.compile(
    r"""(?P<stop>[.!?]+["'”’)\]]*(?=\s|$))"""
    r"""|(?P<wide>[。！？；]+["'”’）)」』】》]*|…+["”’」』]*(?=[\s\u3000-\uffef]|$))"""
    r"""|(?P<heading>^[ \t]{0,3}\#{1,6}[ \t][^\n]*(?:\n|\Z))"""
    r"""|(?P<gap>\n[ \t]*\n|\n(?=[ \t]*(?:[-*+•|>]|\d{1,3}[.)]|\#{1,6})[ \t]|[a-z_]{1,30}:[ ]))""",
    re.MULTILINE,
)
_WORD_BEFORE = re.compile(r"[\w.]+\Z")
_WORD_AFTER = re.compile(r"""[ \t\n]*["'“‘(\[]*(\w*)""")
_INITIALS = re.compile(r"[A-Z](?:\.[A-Z])*")
_NUMBER = re.compile(r"\w*\d\w*|[IVXLC]+")
_LONGEST_WORD = 40


class Span(NamedTuple):
    """A stretch of a text: `text[start:end]`."""

    start: int
    end: int


def sentences(text: str) -> Iterator[Span]:
    """The sentences of a text in order, white space at their edges left out.

    A sentence ends at `.`, `!`, `?` before white space (not after an abbreviation or an initial, not before a small
    letter), at a Chinese full stop, at a blank line, around a heading, and before a list item, a table row or a line
    of front matter (`key: value`).
    """
    start = 0
    for match in _END.finditer(text):
        if match.lastgroup == "stop" and _goes_on(text, start, match.start(), match.end()):
            continue
        yield from trimmed(text, start, match.end())
        start = match.end()
    yield from trimmed(text, start, len(text))


def trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    """The span without white space at its edges; nothing where nothing is left."""
    piece = text[start:end]
    if piece.strip():
        yield Span(start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip()))


def _goes_on(text: str, start: int, stop: int, end: int) -> bool:
    """Whether the sentence goes on after the stop: an abbreviation, an initial, a list number, a small letter."""
    ahead = _WORD_AFTER.match(text, end, end + _LONGEST_WORD)
    following = ahead.group(1) if ahead else ""
    if following[:1].islower():
        return True
    if text[stop:end] != ".":
        return False
    before = _WORD_BEFORE.search(text[max(start, stop - _LONGEST_WORD) : stop])
    if before is None:
        return False
    word = before.group()
    if word.isdigit() and len(word) <= 3 and _begins_line(text, start, stop - len(word)):
        return True
    return _abbreviates(word, following)


def _abbreviates(word: str, following: str) -> bool:
    small = word.casefold()
    if small in _ALWAYS:
        return True
    if small in _BEFORE_NUMBERS or small in _MONTHS:
        return bool(_NUMBER.fullmatch(following))
    if small in _BEFORE_SMALL:
        return not following[:1].isupper()
    if _INITIALS.fullmatch(word):
        return bool(following) and following.casefold() not in _STARTERS
    return False


def _begins_line(text: str, start: int, place: int) -> bool:
    """Whether only a little white space stands between `place` and the start of its line or of its sentence."""
    back = text[max(start, place - _LONGEST_WORD) : place].rpartition("\n")[2]
    return not back.strip() and len(back) < _LONGEST_WORD
