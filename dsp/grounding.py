"""Groundedness: how well passages hold what a candidate says."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

from dsp.completions import Completions
from dsp.errors import UnknownName, UsageError
from dsp.index.protocol import search_where
from dsp.settings import retriever_in_force
from dsp.text.words import tokens
from dsp.types import Example, Passage

By: TypeAlias = Literal["words", "retriever"]


def rank(candidates: Sequence[str], passages: Sequence[Passage], *, by: By = "words") -> tuple[float, ...]:
    """How well the passage closest to each candidate holds it. Paper §2.4.

    By words: the share of the candidate's words, from 0 to 1, each weighed by its rarity among the passages. By the
    retriever in force: the score of the first passage that it finds for the candidate among these alone, by its encoder
    (with `mode = "dense"` the cosine); the scores are recorded like any search. Summaries are no evidence and do
    not count. Raises UsageError where the retriever cannot search among given passages.
    """
    if by == "retriever":
        return _ranked_by_retriever(candidates, [p.id for p in passages if not p.is_summary])
    if by != "words":
        raise UnknownName("way to rank", by, ("words", "retriever"))
    texts = [set(tokens(f"{p.title} {p.text}")) for p in passages if not p.is_summary]
    seen = Counter(word for text in texts for word in text)

    def weight(word: str) -> float:
        return math.log(1 + (len(texts) - seen[word] + 0.5) / (seen[word] + 0.5))

    def score(candidate: str) -> float:
        said = sorted(set(tokens(candidate)))
        total = math.fsum(map(weight, said))
        held = (math.fsum(weight(word) for word in said if word in text) for text in texts)
        return max(held, default=0.0) / total if total else 0.0

    return tuple(map(score, candidates))


def _ranked_by_retriever(candidates: Sequence[str], ids: Sequence[str]) -> tuple[float, ...]:
    if not candidates or not ids:
        return (0.0,) * len(candidates)
    rankings = search_where(retriever_in_force(), candidates, 1, {"id": ids})
    return tuple(hits[0].score if hits else 0.0 for hits in rankings)


def best_grounded(
    completions: Completions, passages: Sequence[Passage], *, field: str | None = None, by: By = "words"
) -> Example:
    """The completion whose value the passages hold best, the first of equals, with `groundedness` added."""
    if not completions.examples:
        raise UsageError("there are no completions to choose from; ask for n ≥ 1")
    name = field or completions.field
    scores = rank([str(getattr(example, name)) for example in completions], passages, by=by)
    best = max(range(len(scores)), key=lambda i: (scores[i], -i))
    return completions[best].but(groundedness=scores[best])
