"""Arithmetic of rankings: scores made comparable, and the first ranks spread over documents."""

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Scores: TypeAlias = NDArray[numpy.float64]
    Mask: TypeAlias = NDArray[numpy.bool_]

# Among the first ranks each passage costs the others of its document this share of the scores' deviation.
_SHARE = 0.75
_RANKS = 5


def standardised(scores: "NDArray[Any]", typical: "NDArray[Any]") -> "Scores":
    """The scores as deviations from the mean of typical ones; all 0 where those are all alike."""
    import numpy as np

    deviation = float(np.std(typical, dtype=np.float64))
    if deviation < 1e-9:
        return np.zeros(len(scores))
    return (scores.astype(np.float64) - float(np.mean(typical, dtype=np.float64))) / deviation


def masked(scores: "NDArray[Any]", seen: "Mask | None") -> "Scores":
    """The scores, -inf where a passage is not to be seen."""
    import numpy as np

    return scores.astype(np.float64) if seen is None else np.where(seen, scores, -np.inf)


def spread(scores: "Scores", documents: "NDArray[Any]", k: int) -> list[int]:
    """The positions of the k best scores, best first; scores of -inf are left out, equal ones stay in order.

    The first five are chosen one by one, each making the other passages of its document weaker for the next choice;
    the rest follow by their scores.
    """
    import numpy as np

    ranked = np.isfinite(scores)
    if not ranked.any():
        return []
    step = _SHARE * float(scores[ranked].std())
    left, rest = scores.copy(), scores.copy()
    chosen: list[int] = []
    while len(chosen) < min(k, _RANKS, int(ranked.sum())):
        position = int(left.argmax())
        chosen.append(position)
        left[documents == documents[position]] -= step
        left[position] = rest[position] = -np.inf
    return chosen + best(rest, k - len(chosen))


def best(scores: "Scores", k: int) -> list[int]:
    """The positions of the k best scores, best first; scores of -inf are left out, equal ones stay in order."""
    import numpy as np

    k = min(k, len(scores))
    if k <= 0:
        return []
    among = np.flatnonzero((scores >= np.partition(scores, -k)[-k]) & (scores > -np.inf))
    return [int(position) for position in among[np.lexsort((among, -scores[among]))][:k]]
