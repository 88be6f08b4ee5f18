"""The file of an index that holds its passages, one line of JSON each, and the one that says where each begins."""

import json
from collections.abc import Iterator
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from dsp.index.generation import Generation
from dsp.index.protocol import passage_from
from dsp.index.storage import Draft
from dsp.types import NOTHING, Passage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

_FIELDS = tuple(field.name for field in fields(Passage))
PASSAGES, OFFSETS = "passages.jsonl", "passages.npy"
# A third quicker than `json.loads`, which looks for the encoding and for white space first.
_row = json.JSONDecoder().raw_decode


def read_passage(generation: Generation, offsets: "Array", position: int) -> Passage:
    """The passage at a position of a generation; `offsets`, shape (count + 1,), are where each begins."""
    start, end = offsets[position : position + 2].tolist()
    record = _row(generation.read(PASSAGES, start, end - start).decode())[0]
    metadata = record["metadata"]
    record["metadata"] = MappingProxyType(metadata) if metadata else NOTHING  # many searches give out the same passage
    passage = Passage.__new__(Passage)
    held = vars(passage)  # as `Passage(**record)`, whose nine checks against change take as long as the rest
    for name in _FIELDS:
        held[name] = record[name]
    return passage


def stored_passages(draft: Draft) -> Iterator[Passage]:
    """The passages of a draft, read back one after another."""
    with (draft.path / PASSAGES).open("rb") as file:
        yield from (passage_from(json.loads(line)) for line in file)


def passages_at(draft: Draft, positions: "Array") -> Iterator[Passage]:
    """The passages of a draft at these positions."""
    import numpy as np

    offsets = np.load(draft.path / OFFSETS, mmap_mode="r", allow_pickle=False)
    with (draft.path / PASSAGES).open("rb") as file:
        for position in positions:
            file.seek(int(offsets[position]))
            yield passage_from(json.loads(file.readline()))
