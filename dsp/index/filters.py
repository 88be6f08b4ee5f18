"""Metadata filters: which passages a search may find, as values that a record keeps.

`{"year": 2023}` asks for one value, `{"year": (2022, 2023)}` for any of them, several keys for all of them together.
A key is one of the metadata, or `id`, `source`, `title`, `lang` or `page` of the passage; where the metadata hold a
list, one of its values is enough.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from dsp.errors import UnknownName, UsageError
from dsp.record.calls import canonical
from dsp.types import JSON, Passage

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Mask: TypeAlias = NDArray[numpy.bool_]

Scalar: TypeAlias = bool | int | float | str
Where: TypeAlias = Mapping[str, Scalar | Sequence[Scalar]]

_OWN = ("id", "source", "title", "lang", "page")


def checked(where: Where) -> dict[str, list[Scalar]]:
    """A filter in its one form: for each key the values asked for, each once, in order; equal filters are equal.

    Raises UsageError where a value is neither a text nor a number nor a truth value, nor a list of these.
    """
    if not isinstance(where, Mapping) or not all(isinstance(key, str) for key in where):
        raise UsageError(f'a filter is a table such as {{"year": 2023}}; found {where!r}')
    return {key: _values(key, value) for key, value in where.items()}


def written(pairs: Iterable[str]) -> dict[str, list[Scalar]]:
    """The filter of texts `key=value`; a value that reads as a number or a truth value stands for that too.

    Raises UsageError for a text of another form.
    """
    made: dict[str, list[Scalar]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key.strip() and equals):
            raise UsageError(f"a filter is written KEY=VALUE, such as year=2023; found {pair!r}")
        made.setdefault(key.strip(), []).extend([value, *_read(value)])
    return checked(made)


def where_json(where: Where) -> dict[str, JSON]:
    """What a record keeps of a filter: nothing of an empty one, so that older records are found again."""
    made: Mapping[str, Sequence[JSON]] = checked(where)
    return {"where": made} if made else {}


class Facets:
    """For each key and value of some passages the positions of those that have it."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        """Read all passages once."""
        self._positions: dict[str, dict[str, list[int]]] = {}
        self._count = 0
        for position, passage in enumerate(passages):
            self._count += 1
            for key, value in _facets(passage):
                positions = self._positions.setdefault(key, {}).setdefault(value, [])
                if not positions or positions[-1] != position:
                    positions.append(position)

    def matching(self, where: Where) -> "Mask":
        """Which passages a filter lets through, shape (count,). Raises UnknownName for a key that no passage has."""
        import numpy as np

        mask = np.ones(self._count, np.bool_)
        for key, values in checked(where).items():
            if key not in self._positions:
                raise UnknownName("metadata to filter by", key, self._positions)
            has = np.zeros(self._count, np.bool_)
            for value in values:
                has[self._positions[key].get(_same(value), [])] = True
            mask &= has
        return mask


def _values(key: str, value: Any) -> list[Scalar]:
    several = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    for item in several:
        if not isinstance(item, str | int | float) or (isinstance(item, float) and not math.isfinite(item)):
            raise UsageError(
                f"a filter asks for a text, a number, true or false, or for any of several; {key!r} holds {item!r}"
            )
    return [item for _, item in sorted({_same(item): item for item in several}.items())]


def _read(text: str) -> Iterator[Scalar]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(value, int | float) and math.isfinite(value):
        yield value


def _same(value: JSON) -> str:
    """One text for each value: 2023 and 2023.0 are one, 1 and true are two."""
    return canonical(int(value) if isinstance(value, float) and value.is_integer() else value)


def _facets(passage: Passage) -> Iterator[tuple[str, str]]:
    for key in _OWN:
        if (own := getattr(passage, key)) not in ("", None):
            yield key, _same(own)
    for key, value in passage.metadata.items():
        for item in value if isinstance(value, list | tuple) else [value]:
            if isinstance(item, str | int | float):
                yield key, _same(item)
