"""Cutting documents into passages at sentence ends."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dsp.index.documents import Document, Section
from dsp.text.sentences import Span, sentences, trimmed
from dsp.text.words import language, length, units
from dsp.types import JSON, Passage

_COMMA = re.compile(r"[,;:)，、：；）]")
# A last passage that brings less than this share of a full one is joined to the one before it.
_TINY = 0.2


class Piece(NamedTuple):
    """A sentence or a part of one, with its length in words."""

    start: int
    end: int
    words: float


def passages(document: Document, words: int, overlap: int, lang: str = "") -> Iterator[Passage]:
    """The passages of a document of about `words` words, each beginning with up to `overlap` words of the one before.

    First come those of its front matter, whose text is its lines in readable form and whose offsets are the
    whole front matter's; for all others `document.text[start:end]` is the passage's text.
    """
    known = lang or document.language or language(document.text[:20_000])
    number = 0
    for text in _front(document.front, words):
        number += 1
        start, end = document.front_span
        yield _passage(document, number, text, start, end, known, None, {"front_matter": True})
    for section in document.sections:
        for start, end in cut(document.text, section, words, overlap):
            number += 1
            about = {"heading": section.heading} if section.heading else {}
            yield _passage(document, number, document.text[start:end], start, end, known, section.page, about)


def cut(text: str, section: Section, words: int, overlap: int) -> Iterator[Span]:
    """The spans of one section's passages, of about equal length, each made of whole sentences where these fit."""
    pieces = list(_pieces(text, section, words))
    total = sum(piece.words for piece in pieces)
    aim = total / max(1, math.ceil(total / words))
    first, fresh, held, left = 0, 0, 0.0, total
    for number, piece in enumerate(pieces):
        full = held + piece.words > words or held >= aim
        if number > fresh and full and left >= _TINY * words:
            yield Span(pieces[first].start, pieces[number - 1].end)
            first = _overlapping(pieces, first, number, min(overlap, words - piece.words))
            fresh = number
            held = sum(p.words for p in pieces[first:number])
        held += piece.words
        left -= piece.words
    if pieces:
        yield Span(pieces[first].start, pieces[-1].end)


def _overlapping(pieces: Sequence[Piece], first: int, number: int, overlap: float) -> int:
    """From which piece on the last ones before `number` hold at most `overlap` words; never all of them."""
    room, begin = overlap, number
    while begin > first + 1 and pieces[begin - 1].words <= room:
        begin -= 1
        room -= pieces[begin].words
    return begin


def _pieces(text: str, section: Section, words: int) -> Iterator[Piece]:
    body = text[section.start : section.end]
    for start, end in sentences(body):
        size = length(body, start, end)
        for span in [Span(start, end)] if size <= words else _parts(body, start, end, words):
            yield Piece(section.start + span.start, section.start + span.end, length(body, *span))


def _parts(text: str, start: int, end: int, words: int) -> Iterator[Span]:
    """One long sentence, cut after a comma in the second half of each part, else at a blank, else anywhere."""
    while start < end:
        places: list[int] = []
        held = 0.0
        for place, share in units(text, start, end):
            held += share
            if held > words:
                break
            places.append(place)
        stop = end if held <= words else _break(text, places)
        yield from trimmed(text, start, stop)
        start = stop


def _break(text: str, places: Sequence[int]) -> int:
    """Where best to cut a text that may be cut at any of `places`, as late as can be."""
    for place in reversed(places[len(places) // 2 :]):
        if _COMMA.match(text, place - 1):
            return place
    return next((place for place in reversed(places) if text[place].isspace()), places[-1])


def _front(lines: Sequence[str], words: int) -> Iterator[str]:
    """Front matter as texts of whole lines, of up to twice the length of a passage."""
    held: list[str] = []
    size = 0.0
    for line in lines:
        more = length(line)
        if held and size + more > 2 * words:
            yield "\n".join(held)
            held, size = [], 0.0
        held.append(line)
        size += more
    if held:
        yield "\n".join(held)


def _passage(
    document: Document,
    number: int,
    text: str,
    start: int,
    end: int,
    lang: str,
    page: int | None,
    about: Mapping[str, JSON],
) -> Passage:
    return Passage(
        id=f"{document.id}#{number}",
        text=text,
        title=document.title,
        source=document.source,
        start=start,
        end=end,
        page=page,
        lang=lang,
        metadata={**document.metadata, **about},
    )
