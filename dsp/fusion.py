"""Fusion: one ranking made of several, one for each query.

Every method gives a passage a score for each ranking that holds it and combines these scores; the order of the
rankings never matters. Paper §2.3; Fox and Shaw 1994 (CombSUM, CombMNZ), Cormack et al. 2009 (reciprocal ranks).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from dsp.errors import UsageError
from dsp.types import Hit, Passage

Fuse: TypeAlias = Callable[[Sequence[Sequence[Hit]], Sequence[float]], Mapping[str, float]]
"""From rankings and a weight for each of them to a score for each passage id."""

RRF_RANK = 60


def combsum(rankings: Sequence[Sequence[Hit]], weights: Sequence[float]) -> dict[str, float]:
    """The sum of a passage's probabilities: each ranking's scores through a softmax. The paper's fusion."""
    return {id_: math.fsum(shares) for id_, shares in _shares(rankings, weights).items()}


def combmnz(rankings: Sequence[Sequence[Hit]], weights: Sequence[float]) -> dict[str, float]:
    """The sum of a passage's probabilities times the number of rankings that hold it."""
    return {id_: math.fsum(shares) * len(shares) for id_, shares in _shares(rankings, weights).items()}


def maximum(rankings: Sequence[Sequence[Hit]], weights: Sequence[float]) -> dict[str, float]:
    """The largest of a passage's probabilities."""
    return {id_: max(shares) for id_, shares in _shares(rankings, weights).items()}


def rrf(rankings: Sequence[Sequence[Hit]], weights: Sequence[float]) -> dict[str, float]:
    """The sum of 1 / (60 + rank): scores that do not compare are left out of account."""
    shares: dict[str, list[float]] = {}
    for hits, weight in zip(rankings, weights, strict=True):
        for rank, id_ in enumerate(dict.fromkeys(hit.passage.id for hit in hits), start=1):
            shares.setdefault(id_, []).append(weight / (RRF_RANK + rank))
    return {id_: math.fsum(parts) for id_, parts in shares.items()}


FUSIONS: Mapping[str, Fuse] = {"combsum": combsum, "combmnz": combmnz, "rrf": rrf, "maximum": maximum}
"""The methods by the names that a program's parameter takes."""


def fused(rankings: Sequence[Sequence[Hit]], k: int, *, fuse: Fuse = combsum, weights: Sequence[float]) -> list[Hit]:
    """The k best passages of all rankings with their fused scores; ties go to the better rank, then to the lower id.

    Raises UsageError where there is not one finite weight ≥ 0 for each ranking.
    """
    if len(weights) != len(rankings) or not all(math.isfinite(w) and w >= 0 for w in weights):
        raise UsageError(f"{len(rankings)} rankings take as many weights, none below 0; found {list(weights)}")
    used = [(hits, weight) for hits, weight in zip(rankings, weights, strict=True) if weight]
    scores = fuse([hits for hits, _ in used], [weight for _, weight in used])
    passages: dict[str, Passage] = {}
    ranks: dict[str, int] = {}
    for hits, _ in used:
        for rank, hit in enumerate(hits, start=1):
            passages.setdefault(hit.passage.id, hit.passage)
            ranks[hit.passage.id] = min(rank, ranks.get(hit.passage.id, rank))
    order = sorted(scores, key=lambda id_: (-scores[id_], ranks[id_], id_))[: max(k, 0)]
    return [Hit(passage=passages[id_], score=scores[id_], rank=rank) for rank, id_ in enumerate(order, start=1)]


def softmax(scores: Sequence[float]) -> list[float]:
    """The scores as probabilities; UsageError where one is not a finite number."""
    if not all(map(math.isfinite, scores)):
        raise UsageError(f"a search gave a score that is no number ({list(scores)}); mend the retriever")
    top = max(scores, default=0.0)
    powers = [math.exp(score - top) for score in scores]
    total = math.fsum(powers)
    return [power / total for power in powers]


def _shares(rankings: Sequence[Sequence[Hit]], weights: Sequence[float]) -> dict[str, list[float]]:
    """For each passage its weighted probabilities, one for each ranking that holds it."""
    shares: dict[str, list[float]] = {}
    for hits, weight in zip(rankings, weights, strict=True):
        first: dict[str, float] = {}
        for hit in hits:
            first.setdefault(hit.passage.id, hit.score)
        for id_, share in zip(first, softmax(list(first.values())), strict=True):
            shares.setdefault(id_, []).append(weight * share)
    return shares
