"""What a score and a difference are worth: intervals, paired tests, a correction for several programs.

Pairs are the same questions answered by two programs, in the same order. Everything is exact or seeded, so that a
report comes out the same each time.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dsp.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESAMPLES = 10_000
_EXACT_PAIRS = 16
_BLOCK = 1 << 22


class Interval(NamedTuple):
    """A mean and the percentile interval around it at the given level."""

    mean: float
    low: float
    high: float
    level: float = 0.95


class McNemar(NamedTuple):
    """Questions that only the first or only the second program got right, and the exact two-sided p-value."""

    only_first: int
    only_second: int
    p: float


def bootstrap(
    values: Sequence[float],
    *,
    groups: Sequence[str] | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The mean and its bootstrap percentile interval.

    `groups` names what each value belongs to (a conversation): whole groups are drawn, since their values depend on
    each other. Raises UsageError for no values, or values that are no numbers.
    """
    import numpy as np

    array = _numbers(values)
    if not 0 < level < 1:
        raise UsageError(f"the level of an interval lies between 0 and 1; found {level}")
    sums, sizes = (array, np.ones_like(array)) if groups is None else _grouped(array, groups)
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, _BLOCK // len(sums))
    for start in range(0, resamples, step):
        drawn = generator.integers(0, len(sums), size=(min(step, resamples - start), len(sums)))
        means[start : start + step] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(array.mean()), float(low), float(high), level)


def paired_bootstrap(
    first: Sequence[float],
    second: Sequence[float],
    *,
    groups: Sequence[str] | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The mean difference (first minus second) and its bootstrap percentile interval over questions."""
    return bootstrap(_differences(first, second), groups=groups, level=level, resamples=resamples, seed=seed)


def mcnemar(first: Sequence[float], second: Sequence[float]) -> McNemar:
    """McNemar's exact test for scores that are 0 or 1: are the disagreements even? Two-sided; 1 without any."""
    for value in (*_numbers(first), *_numbers(second)):
        if value not in (0.0, 1.0):
            raise UsageError(f"McNemar's test compares scores of 0 and 1; found {value:g}. Use permutation_test")
    differences = _differences(first, second)
    only_first, only_second = int((differences > 0).sum()), int((differences < 0).sum())
    return McNemar(only_first, only_second, binomial_p(only_first, only_first + only_second))


def binomial_p(successes: int, trials: int) -> float:
    """The exact two-sided p-value of that many successes in as many even trials."""
    tail = ways = 1
    for i in range(min(successes, trials - successes)):
        ways = ways * (trials - i) // (i + 1)
        tail += ways
    return min(1.0, tail / 2 ** (trials - 1)) if trials else 1.0


def permutation_test(
    first: Sequence[float],
    second: Sequence[float],
    *,
    groups: Sequence[str] | None = None,
    rounds: int = RESAMPLES,
    seed: int = 0,
) -> float:
    """The two-sided p-value of the mean difference when each pair may be swapped.

    With `groups` (conversations) all pairs of a group are swapped together, since they depend on each other.
    Exact over all swaps where at most 16 pairs or groups differ, otherwise over `rounds` random ones and the one
    observed.
    """
    import numpy as np

    differences = _differences(first, second)
    if groups is not None:
        differences = _grouped(differences, groups)[0]
        differences[abs(differences) < 1e-12] = 0.0
    differences = differences[differences != 0]
    n = len(differences)
    observed = abs(differences.sum()) * (1 - 1e-12) if n else 0.0
    if n <= _EXACT_PAIRS:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float((np.abs(signs @ differences) >= observed).mean())
    generator = np.random.default_rng(seed)
    extreme, step = 0, max(1, _BLOCK // n)
    for start in range(0, rounds, step):
        signs = 2 * generator.integers(0, 2, size=(min(step, rounds - start), n), dtype=np.int8) - 1
        extreme += int((np.abs(signs @ differences) >= observed).sum())
    return (extreme + 1) / (rounds + 1)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values corrected for there being several (Holm's step-down), in the order given."""
    for p in p_values:
        if not 0 <= p <= 1:
            raise UsageError(f"a p-value lies between 0 and 1; found {p}")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return tuple(adjusted)


def _numbers(values: Sequence[float]) -> "Floats":
    import numpy as np

    try:
        array: Any = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"scores are numbers; found {values!r:.80}") from None
    if array.ndim != 1 or not len(array):
        raise UsageError("there are no scores to work with" if array.ndim == 1 else "scores are one list of numbers")
    if not np.isfinite(array).all():
        where = int(np.flatnonzero(~np.isfinite(array))[0])
        raise UsageError(f"scores are finite numbers; number {where + 1} is {array[where]}")
    return array  # type: ignore[no-any-return]


def _differences(first: Sequence[float], second: Sequence[float]) -> Any:
    one, other = _numbers(first), _numbers(second)
    if len(one) != len(other):
        raise UsageError(f"pairs are needed: {len(one)} scores against {len(other)}; compare the same questions")
    return one - other


def _grouped(array: "Floats", groups: Sequence[str]) -> tuple[Any, Any]:
    import numpy as np

    if len(groups) != len(array):
        raise UsageError(f"each score needs a group: {len(array)} scores, {len(groups)} groups")
    _, places = np.unique(np.asarray(groups), return_inverse=True)
    return np.bincount(places, weights=array), np.bincount(places, weights=np.ones_like(array))
