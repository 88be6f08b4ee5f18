"""Groundedness: how well passages hold what a candidate says."""

import math
from collections import Counter
from collections.abc import Sequence

from dsp.completions import Completions
from dsp.errors import UsageError
from dsp.text.words import tokens
from dsp.types import Example, Passage


def rank(candidates: Sequence[str], passages: Sequence[Passage]) -> tuple[float, ...]:
    """For each candidate the share of its words, from 0 to 1, that the passage closest to it holds. Paper §2.4.

    Words are weighed by their rarity among the passages, so that those which all of them hold count least.
    Summaries are no evidence and do not count.
    """
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


def best_grounded(completions: Completions, passages: Sequence[Passage], *, field: str | None = None) -> Example:
    """The completion whose value the passages hold best, the first of equals, with `groundedness` added."""
    if not completions.examples:
        raise UsageError("there are no completions to choose from; ask for n ≥ 1")
    name = field or completions.field
    scores = rank([str(getattr(example, name)) for example in completions], passages)
    best = max(range(len(scores)), key=lambda i: (scores[i], -i))
    return completions[best].but(groundedness=scores[best])
