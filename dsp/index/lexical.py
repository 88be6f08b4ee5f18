"""The lexical side of an index: BM25 over the terms of its passages; the only file that imports bm25s."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from dsp.errors import IndexCorrupt
from dsp.index.glossary import added_words
from dsp.text.terms import terms

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Arrays: TypeAlias = Mapping[str, NDArray[Any]]
    Scores: TypeAlias = NDArray[numpy.float32]

_K1 = 1.2
_B = 0.75
# What the words that a glossary adds weigh beside those of the query itself.
_TRANSLATED = 0.5
_ARRAYS = ("data", "indices", "indptr")


class Lexical:
    """BM25 scores of every passage, term by term, computed when the index is built; `vocabulary` numbers the terms."""

    def __init__(
        self, arrays: "Arrays", vocabulary: Mapping[str, int], count: int, glossary: Mapping[str, str] | None = None
    ) -> None:
        """Check that the arrays belong together; IndexCorrupt where they do not."""
        self.arrays = {name: arrays[name] for name in _ARRAYS}
        self.vocabulary = vocabulary
        self.count = count
        self._glossary = glossary or {}
        _check(self.arrays, vocabulary, count)
        self._model = _model()
        self._model.scores = {**self.arrays, "num_docs": count}
        self._model.vocab_dict = dict(vocabulary)
        self._model.nonoccurrence_array = None

    def scores(self, query: str) -> "Scores":
        """The score of every passage for a query, shape (count,); all 0 where no term is known.

        A query also asks, at half weight, for the words that the index's glossary has for its terms.
        """
        own = set(terms(query))
        added = set(terms(added_words(query, self._glossary))) - own
        return self._of(own) + _TRANSLATED * self._of(added) if added else self._of(own)

    def _of(self, asked: Iterable[str]) -> "Scores":
        import numpy as np

        known = [self.vocabulary[term] for term in sorted(asked) if term in self.vocabulary]
        if not known:
            return np.zeros(self.count, np.float32)
        scores: Scores = self._model.get_scores_from_ids(known)
        return scores


def build(texts: Iterable[str]) -> Lexical:
    """The lexical side of an index over the passages' texts, in order."""
    import numpy as np

    found = [terms(text) for text in texts]
    if not any(found):
        empty: dict[str, NDArray[Any]] = {
            "data": np.zeros(0, np.float32),
            "indices": np.zeros(0, np.int32),
            "indptr": np.zeros(1, np.int64),
        }
        return Lexical(empty, {}, len(found))
    vocabulary = {term: i for i, term in enumerate(sorted({term for passage in found for term in passage}))}
    model = _model()
    ids = [[vocabulary[term] for term in passage] for passage in found]
    model.index((ids, vocabulary), create_empty_token=False, show_progress=False)
    return Lexical({name: model.scores[name] for name in _ARRAYS}, vocabulary, len(found))


def _model() -> Any:
    from bm25s import BM25

    return BM25(k1=_K1, b=_B, method="lucene", backend="numpy")


def _check(arrays: "Arrays", vocabulary: Mapping[str, int], count: int) -> None:
    data, indices, indptr = (arrays[name] for name in _ARRAYS)
    fits = (
        len(indptr) == len(vocabulary) + 1
        and len(data) == len(indices) == int(indptr[-1])
        and (len(indices) == 0 or (int(indices.min()) >= 0 and int(indices.max()) < count))
        and sorted(vocabulary.values()) == list(range(len(vocabulary)))
    )
    if not fits:
        raise IndexCorrupt("the lexical side of the index does not fit its passages; build the index again")
