"""What crosses the Retriever door: queries in, ranked hits out."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Protocol

from dsp.types import JSON, Hit, Passage


class Retriever(Protocol):
    """Finds passages: for each query the k best, best first.

    `identity` holds everything that tells this retriever from another: the index generation, the mode, the encoder.
    """

    @property
    def name(self) -> str:
        """What a user writes to get it: the name of an index."""

    @property
    def identity(self) -> Mapping[str, JSON]:
        """Index generation, mode, encoder: what tells this retriever from another."""

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """For each query its k best passages (fewer where the index holds fewer), ranks from 1."""


def describe_search(retriever: Retriever, query: str, k: int) -> dict[str, JSON]:
    """The JSON form of one search of this retriever: equal means interchangeable."""
    return {"retriever": dict(retriever.identity), "query": query, "k": k}


def hits_json(hits: Sequence[Hit]) -> dict[str, JSON]:
    """Ranked passages, whole, as a record keeps them."""
    return {"hits": [{"score": hit.score, "passage": passage_json(hit.passage)} for hit in hits]}


def hits_from(record: Mapping[str, Any]) -> list[Hit]:
    """The hits that `hits_json` wrote."""
    return [
        Hit(passage=passage_from(row["passage"]), score=row["score"], rank=rank)
        for rank, row in enumerate(record["hits"], start=1)
    ]


def passage_json(passage: Passage) -> dict[str, JSON]:
    """A passage as a record keeps it."""
    return {f.name: getattr(passage, f.name) for f in fields(passage) if f.name != "metadata"} | {
        "metadata": dict(passage.metadata)
    }


def passage_from(record: Mapping[str, Any]) -> Passage:
    """The passage that `passage_json` wrote."""
    return Passage(**record)
