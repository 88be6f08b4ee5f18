"""The default retriever: dense and lexical search over one built generation, and their fusion."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from dsp.errors import UsageError
from dsp.index.built import Built
from dsp.index.encoder import Encoder
from dsp.index.filters import Where
from dsp.index.fusion import masked, spread, standardised
from dsp.text.words import language
from dsp.types import JSON, NOTHING, Hit, Passage

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    from dsp.index.vectors import Nearest

    Scores: TypeAlias = NDArray[numpy.float64]
    Floats: TypeAlias = NDArray[numpy.float32]
    Mask: TypeAlias = NDArray[numpy.bool_]
    Ranking: TypeAlias = list[tuple[int, float]]

# Raised when the same generation would be ranked differently.
_RANKING = {"dense": 2, "lexical": 1, "hybrid": 1}
# Up to so many passages every dense score is computed; beyond, those of so many best passages.
_ALL = 20_000
_BEST = 1_000
# How many more than k are fetched, to see where equal scores end.
_SPARE = 16
# Scores that are in memory at a time, 8 bytes each: of a million passages, those of 16 queries.
_SCORES = 2**24


class IndexRetriever:
    """Searches one generation of an index: `dense`, `lexical`, or `hybrid`, the weighted sum of both.

    Before they are added, the scores of each side are standardised over the passages of the index for this query
    (mean 0, deviation 1): a side that tells passages apart clearly for this query thereby weighs more, and neither
    the scale of its scores nor the size of the index matters. Of a work and its translations only the one in the
    language of the query is ranked. The first five ranks are spread over documents, since a question often needs two.
    What each of these brings is in docs/retrieval.md.
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
        """What decides the ranking of a query: the contents of the generation, the mode, the weights."""
        contents = self._built.manifest["contents"]
        same: dict[str, JSON] = {"index": self.name, "contents": contents, "mode": self._mode}
        same["ranking"] = _RANKING[self._mode]
        return same | {"weights": list(self._weights)} if self._mode == "hybrid" else same

    @property
    def passages(self) -> Iterable[Passage]:
        """All passages of the index, in order; read as they are asked for."""
        return self._built.passages()

    def search(self, queries: Sequence[str], k: int, *, where: Where = NOTHING) -> list[list[Hit]]:
        """For each query its k best passages; equal scores in the order of the corpus. Safe from many threads.

        A hit's score is its own; its rank also counts the spread over documents. With `where` the search is made among
        the passages that match, as if the index held no others: k come wherever so many match. Raises IndexCorrupt.
        """
        if k < 1:
            raise UsageError(f"k is {k}; ask for at least one passage")
        if not queries or not self._built.count:
            return [[] for _ in queries]
        among = self._built.facets.matching(where) if where else None
        if among is not None and not among.any():
            return [[] for _ in queries]
        if self._mode == "dense" and among is None and self._built.one_passage_each:
            return [self._hits(ranking) for ranking in self._by_vectors(queries, k)]
        group = max(1, _SCORES // self._built.count)
        groups = [queries[start : start + group] for start in range(0, len(queries), group)]
        return [self._hits(self._ranked(each, k)) for some in groups for each in self._scores(some, k, among)]

    def _hits(self, ranking: "Ranking") -> list[Hit]:
        return [
            Hit(passage=self._built.passage(position), score=score, rank=rank)
            for rank, (position, score) in enumerate(ranking, start=1)
        ]

    def _ranked(self, scores: "Scores", k: int) -> "Ranking":
        return [(position, float(scores[position])) for position in spread(scores, self._built.documents, k)]

    def _by_vectors(self, queries: Sequence[str], k: int) -> "list[Ranking]":
        """What the FAISS index ranks first: there is nothing to spread, and nothing to add to its scores.

        A query whose k best are not told from those behind them is scored as others are, which keeps them in order.
        """
        vectors = self._encoder.encode_queries(queries)
        scores, positions = self._built.nearest(vectors, k + _SPARE)
        rows = zip(positions[:, :k].tolist(), scores[:, :k].tolist(), strict=True)
        rankings = [[pair for pair in zip(*row, strict=True) if pair[0] >= 0] for row in rows]
        if scores.shape[1] > k:
            for row in (scores[:, k - 1] == scores[:, -1]).nonzero()[0]:
                rankings[row] = self._ranked(self._dense(vectors[row : row + 1], k)[0], k)
        return rankings

    def _scores(self, queries: Sequence[str], k: int, among: "Mask | None") -> "list[Scores]":
        """For each query a score for every passage; -inf for one that is not ranked."""
        seen = [self._built.seen_in(language(query), among) for query in queries]
        if self._mode == "lexical":
            return [masked(self._words(query), mask) for query, mask in zip(queries, seen, strict=True)]
        vectors = self._encoder.encode_queries(queries)
        dense = self._dense(vectors, k) if among is None else self._dense_among(vectors, k, seen)
        if self._mode == "dense":
            return [masked(scores, mask) for scores, mask in zip(dense, seen, strict=True)]
        typical = seen if among is None else [self._built.seen_in(language(query)) for query in queries]
        fused = [self._fused(*each) for each in zip(queries, vectors, dense, typical, strict=True)]
        return [masked(scores, mask) for scores, mask in zip(fused, seen, strict=True)]

    def _words(self, query: str) -> "Scores":
        import numpy as np

        scores = self._built.lexical.scores(query)
        return np.where(scores > 0, scores, -np.inf)

    def _dense(self, vectors: "Floats", k: int) -> "list[Scores]":
        return self._spelt_out(self._built.nearest(vectors, self._depth(self._built.count, k)))

    def _dense_among(self, vectors: "Floats", k: int, seen: "Sequence[Mask | None]") -> "list[Scores]":
        """The same, for each query among its own passages."""
        scores: list[Scores] = []
        for vector, mask in zip(vectors, seen, strict=True):
            assert mask is not None  # a filter always gives one
            scores += self._spelt_out(self._built.nearest(vector[None], self._depth(int(mask.sum()), k), mask))
        return scores

    def _depth(self, count: int, k: int) -> int:
        """How many of so many passages get a dense score."""
        return count if count <= _ALL else max(k, _BEST)

    def _spelt_out(self, nearest: "Nearest") -> "list[Scores]":
        """For each query a score for every passage; -inf for one that is not among the nearest."""
        import numpy as np

        scores = np.full((len(nearest.scores), self._built.count), -np.inf)
        for row, (values, positions) in enumerate(zip(*nearest, strict=True)):
            found = positions >= 0
            scores[row, positions[found]] = values[found]
        return list(scores)

    def _fused(self, query: str, vector: "Floats", dense: "Scores", seen: "Mask | None") -> "Scores":
        """The weighted sum; a passage that the dense side did not find counts there as its last one found."""
        import numpy as np

        found = np.isfinite(dense)
        typical: NDArray[Any]
        if found.all():
            typical = dense if seen is None else dense[seen]
        else:
            typical = self._built.sample_scores(vector)
            dense = np.where(found, dense, dense[found].min(initial=typical.max()))
        words = self._built.lexical.scores(query)
        by_words = standardised(words, words if seen is None else words[seen])
        return self._weights[0] * standardised(dense, typical) + self._weights[1] * by_words
