"""Search: gather passages."""

import re
from collections.abc import Iterable, Sequence

from dsp.errors import UsageError
from dsp.fusion import Fuse, combsum, fused
from dsp.index.filters import Where
from dsp.index.protocol import search_where
from dsp.settings import retriever_in_force
from dsp.types import NOTHING, SUMMARY, Passage

_NOTHING = re.compile(
    r"(?:n\s*/\s*a|na|none|nothing|no (?:further |more )?(?:search|query)(?: needed)?)?", re.IGNORECASE
)


def retrieve(query: str, *, k: int = 3, where: Where = NOTHING) -> tuple[Passage, ...]:
    """The k passages that the retriever in force finds for a query, best first. Paper §2.3.

    `where` filters by metadata: `{"year": 2023}`, or `{"year": (2022, 2023)}` for any of them; k passages come
    wherever so many match. Raises UsageError for k < 1, UnknownName for a key that no passage has.
    """
    (hits,) = search_where(retriever_in_force(), [query], k, where)
    return tuple(hit.passage for hit in hits)


def retrieve_fused(
    queries: Sequence[str],
    *,
    k: int = 3,
    fuse: Fuse = combsum,
    weights: Sequence[float] | None = None,
    depth: int | None = None,
    where: Where = NOTHING,
) -> tuple[Passage, ...]:
    """The k passages that several queries find together, best first. Paper §2.3.

    Each query fetches `depth` passages (3k by default). Empty queries are dropped; equal ones are searched once and
    count once, or, where `weights` are given (one for each query), as their sum; `where` is that of `retrieve`. Raises
    UsageError where no query is left, and for k < 1.
    """
    if k < 1:
        raise UsageError(f"k is {k}; ask for at least one passage")
    if weights is not None and len(weights) != len(queries):
        raise UsageError(f"{len(queries)} queries take as many weights, found {len(weights)}")
    wanted: dict[str, float] = {}
    for query, weight in zip(queries, weights or [1.0] * len(queries), strict=True):
        if text := query.strip():
            wanted[text] = 1.0 if weights is None else wanted.get(text, 0.0) + weight
    if not wanted:
        raise UsageError(f"none of the {len(queries)} queries says what to search for; give one that is not empty")
    rankings = search_where(retriever_in_force(), list(wanted), 3 * k if depth is None else depth, where)
    return tuple(hit.passage for hit in fused(rankings, k, fuse=fuse, weights=list(wanted.values())))


def distinct(passages: Iterable[Passage]) -> tuple[Passage, ...]:
    """The passages in order, each once."""
    first: dict[str, Passage] = {}
    for passage in passages:
        first.setdefault(passage.id, passage)
    return tuple(first.values())


def condense(text: str, *, hop: int = 1) -> Passage:
    """A summary as a passage, to be carried to the next hop: prompts show it, nothing is ever quoted from it.

    Paper §2.3: what was learned so far stands in the context before the passages of the next search.
    """
    return Passage(id=f"{SUMMARY}{hop}", text=text)


def is_nothing(query: str) -> bool:
    """Whether a query says that there is nothing left to search for: `N/A`, `None`, or no word at all. Paper §2.3."""
    return _NOTHING.fullmatch(query.strip(" \t\n.!?-–—\"'«»()[]*`")) is not None
