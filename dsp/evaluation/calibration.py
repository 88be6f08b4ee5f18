"""Whether confidences mean what they say."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from dsp.errors import UsageError


class Bin(NamedTuple):
    """Answers whose confidence lies above `low` and up to `high` (the first bin holds `low` too)."""

    low: float
    high: float
    size: int
    confidence: float
    accuracy: float


class Calibration(NamedTuple):
    """The expected calibration error, and the bins that hold answers, which a diagram shows."""

    error: float
    bins: tuple[Bin, ...]


def calibration(confidences: Sequence[float], correct: Sequence[float], *, bins: int = 10) -> Calibration:
    """The mean gap between confidence and accuracy over bins of equal width, weighted by their size (ECE).

    Raises UsageError for no answers, lists of different lengths, or numbers outside 0 to 1.
    """
    if len(confidences) != len(correct) or not confidences:
        raise UsageError(f"each confidence needs a score: {len(confidences)} confidences, {len(correct)} scores")
    if bins < 1:
        raise UsageError(f"there must be at least one bin; found {bins}")
    for value in (*confidences, *correct):
        if not 0 <= value <= 1:
            raise UsageError(f"confidences and scores lie between 0 and 1; found {value}")
    held: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for confidence, score in zip(confidences, correct, strict=True):
        held[max(0, math.ceil(confidence * bins) - 1)].append((confidence, score))
    found = tuple(
        Bin(
            place / bins,
            (place + 1) / bins,
            len(pairs),
            math.fsum(c for c, _ in pairs) / len(pairs),
            math.fsum(s for _, s in pairs) / len(pairs),
        )
        for place, pairs in enumerate(held)
        if pairs
    )
    error = math.fsum(b.size * abs(b.confidence - b.accuracy) for b in found) / len(confidences)
    return Calibration(error, found)


def expected_calibration_error(confidences: Sequence[float], correct: Sequence[float], *, bins: int = 10) -> float:
    """The error of `calibration` alone."""
    return calibration(confidences, correct, bins=bins).error
