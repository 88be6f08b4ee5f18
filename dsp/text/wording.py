r"""Text that goes into a prompt unchanged in meaning and cannot be taken for the prompt's own marks.

Line breaks other than `\n`, control characters, lone surrogates, white space at the edges, and a label or the mark of a
placeholder where a value begins are written as `\uXXXX`; lines after the first are indented. `plain` takes it back.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

_ODD = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
# Looked for first: the pattern that replaces takes many times as long on text that needs nothing.
_SOME_ODD = re.compile(_ODD)
_TO_ESCAPE = re.compile(rf"(?<!\\)(\\*+)({_ODD}|u[0-9a-f]{{4}})")
_ESCAPED = re.compile(r"(?<!\\)(\\++)u([0-9a-f]{4})")
_EDGE = " \t\n"
PLACEHOLDER = "${"


def shielded(value: str, labels: Sequence[str] = ()) -> str:
    r"""The value as a prompt shows it: no line of it can be read as one of the labels or as a separator."""
    text = _TO_ESCAPE.sub(_escape, value) if "\\" in value or _SOME_ODD.search(value) else value
    core = text.strip(_EDGE)
    if not core:
        return "".join(map(_code, text))
    head, tail = text[: text.index(core[0])], text[len(text.rstrip(_EDGE)) :]
    if tail:  # a backslash at the end would otherwise escape the first code of the tail
        core += core[len(core.rstrip("\\")) :]
    if core.startswith(("---", PLACEHOLDER)) or any(label_pattern(label).match(core) for label in labels):
        core = _code(core[0]) + core[1:]
    first, *rest = core.split("\n")
    lines = [first, *("  " + line if line else line for line in rest)]
    return "".join(map(_code, head)) + "\n".join(lines) + "".join(map(_code, tail))


def plain(text: str) -> str:
    """The value that `shielded` wrote; a text that it did not write loses only white space at its edges."""
    first, *rest = text.strip(_EDGE).split("\n")
    if all(line.startswith("  ") for line in rest if line):
        rest = [line[2:] for line in rest]
    value = "\n".join([first, *rest])
    return _ESCAPED.sub(_unescape, value) if "\\" in value else value


def without_placeholder(text: str, placeholders: Sequence[str]) -> str:
    """A value without a placeholder of the guidelines that a model repeated before it, whole or cut, or put it in."""
    for _ in placeholders:
        if not text.lstrip(_EDGE).startswith(PLACEHOLDER):
            break
        text = text.strip(_EDGE)
        inner, closed, rest = text[len(PLACEHOLDER) :].partition("}")
        said = " ".join(inner.casefold().split())
        if any(" ".join(known.casefold().split()).startswith(said) for known in placeholders):
            text = rest
        elif closed and not rest.strip():
            text = inner
        else:
            break
    return text


def one_line(text: str) -> str:
    """The first line of a text, with the indented lines that `shielded` writes of a value of several."""
    first, *rest = text.strip(_EDGE).split("\n")
    more = next((i for i, line in enumerate(rest) if line and not line.startswith("  ")), len(rest))
    return "\n".join([first, *rest[:more]])


@lru_cache(1024)
def label_pattern(label: str) -> re.Pattern[str]:
    """How a model may write a label: any case, bold or as a list item, with a Western or a Chinese colon."""
    name = re.escape(re.sub(r"\s*[:\uff1a]\s*$", "", label))
    return re.compile(rf"[ \t*_#>\-]{{0,16}}+{name}[*_ ]{{0,4}}[:\uff1a][*_]{{0,3}}", re.IGNORECASE)


def _code(char: str) -> str:
    return f"\\u{ord(char):04x}"


def _escape(match: re.Match[str]) -> str:
    slashes, rest = match.groups()
    return slashes * 2 + (rest if len(rest) > 1 else _code(rest))


def _unescape(match: re.Match[str]) -> str:
    slashes, code = match.groups()
    kept = slashes[: len(slashes) // 2]
    return kept + (chr(int(code, 16)) if len(slashes) % 2 else "u" + code)
