"""Text on a terminal: every text of others is escaped, colours only where somebody looks."""

import re
import sys
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TextIO

from dsp import environment

KEY = "OPENAI_API_KEY"
_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_PLAIN = re.compile(r"[\n\t\x20-\x7e]*")
_SGR = {"bold": "1", "dim": "2", "italic": "3"}


@dataclass(frozen=True)
class Styled:
    """A text and how it looks where styles are shown: bold, dim or italic."""

    text: str
    style: str


def bold(text: str) -> Styled:
    """A text in bold letters."""
    return Styled(text, "bold")


def dim(text: str) -> Styled:
    """A text that stands back."""
    return Styled(text, "dim")


def safe(text: str) -> str:
    """The text with everything that could steer a terminal written out, as `\\x1b`; not breaks and tabs."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in _ESCAPED else _written_out(c) for c in text)


def line(text: str, longest: int = 1000) -> str:
    """The text on one line, escaped, cut after `longest` characters."""
    flat = " ".join(text[: longest * 4].split())
    return safe(flat if len(flat) <= longest else flat[: longest - 1] + "…")


def _written_out(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def say(*parts: str | Styled) -> None:
    """One line, or several, on standard output."""
    _write(sys.stdout, parts)


def note(*parts: str | Styled) -> None:
    """One line, or several, on standard error: what is not the result."""
    with suppress(OSError, ValueError):
        _write(sys.stderr, parts)


def columns(rows: Sequence[Sequence[str]], *, indent: str = "  ") -> list[str]:
    """Rows as aligned lines; each cell on one line, wide characters counted as two."""
    cells = [[line(cell) for cell in row] for row in rows]
    count = max(map(len, cells), default=0)
    widths = [max((width(row[i]) for row in cells if i < len(row)), default=0) for i in range(count)]
    return [
        indent + "  ".join(cell + " " * (widths[i] - width(cell)) for i, cell in enumerate(row)).rstrip()
        for row in cells
    ]


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at the stream through a terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def moves_cursor(stream: TextIO | None) -> bool:
    """Whether the stream is a terminal on which a line can be written again."""
    return is_terminal(stream) and environment.variables().get("TERM", "") not in ("", "dumb")


def confirm(question: str) -> bool:
    """Ask a person; no where nobody is there to ask."""
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        return False
    sys.stderr.write(f"{safe(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() in ("y", "yes", "j", "ja", "是")


def without_key(text: str) -> str:
    """The text without the user's API key."""
    key = environment.variables().get(KEY, "")
    return text.replace(key, "[key]") if len(key) >= 4 else text


def _write(stream: TextIO | None, parts: Sequence[str | Styled]) -> None:
    if stream is None:  # the descriptor was closed before we started
        return
    styles = _styles_shown(stream)
    text = "".join(_shown(part, styles) for part in parts) + "\n"
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _shown(part: str | Styled, styles: bool) -> str:
    text = safe(without_key(part if isinstance(part, str) else part.text))
    if isinstance(part, str) or not styles or not text:
        return text
    return f"\x1b[{_SGR[part.style]}m{text}\x1b[0m"


def _styles_shown(stream: TextIO) -> bool:
    return moves_cursor(stream) and not environment.variables().get("NO_COLOR")


@cache
def width(text: str) -> int:
    """How many columns the text takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
