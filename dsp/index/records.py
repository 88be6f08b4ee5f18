"""Rows as documents: which column is the text, the title, the id and the metadata."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dsp.index.documents import Document, Section, Unreadable, clean, plain
from dsp.index.recipe import Columns
from dsp.rows import BadRows, Row, column, read_rows
from dsp.types import JSON

Fail = Callable[[int, str], None]


def read_records(path: Path, source: str, format: str, columns: Columns, fail: Fail) -> Iterator[Document]:
    """The rows of a file, each a document; `fail` gets the number of a bad line and the reason."""
    try:
        yield from record_documents(read_rows(path, format, fail), source, columns, fail)
    except BadRows as error:
        raise Unreadable(f"{f'line {error.line}: ' if error.line else ''}{error.reason}") from None


def record_documents(rows: Iterator[Row], source: str, columns: Columns, fail: Fail) -> Iterator[Document]:
    """Rows as documents. Where no text column is named, it is `text`, or else all columns as lines `name: value`."""
    for row in rows:
        try:
            yield _document(row, source, columns)
        except (KeyError, TypeError) as error:
            fail(row.number, str(error.args[0]))


def _document(row: Row, source: str, columns: Columns) -> Document:
    text = _body(row.values, columns)
    place = f"{source}:{row.number}"
    given = clean(_text(row.values, columns.id)).strip() if columns.id else ""
    if columns.id and not given:
        raise TypeError(f"column {columns.id!r}, which the recipe names for the id, is empty")
    metadata: dict[str, JSON] = {name: plain(column(row.values, theirs)) for name, theirs in columns.metadata.items()}
    return Document(
        id=given or place,
        source=place,
        text=text,
        title=_title(row.values, columns),
        language=_text(row.values, columns.language).partition("-")[0].casefold() if columns.language else "",
        sections=(Section(start=0, end=len(text)),),
        metadata={**metadata, "id": given} if given else metadata,
    )


def _body(values: Mapping[str, Any], columns: Columns) -> str:
    if columns.text or "text" in values:
        return clean(_text(values, columns.text or "text"))
    title = columns.title or "title"
    lines = [f"{name}: {_inline(value)}" for name, value in values.items() if value not in (None, "") and name != title]
    return clean("\n".join(lines))


def _title(values: Mapping[str, Any], columns: Columns) -> str:
    if not columns.title and not isinstance(values.get("title"), str):
        return ""
    return " ".join(clean(_text(values, columns.title or "title")).split())


def _text(values: Mapping[str, Any], name: str) -> str:
    """A column as text: a string, a number, or the strings of a list joined by blanks; nothing for null."""
    value = column(values, name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    raise TypeError(f"column {name!r} must hold a text; found {type(value).__name__}")


def _inline(value: object) -> str:
    made = plain(value)
    if isinstance(made, Mapping):
        return "; ".join(f"{key} {_inline(inner)}" for key, inner in made.items())
    if isinstance(made, list):
        return ", ".join(_inline(inner) for inner in made)
    return " ".join(str(made).split())
