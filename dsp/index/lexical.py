"""The lexical side of an index: BM25 over words and Chinese character bigrams; the only file that imports bm25s."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from dsp.errors import IndexCorrupt
from dsp.words import words

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Arrays: TypeAlias = Mapping[str, NDArray[Any]]
    Scores: TypeAlias = NDArray[numpy.float32]

# Raised when the words of a text or the weights below change, so that built indexes are known to be older.
ANALYSIS = 1
_K1 = 1.2
_B = 0.75
_ARRAYS = ("data", "indices", "indptr")


class Lexical:
    """BM25 scores of every passage, word by word, computed when the index is built."""

    def __init__(self, arrays: "Arrays", vocabulary: Mapping[str, int], count: int) -> None:
        """Check that the arrays belong together; IndexCorrupt where they do not."""
        self.arrays = {name: arrays[name] for name in _ARRAYS}
        self.vocabulary = vocabulary
        self.count = count
        _check(self.arrays, vocabulary, count)
        self._model = _model()
        self._model.scores = {**self.arrays, "num_docs": count}
        self._model.vocab_dict = dict(vocabulary)
        self._model.nonoccurrence_array = None

    def scores(self, query: str) -> "Scores":
        """The score of every passage for a query, shape (count,); all 0 where no word is known."""
        import numpy as np

        known = [self.vocabulary[word] for word in words(query) if word in self.vocabulary]
        if not known:
            return np.zeros(self.count, np.float32)
        scores: Scores = self._model.get_scores_from_ids(known)
        return scores


def build(texts: Sequence[str]) -> Lexical:
    """The lexical side of an index over the passages' texts, in order."""
    import numpy as np

    tokens = [words(text) for text in texts]
    if not any(tokens):
        empty: dict[str, NDArray[Any]] = {
            "data": np.zeros(0, np.float32),
            "indices": np.zeros(0, np.int32),
            "indptr": np.zeros(1, np.int64),
        }
        return Lexical(empty, {}, len(texts))
    vocabulary = {word: i for i, word in enumerate(sorted({word for passage in tokens for word in passage}))}
    model = _model()
    ids = [[vocabulary[word] for word in passage] for passage in tokens]
    model.index((ids, vocabulary), create_empty_token=False, show_progress=False)
    return Lexical({name: model.scores[name] for name in _ARRAYS}, vocabulary, len(texts))


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
