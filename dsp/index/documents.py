"""Documents as they are read: clean text, the sections that passages stay inside, and what is known about them."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dsp.types import JSON, NOTHING

LARGEST_TEXT = 64 << 20

_NEWLINES = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Unreadable(Exception):
    """One document, or one line of rows, cannot be read; the text says why. Others go on."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A stretch `text[start:end]` that no passage leaves: what stands under one heading, or on one page."""

    start: int
    end: int
    heading: str = ""
    page: int | None = None


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document after reading. `front` are lines about it (`year: 2022`), which stood at `front_span` of the text.

    `id` is what the ids of its passages begin with; offsets everywhere count characters of `text`.
    """

    id: str
    source: str
    text: str
    title: str = ""
    language: str = ""
    sections: tuple[Section, ...] = ()
    front: tuple[str, ...] = ()
    front_span: tuple[int, int] = (0, 0)
    metadata: Mapping[str, JSON] = field(default_factory=lambda: NOTHING, hash=False)


class Heading(NamedTuple):
    """A heading of depth 1 to 6 and the place it takes in the text."""

    depth: int
    title: str
    start: int
    end: int


Reader = Callable[[Path, str], Document]


def clean(text: str) -> str:
    """The text as it is kept: line ends become `\\n`, a byte order mark goes, other control characters become blanks.

    Form feeds, vertical tabs, U+0085, U+2028 and U+2029 are line ends; tabs stay; lone surrogates count as controls.
    """
    return _CONTROLS.sub(" ", _NEWLINES.sub("\n", text.replace("\ufeff", "")))


def decode(raw: bytes) -> str:
    """Bytes as clean text: UTF-8, or UTF-16 where a byte order mark says so."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return clean(raw.decode("utf-16"))
        except UnicodeDecodeError as error:
            raise Unreadable(f"not valid UTF-16: {error.reason} at byte {error.start}") from None
    if raw.count(0) > len(raw) // 20:
        raise Unreadable("not a text: more than one byte in twenty is NUL")
    try:
        return clean(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"not UTF-8: byte 0x{raw[error.start]:02x} in line {line}; save it as UTF-8") from None


def read_bytes(path: Path, largest: int = LARGEST_TEXT) -> bytes:
    """The bytes of a file, never more than `largest`."""
    try:
        with path.open("rb") as file:
            known = os.fstat(file.fileno()).st_size
            raw = file.read(largest + 1) if known <= largest else b""
    except OSError as error:
        raise Unreadable(f"cannot be opened: {error.strerror or error}") from None
    if max(known, len(raw)) > largest:
        raise Unreadable(f"larger than {largest >> 20} MiB; split it, or make it rows (JSONL)")
    return raw


def read_text(path: Path, source: str) -> Document:
    """A plain text file: one section, titled by its file name."""
    text = decode(read_bytes(path))
    return Document(id=source, source=source, text=text, title=path.stem, sections=(Section(start=0, end=len(text)),))


def plain(value: object) -> JSON:
    """A value as JSON can hold it: dates and the like as text, texts clean, no NaN."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(inner) for inner in value]
    return clean(str(value))


def sections(text: str, body: int, headings: Sequence[Heading]) -> Iterator[Section]:
    """The stretches between headings, each with the headings of depth 2 and more that it stands under.

    A heading with nothing below it is a section of its own, so that no word of the text is lost.
    """
    above: list[Heading] = []
    start = body
    for heading in [*headings, None]:
        end = heading.start if heading else len(text)
        path = " / ".join(h.title for h in above if h.depth > 1 and h.title)
        if text[start:end].strip():
            yield Section(start=start, end=end, heading=path)
        elif above and above[-1].title and (heading is None or heading.depth <= above[-1].depth):
            yield Section(start=above[-1].start, end=above[-1].end, heading=path)
        if heading:
            above = [h for h in above if h.depth < heading.depth] + [heading]
            start = heading.end
