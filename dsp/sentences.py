"""Sentences of English and Chinese text, with their places in it."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_ABBREVIATIONS = frozenset(
    [
        "al",
        "approx",
        "cf",
        "co",
        "corp",
        "dr",
        "e.g",
        "eq",
        "etc",
        "fig",
        "figs",
        "i.e",
        "inc",
        "jr",
        "ltd",
        "mr",
        "mrs",
        "ms",
        "no",
        "nos",
        "p",
        "pp",
        "prof",
        "resp",
        "sec",
        "sr",
        "st",
        "vol",
        "vs",
    ]
)
_END = re.compile(
    r"""[.!?]+["'”’)\]]*(?=\s|$)|[。！？；]+["”’）」』]*|…+|\n[ \t]*\n|\n(?=[ \t]*(?:[-*+•]|\d+[.)])\s)"""
)


class Span(NamedTuple):
    """A stretch of a text: `text[start:end]`."""

    start: int
    end: int


def sentences(text: str) -> Iterator[Span]:
    """The sentences of a text in order, white space at their edges left out.

    A sentence ends at `.`, `!`, `?` before white space (not after an abbreviation or a lone initial),
    at a Chinese full stop, at a blank line and before a list item.
    """
    start = 0
    for match in _END.finditer(text):
        if match.group().startswith(".") and _goes_on(text, start, match.start(), match.end()):
            continue
        yield from _trimmed(text, start, match.end())
        start = match.end()
    yield from _trimmed(text, start, len(text))


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    if piece.strip():
        yield Span(start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip()))


def _goes_on(text: str, start: int, dot: int, end: int) -> bool:
    """Whether the full stop at `dot` belongs to an abbreviation, an initial or a list number."""
    before = re.search(r"[\w.]+$", text[start:dot])
    if before is None:
        return False
    word = before.group()
    if word.casefold() in _ABBREVIATIONS or re.fullmatch(r"[A-Z](\.[A-Z])*", word):
        return True
    if word.isdigit() and not text[start : dot - len(word)].strip():
        return True
    following = text[end:].lstrip(" \t")[:1]
    return following.islower()
