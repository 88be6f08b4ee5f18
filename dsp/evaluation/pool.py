"""A corpus pooled from the passages that come with a benchmark's questions, as in HotpotQA's distractor setting."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsp.errors import UsageError
from dsp.record.private import private_folder
from dsp.rows import Row, column
from dsp.types import JSON


@dataclass(frozen=True, kw_only=True)
class PoolColumns:
    """Where a row keeps its passages: `each` is the column with all of them, empty where the row itself is one.

    `each` may be a list of records or a record of lists; the other names are inside it. `text` may hold sentences.
    Gold passages are those of the titles in the row's column `gold_titles`, or those whose own `supporting` is true;
    of a row that is one passage itself, that one.
    """

    each: str = ""
    title: str = ""
    text: str = "text"
    supporting: str = ""
    gold_titles: str = ""


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """One passage of a pool; the id is made of title and text, so equal passages of several questions are one.

    `sentences` are the offsets at which its sentences begin, where the set gives sentences.
    """

    id: str
    title: str
    text: str
    sentences: tuple[int, ...] = ()

    def json(self) -> dict[str, JSON]:
        """The passage as a line of a corpus file."""
        return {"id": self.id, "title": self.title, "text": self.text, "sentences": list(self.sentences)}


def passages_of(row: Row, columns: PoolColumns, where: str) -> tuple[list[Pooled], tuple[str, ...]]:
    """The passages of a row, and the ids of those that are gold for its question."""
    try:
        records = _records(column(row.values, columns.each)) if columns.each else [row.values]
        made = [_pooled(record, columns) for record in records]
        if not columns.each:
            gold = [made[0].id]
        elif columns.gold_titles:
            wanted = set(column(row.values, columns.gold_titles) or ())
            gold = [passage.id for passage in made if passage.title in wanted]
        else:
            flags = [columns.supporting and column(record, columns.supporting) for record in records]
            gold = [passage.id for passage, flag in zip(made, flags, strict=True) if flag]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{where}, row {row.number}: {error.args[0]}") from None
    return made, tuple(dict.fromkeys(gold))


def write_pool(passages: Iterable[Pooled], path: Path) -> int:
    """Write each passage once as a line of JSON, whole or not at all; the number of passages."""
    seen: set[str] = set()
    made = path.with_name(path.name + ".part")
    private_folder(path.parent)
    with made.open("w", encoding="utf-8") as file:
        for passage in passages:
            if passage.id not in seen:
                seen.add(passage.id)
                file.write(json.dumps(passage.json(), ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
    return len(seen)


def _records(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        lengths = {len(items) for items in value.values()}
        if len(lengths) > 1:
            raise ValueError(f"the lists of {', '.join(map(str, value))} differ in length: {sorted(lengths)}")
        return [dict(zip(value, items, strict=True)) for items in zip(*value.values(), strict=True)]
    if not isinstance(value, Sequence) or not all(isinstance(record, Mapping) for record in value):
        raise TypeError(f"passages are a list of records or a record of lists; found {type(value).__name__}")
    return list(value)


def _pooled(record: Mapping[str, Any], columns: PoolColumns) -> Pooled:
    title = str(column(record, columns.title) or "").strip() if columns.title else ""
    value = column(record, columns.text)
    pieces = [value] if isinstance(value, str) else list(value or ())
    text, starts = "", []
    for piece in _spaced(pieces):
        starts.append(len(text) + len(piece) - len(piece.lstrip()))
        text += piece
    digest = hashlib.sha256(f"{title}\0{text.strip()}".encode()).hexdigest()[:12]
    return Pooled(id=f"p-{digest}", title=title, text=text, sentences=() if isinstance(value, str) else tuple(starts))


def _spaced(sentences: Sequence[str]) -> Iterator[str]:
    """The sentences with a blank between two that neither end nor begin with one (but in Chinese)."""
    for place, sentence in enumerate(sentences):
        before = sentences[place - 1][-1:] if place else " "
        joined = before.isspace() or sentence[:1].isspace() or before in "。！？"
        yield sentence if joined else f" {sentence}"
