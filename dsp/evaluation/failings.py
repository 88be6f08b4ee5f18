"""Where errors come from: for each outcome, how far the question got."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias, get_args

from dsp.evaluation.metrics import find_metric
from dsp.evaluation.outcome import Outcome
from dsp.text.words import normal

Failing: TypeAlias = Literal[
    "right", "only normalisation", "answered wrongly", "not in context", "not retrieved", "failed"
]
FAILINGS: tuple[Failing, ...] = get_args(Failing)
MEANING: dict[Failing, str] = {
    "right": "right by the primary metric",
    "only normalisation": "wrong by the metric's rules, but the same letters and digits as a gold answer",
    "answered wrongly": "the gold passages stood in the final context",
    "not in context": "the gold passages were retrieved, but did not all stand in the final context",
    "not retrieved": "no search found all gold passages",
    "failed": "no answer: counted apart, never as wrong",
}


def failing(outcome: Outcome, primary: str) -> Failing | None:
    """How far the question got; None where it has no gold to judge by."""
    if outcome.failed:
        return "failed"
    score = outcome.scores.get(primary)
    if score is None:
        return None
    if _is_right(primary, score):
        return "right"
    if _letters(outcome.answer) in {_letters(answer) for answer in outcome.answers} - {""}:
        return "only normalisation"
    if outcome.read is not None and outcome.read >= 1:
        return "answered wrongly"
    return "not in context" if outcome.reach and outcome.reach[-1] >= 1 else "not retrieved"


def failings(outcomes: Iterable[Outcome], primary: str) -> dict[Failing, int]:
    """How many questions got how far, in the order from right to failed."""
    counts = dict.fromkeys(FAILINGS, 0)
    for outcome in outcomes:
        found = failing(outcome, primary)
        if found is not None:
            counts[found] += 1
    return counts


def ceiling(outcomes: Sequence[Outcome], primary: str) -> float | None:
    """The share that would be right if the reader were perfect: right now, or with all gold passages in the context."""
    judged = [found for outcome in outcomes if (found := failing(outcome, primary)) not in (None, "failed")]
    if not judged:
        return None
    return sum(found in ("right", "only normalisation", "answered wrongly") for found in judged) / len(judged)


def reach_by_hop(outcomes: Iterable[Outcome]) -> list[float]:
    """The mean share of gold passages that had been retrieved after each hop; who searched less keeps what it had."""
    rows = [outcome.reach for outcome in outcomes if outcome.reach]
    hops = max(map(len, rows), default=0)
    return [sum(row[min(hop, len(row) - 1)] for row in rows) / len(rows) for hop in range(hops)]


def missed_by_hop(outcomes: Sequence[Outcome], primary: str) -> list[int]:
    """Of the questions whose gold passages were not all retrieved: from which hop on nothing more of them was found.

    As many numbers as there are hops, and one more: those of which the last hop still found something.
    """
    rows = [o.reach for o in outcomes if o.reach and failing(o, primary) == "not retrieved"]
    counts = [0] * (max(map(len, rows)) + 1) if rows else []
    for row in rows:
        gains = [hop for hop, share in enumerate(row) if share > (row[hop - 1] if hop else 0.0)]
        stalled = gains[-1] + 1 if gains else 0
        counts[-1 if stalled == len(row) else stalled] += 1
    return counts


def _is_right(metric: str, score: float) -> bool:
    return score <= 0 if find_metric(metric).better == "lower" else score >= 1


def _letters(text: str) -> str:
    """What is left of a text without case, accents, articles, blanks and signs."""
    plain = unicodedata.normalize("NFKD", normal(text))
    words = [word for word in plain.split() if word not in ("a", "an", "the")]
    return "".join(c for c in "".join(words) if c.isalnum())
