"""The default retriever: dense and lexical search over one built generation, and their fusion."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from dsp.errors import UsageError
from dsp.index.built import Built
from dsp.index.encoder import Encoder
from dsp.types import JSON, Hit

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Scores: TypeAlias = NDArray[numpy.float64]
    Floats: TypeAlias = NDArray[numpy.float32]

# Raised when the same generation would rank differently.
FUSION = 1
# Up to so many passages every dense score is computed; beyond, those of so many best passages.
_ALL = 20_000
_BEST = 1_000


class IndexRetriever:
    """Searches one generation of an index: `dense`, `lexical`, or `hybrid`, the weighted sum of both.

    Before they are added, the scores of each side are standardised over the passages of the index for this query
    (mean 0, deviation 1): a side that tells passages apart clearly for this query thereby weighs more, and neither
    scale nor corpus size matters.
    """

    def __init__(self, built: Built, encoder: Encoder, *, mode: str, weights: tuple[float, float]) -> None:
        self._built = built
        self._encoder = encoder
        self._mode = mode
        self._weights = weights

    @property
    def name(self) -> str:
        """The name of the index."""
        return self._built.name

    @property
    def identity(self) -> Mapping[str, JSON]:
        """What decides the ranking of a query: the contents of the generation, mode, fusion."""
        same: dict[str, JSON] = {"index": self.name, "contents": self._built.manifest["contents"], "mode": self._mode}
        return same | {"fusion": [FUSION, *self._weights]} if self._mode == "hybrid" else same

    def search(self, queries: Sequence[str], k: int) -> list[list[Hit]]:
        """For each query its k best passages; equal scores in the order of the corpus."""
        if k < 1:
            raise UsageError(f"k is {k}; ask for at least one passage")
        if not queries or not self._built.count:
            return [[] for _ in queries]
        return [self._hits(scores, k) for scores in self._scores(queries, k)]

    def _hits(self, scores: "Scores", k: int) -> list[Hit]:
        return [
            Hit(passage=self._built.passage(position), score=float(scores[position]), rank=rank)
            for rank, position in enumerate(_best(scores, min(k, len(scores))), start=1)
        ]

    def _scores(self, queries: Sequence[str], k: int) -> "list[Scores]":
        """For each query a score for every passage; -inf for one that this mode does not find."""
        if self._mode == "lexical":
            return [_found(self._built.lexical.scores(query)) for query in queries]
        vectors = self._encoder.encode_queries(queries)
        dense = self._dense(vectors, k)
        if self._mode == "dense":
            return dense
        scores = []
        for query, vector, found in zip(queries, vectors, dense, strict=True):
            of_words = self._built.lexical.scores(query)
            scores.append(
                self._weights[0] * self._standardised(found, vector)
                + self._weights[1] * _scaled(of_words, of_words.mean(), of_words.std())
            )
        return scores

    def _dense(self, vectors: "Floats", k: int) -> "list[Scores]":
        import numpy as np

        count = self._built.count
        nearest = self._built.vectors.nearest(vectors, count if count <= _ALL else max(k, _BEST))
        scores = np.full((len(vectors), count), -np.inf)
        for row, (values, positions) in enumerate(zip(*nearest, strict=True)):
            found = positions >= 0
            scores[row, positions[found]] = values[found]
        return list(scores)

    def _standardised(self, scores: "Scores", vector: "Floats") -> "Scores":
        """Standardised by the scores of the index's sample; a passage that was not found gets the lowest score."""
        import numpy as np

        found = np.isfinite(scores)
        if not found.any():
            return np.zeros_like(scores)
        seen = scores if found.all() else self._built.sample_scores(vector)
        return _scaled(np.where(found, scores, scores[found].min()), seen.mean(), seen.std())


def _scaled(scores: "Scores | Floats", mean: float, deviation: float) -> "Scores":
    import numpy as np

    return (np.asarray(scores, np.float64) - mean) / (deviation + 1e-9)


def _found(scores: "Floats") -> "Scores":
    import numpy as np

    return np.where(scores > 0, scores.astype(np.float64), -np.inf)


def _best(scores: "Scores", k: int) -> list[int]:
    """The positions of the k best scores, best first, equal ones in order; those that were not found left out."""
    import numpy as np

    least = np.partition(scores, -k)[-k]
    among = np.flatnonzero((scores >= least) & (scores > -np.inf))
    return [int(i) for i in among[np.lexsort((among, -scores[among]))][:k]]
