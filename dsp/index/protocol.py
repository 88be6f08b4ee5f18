"""What crosses the Retriever door: queries in, ranked hits out."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from inspect import Parameter, signature
from typing import Any, Protocol

from dsp.errors import UsageError
from dsp.index.filters import Where, where_json
from dsp.types import JSON, NOTHING, Hit, Passage


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

    def search(self, queries: Sequence[str], k: int, *, where: Where = NOTHING) -> list[list[Hit]]:
        """For each query its k best passages, ranks from 1; fewer where there are fewer.

        `where` filters by metadata (dsp/index/filters.py); a retriever that cannot do so raises UsageError.
        """


def search_where(retriever: Retriever, queries: Sequence[str], k: int, where: Where) -> list[list[Hit]]:
    """Search with a filter that may be empty; UsageError where there is one and the retriever takes none."""
    if not where:
        return retriever.search(queries, k)
    taken = signature(retriever.search).parameters.values()
    if not any(each.name == "where" or each.kind is Parameter.VAR_KEYWORD for each in taken):
        raise no_filters(retriever.name)
    return retriever.search(queries, k, where=where)


def no_filters(name: str) -> UsageError:
    """The error of a retriever that cannot filter."""
    return UsageError(f"{name} cannot filter by metadata; leave `where` out, or search an index of your own documents")


def describe_search(retriever: Retriever, query: str, k: int, where: Where = NOTHING) -> dict[str, JSON]:
    """The JSON form of one search of this retriever: equal means interchangeable."""
    return {"retriever": dict(retriever.identity), "query": query, "k": k, **where_json(where)}


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
