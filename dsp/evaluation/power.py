"""How many questions a comparison of two programs needs, and how likely a given number is to show a difference."""

import math
from functools import lru_cache
from statistics import NormalDist

from dsp.errors import UsageError

DISAGREEMENT = 0.2
"""Share of questions on which two programs differ in exact match, where nothing is known of them."""
_MOST = 10_000_000
_EXACT = 4_000
_STEPS = 1_000
_T_TEST = 1_000


def power(
    delta: float,
    n: int,
    *,
    disagreement: float | None = None,
    deviation: float | None = None,
    alpha: float = 0.05,
) -> float:
    """The chance that n questions show a true difference of `delta` (0.02 is two points) at level alpha, two-sided.

    For scores of 0 and 1 (exact McNemar): `disagreement` is the share of questions that just one program gets right.
    For other scores (paired permutation): `deviation` is the standard deviation of the differences; below about a
    hundred questions of which many score the same, the figure is a point or two too high.
    """
    _check(delta, disagreement, deviation, alpha)
    if n < 1:
        raise UsageError(f"the number of questions must be at least 1; found {n}")
    if deviation is not None:
        return _mean_power(delta, n, deviation, alpha)
    return _mcnemar_power(delta, n, DISAGREEMENT if disagreement is None else disagreement, alpha)


def questions_needed(
    delta: float,
    *,
    target: float = 0.8,
    disagreement: float | None = None,
    deviation: float | None = None,
    alpha: float = 0.05,
) -> int:
    """The smallest number of questions from which on the power stays at `target` or above (to within a few)."""
    _check(delta, disagreement, deviation, alpha)
    if not alpha < target < 1:
        raise UsageError(f"the target lies between alpha ({alpha:g}) and 1; found {target}")

    def enough(n: int) -> bool:
        return power(delta, n, disagreement=disagreement, deviation=deviation, alpha=alpha) >= target

    high = 8
    while not enough(high):
        high *= 2
        if high > _MOST:
            raise UsageError(f"a difference of {delta:g} needs more than {_MOST:,} questions; look for a larger one")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    # The exact test is a staircase: for few questions, some more can lower the power a little.
    while high < _STEPS and not all(enough(high + more) for more in range(1, 40)):
        high += 1
    return high


def _mcnemar_power(delta: float, n: int, disagreement: float, alpha: float) -> float:
    """Summed over how many of n questions disagree: the chance of a split that the exact test rejects."""
    import numpy as np

    mean, spread = n * disagreement, math.sqrt(n * disagreement * (1 - disagreement))
    if mean > _EXACT:
        return _large_mcnemar_power(delta, n, disagreement, alpha)
    first, last = max(0, math.floor(mean - 8 * spread)), min(n, math.ceil(mean + 8 * spread))
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    better = min((disagreement + abs(delta)) / (2 * disagreement), 1 - 1e-12)
    total = 0.0
    for disagreeing in range(first, last + 1):
        side = np.arange(disagreeing // 2 + 1)
        ways = logs[disagreeing] - logs[side] - logs[disagreeing - side]
        tails = 2 * np.cumsum(np.exp(ways - disagreeing * math.log(2)))
        rejected = side[tails <= alpha]
        few = ways[rejected] + rejected * math.log(better) + (disagreeing - rejected) * math.log1p(-better)
        many = ways[rejected] + rejected * math.log1p(-better) + (disagreeing - rejected) * math.log(better)
        total += _binomial(disagreeing, n, disagreement) * float(np.exp(few).sum() + np.exp(many).sum())
    return min(1.0, total)


def _large_mcnemar_power(delta: float, n: int, disagreement: float, alpha: float) -> float:
    """The normal limit, with the half step that the exact test loses."""
    normal = NormalDist()
    bar = normal.inv_cdf(1 - alpha / 2) * math.sqrt(disagreement * n) + 1
    spread = math.sqrt(n * (disagreement - delta * delta))
    return normal.cdf((n * abs(delta) - bar) / spread) + normal.cdf((-n * abs(delta) - bar) / spread)


def _binomial(successes: int, trials: int, chance: float) -> float:
    if chance == 1.0:
        return float(successes == trials)
    log = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    return math.exp(log + successes * math.log(chance) + (trials - successes) * math.log1p(-chance))


def _mean_power(delta: float, n: int, deviation: float, alpha: float) -> float:
    """The power of the t test, which the permutation test has too; averaged over what the sample's deviation may be."""
    normal = NormalDist()
    shift = math.sqrt(n) * abs(delta) / deviation
    if n > _T_TEST or n < 2:
        bar = normal.inv_cdf(1 - alpha / 2)
        return normal.cdf(shift - bar) + normal.cdf(-shift - bar) if n > 1 else 0.0
    ratios = _deviation_ratios(n - 1)

    def beyond(bar: float, shift: float) -> float:
        return sum(w * (normal.cdf(shift - bar * r) + normal.cdf(-shift - bar * r)) for r, w in ratios)

    low, high = 0.0, 1000.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle, 0.0) > alpha else (low, middle)
    return beyond(high, shift)


@lru_cache(maxsize=256)
def _deviation_ratios(freedom: int) -> tuple[tuple[float, float], ...]:
    """Ratios of a sample's standard deviation to the true one, each with its weight (chi distribution)."""
    points = [i / 100 for i in range(1, 400)]
    logs = [(freedom - 1) * math.log(r) - freedom * r * r / 2 for r in points]
    weights = [math.exp(log - max(logs)) for log in logs]
    return tuple((r, w / sum(weights)) for r, w in zip(points, weights, strict=True) if w > 1e-12)


def _check(delta: float, disagreement: float | None, deviation: float | None, alpha: float) -> None:
    if disagreement is not None and deviation is not None:
        raise UsageError("give the disagreement (scores of 0 and 1) or the deviation (other scores), not both")
    if not 0 < abs(delta) < 1:
        raise UsageError(f"a difference lies between 0 and 1 (0.02 is two points); found {delta}")
    if not 0 < alpha < 1:
        raise UsageError(f"alpha lies between 0 and 1; found {alpha}")
    if deviation is not None and not deviation > 0:
        raise UsageError(f"the deviation of the differences is above 0; found {deviation}")
    share = DISAGREEMENT if disagreement is None else disagreement
    if deviation is None and not abs(delta) <= share <= 1:
        raise UsageError(
            f"programs that differ by {abs(delta):g} disagree on at least that share of questions and at most 1; "
            f"found a disagreement of {share:g}"
        )
