"""Markdown: YAML front matter, headings, and the sections between them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dsp.index.documents import Document, Heading, decode, plain, read_bytes, sections
from dsp.types import JSON, NOTHING

_LARGEST_FRONT = 64 << 10
_LONGEST_VALUE = 1000
_DEEPEST = 20
# Known of each passage, but nothing that a reader would want to be told.
_ABOUT_THE_FILE = ("lang", "translation_of", "label")

_FRONT = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(
    r"^(?P<fence>[ \t]*(?:```|~~~)[^\n]*)$"
    r"|^ {0,3}(?P<marks>#{1,6})[ \t]+(?P<title>[^\n]*?)[ \t]*#*[ \t]*$"
    r"|^(?P<over>[^\s>#*+\-|`~][^\n]*)\n(?P<under>=+|-{3,})[ \t]*$",
    re.MULTILINE,
)


def read_markdown(path: Path, source: str) -> Document:
    """A Markdown file; its text holds everything, front matter included, so that offsets are those of the file."""
    text = decode(read_bytes(path))
    match = _FRONT.match(text, 0, _LARGEST_FRONT)
    body = match.end() if match else 0
    values = _values(match.group(1)) if match else NOTHING
    headings = list(_headings(text, body))
    first = next((heading.title for heading in headings if heading.depth == 1), "")
    given = values.get("title")
    return Document(
        id=source,
        source=source,
        text=text,
        title=given if isinstance(given, str) and given.strip() else first or path.stem,
        language=_language(values),
        sections=tuple(sections(text, body, headings)),
        front=tuple(_lines(values)) if values else _verbatim(match.group(1) if match else ""),
        front_span=(0, body),
        metadata={key: value for key, value in values.items() if key != "title" and len(str(value)) <= _LONGEST_VALUE},
    )


def _headings(text: str, body: int) -> Iterator[Heading]:
    fenced = ""
    for match in _HEADING.finditer(text, body):
        if match["fence"]:
            mark = match["fence"].strip()[:3]
            fenced = mark if not fenced else "" if mark == fenced else fenced
        elif not fenced:
            depth = len(match["marks"]) if match["marks"] else 1 if match["under"].startswith("=") else 2
            yield Heading(depth, (match["title"] or match["over"] or "").strip(), match.start(), match.end())


def _values(front: str) -> Mapping[str, JSON]:
    """Front matter as values that JSON can hold; nothing where it is not plain YAML (its lines are kept as text)."""
    import yaml

    try:
        if not _is_flat(front):
            return NOTHING
        loaded = yaml.safe_load(front)
    except (yaml.YAMLError, ValueError, RecursionError):
        return NOTHING
    return {str(key): plain(value) for key, value in loaded.items()} if isinstance(loaded, dict) else NOTHING


def _is_flat(front: str) -> bool:
    """Whether YAML has no aliases, by which a few bytes can stand for gigabytes, and no deep nesting, which is slow."""
    import yaml

    depth = 0
    for event in yaml.parse(front, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > _DEEPEST:
            return False
    return True


def _language(values: Mapping[str, JSON]) -> str:
    given = values.get("lang", values.get("language"))
    return given.partition("-")[0].casefold() if isinstance(given, str) else ""


def _lines(values: Mapping[str, JSON]) -> Iterator[str]:
    for key, value in values.items():
        if value not in (None, "") and key not in _ABOUT_THE_FILE:
            yield f"{key}: {_readable(value)}"


def _readable(value: JSON) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {_readable(inner)}" for key, inner in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float) or value is None:
        return " ".join(str(value).split())
    return ", ".join(_readable(inner) for inner in value)


def _verbatim(front: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in front.splitlines() if line.strip())
