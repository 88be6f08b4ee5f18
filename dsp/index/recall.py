"""How widely an approximate index must be searched, measured after its build against exact search on a sample."""

from typing import TYPE_CHECKING, TypeAlias

from dsp.index.shards import Rows
from dsp.index.vectors import Nearest, Vectors, rescored
from dsp.types import JSON

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[numpy.float32]

K = 10
QUERIES = 128
ENOUGH = 0.96
"""What a search is widened for: some more than the 0.95 that is promised, since the sample is small."""
_DEEP = 200
_BLOCK = 8192
_ROUNDING = 1e-5


def tuned(index: Vectors, rows: Rows, queries: "Floats", factory: str) -> dict[str, JSON]:
    """What a manifest says of the search: `width`, the least that finds enough (0 where there is none to choose),
    `recall` at 10 with it over so many `queries`, and whether the best are scored again (`refine`).

    Where no width finds enough it is the widest, and the recall says so.
    """
    refine, least = is_lossy(factory), _least(rows, queries, index.far_is_large)
    recall, width = 0.0, 0
    for width in index.widths or (0,):
        index.search_widely(width)
        recall = _recall(index, rows, queries, least, refine)
        if recall >= ENOUGH:
            break
    return {"width": width, "recall": round(recall, 4), "k": K, "queries": len(queries), "refine": refine}


def is_lossy(factory: str) -> bool:
    """Whether scores of an index of this factory string are so coarse that the best must be scored again."""
    return "PQ" in factory or "SQ4" in factory


def depth(k: int) -> int:
    """How many are fetched where the k best of them are found by scoring them again."""
    return max(k, _DEEP)


def _recall(index: Vectors, rows: Rows, queries: "Floats", least: "Floats", refine: bool) -> float:
    """The share of the best ten that is found; one that scores as high as the tenth counts, whichever it is."""
    found = index.nearest(queries, depth(K) if refine else K)
    exact: Nearest = rescored(rows.take, queries, found, K, far_is_large=index.far_is_large)
    return float((exact.scores >= least[:, None] - _ROUNDING).mean())


def _least(rows: Rows, queries: "Floats", far_is_large: bool) -> "Floats":
    """The score of the tenth best of all vectors for each query, by comparing all, block by block."""
    import numpy as np

    k = min(K, rows.count)
    best = np.full((len(queries), k), -np.inf, np.float32)
    for piece in rows.pieces:
        for start in range(0, len(piece), _BLOCK):
            block = piece[start : start + _BLOCK]
            scores = queries @ block.T
            if far_is_large:
                scores = 2 * scores - (block**2).sum(axis=1) - (queries**2).sum(axis=1)[:, None]
            best = -np.partition(-np.concatenate([best, scores], axis=1), k - 1, axis=1)[:, :k]
    return np.asarray(best.min(axis=1), np.float32)
