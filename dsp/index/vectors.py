"""The vectors of an index and the search among them: the only file that imports FAISS."""

import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from dsp.environment import quiet_native_threads
from dsp.errors import DSPError, IndexCorrupt, UsageError

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[numpy.float32]
    Ids: TypeAlias = NDArray[numpy.int64]
    Mask: TypeAlias = NDArray[numpy.bool_]

# FAISS counts the tables it derives too, so a limit at the size of the file refuses honest indexes.
_SMALLEST_LIMIT = 64 * 2**20
_LOOPS = 2**31
_CANDIDATES = (16, 32, 64, 128, 256, 512, 1024)
# FAISS is trained on at most so many vectors, 64 for each of the 1,024 cells of a million.
_TRAINING = 65_536


class Sink(Protocol):
    """Takes bytes, raises OSError where it cannot."""

    def write(self, data: bytes, /) -> int:
        """Take all of the bytes."""


class Nearest(NamedTuple):
    """For each query the positions of its best vectors, best first, and their scores (higher is better).

    Both have the shape (queries, k); where fewer were found the position is -1.
    """

    scores: "Floats"
    positions: "Ids"


class Vectors:
    """A FAISS index that is only ever searched: safe from many threads and after a fork."""

    def __init__(self, index: Any, content: object = None) -> None:
        """Of a FAISS index, and of the bytes that it is read from and needs as long as it is used."""
        self._index = index
        self._content = content
        self.count: int = index.ntotal
        self.dimension: int = index.d
        self.far_is_large = index.metric_type == _faiss().METRIC_L2

    def nearest(self, queries: "Floats", k: int, among: "Mask | None" = None) -> Nearest:
        """The k best vectors for each query, equal scores in the order of the index.

        With `among`, of shape (count,), only those; an index that cannot choose, or that goes from neighbour to
        neighbour, then finds fewer than there are. Raises IndexCorrupt where FAISS answers with a position that does
        not exist or a score that is no number.
        """
        import numpy as np

        k = min(k, self.count)
        if k <= 0 or len(queries) == 0:
            return Nearest(np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64))
        if queries.shape[1] != self.dimension:
            raise DSPError(
                f"the encoder gives {queries.shape[1]} numbers, the index holds {self.dimension}; rebuild it"
            )
        chosen = None if among is None else _choosing(self._index, among)
        if among is not None and chosen is None:
            return Nearest(np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1, np.int64))
        scores, positions = self._index.search(np.ascontiguousarray(queries, np.float32), k, params=chosen)
        return _checked(-scores if self.far_is_large else scores, positions, self.count)

    @property
    def widths(self) -> tuple[int, ...]:
        """How widely it can be searched, from little to much: cells of an inverted file, or candidates in a graph."""
        ivf = _faiss().try_extract_index_ivf(self._index)
        if ivf is not None:
            return (*(2**i for i in range(max(ivf.nlist - 1, 0).bit_length())), ivf.nlist)
        return _CANDIDATES if isinstance(self._index, _faiss().IndexHNSW) else ()

    def search_widely(self, width: int) -> None:
        """Search so widely from now on; a width beyond what there is counts as the largest, 0 changes nothing."""
        if width > 0 and self.widths:
            _set_width(self._index, min(width, self.widths[-1]))

    def rows(self) -> "Floats":
        """All vectors in order, shape (count, dimension); exact only for an index of kind Flat."""
        return self._index.reconstruct_n(0, self.count)  # type: ignore[no-any-return]

    def write(self, sink: Sink) -> None:
        """Write the index; every error of the sink is raised (FAISS's own file writer loses them)."""
        faiss = _faiss()
        faiss.write_index(self._index, faiss.PyCallbackIOWriter(sink.write))


def build(vectors: "Floats", factory: str, metric: str) -> Vectors:
    """An index of that `index_factory` string over the rows of `vectors`, trained where it needs it.

    `cosine` and `inner_product` both rank by inner product, `l2` by distance.
    Raises UsageError where FAISS does not know the string or cannot train it on so few vectors.
    """
    return grow([vectors], lambda most: vectors, factory, metric)


def grow(pieces: "Sequence[Floats]", sample: Callable[[int], "Floats"], factory: str, metric: str) -> Vectors:
    """The same over vectors that come in pieces, one after another; `sample(n)` gives some n of them to train on."""
    faiss = _faiss()
    measure = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    count, dimension = sum(map(len, pieces)), pieces[0].shape[1]
    try:
        index = faiss.index_factory(dimension, factory, measure)
        if count:
            if not index.is_trained:
                index.train(sample(_TRAINING))
            for piece in pieces:
                _add(index, piece)
        _search_widely(index)
    except (RuntimeError, AssertionError) as error:
        what = f"{factory!r} over {count} vectors of {dimension} numbers"
        raise UsageError(
            f'FAISS cannot build {what}: {_reason(error)}; choose another factory, such as "Flat", in the recipe'
        ) from error
    return Vectors(index)


def read(content: memoryview) -> Vectors:
    """The index in these verified bytes; IndexCorrupt where FAISS refuses them.

    It is searched where the bytes lie: those of a mapped file take no memory that the system could not have back.
    How widely it searches is set anew, not read: a file could ask for more than there is memory.
    """
    import numpy as np

    faiss = _faiss()
    faiss.set_deserialization_vector_byte_limit(max(4 * len(content), _SMALLEST_LIMIT))
    faiss.set_deserialization_loop_limit(_LOOPS)
    there = np.frombuffer(content, np.uint8)
    try:
        index = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(there), len(there)))
    except (RuntimeError, MemoryError) as error:
        raise IndexCorrupt(f"FAISS does not read the index: {_reason(error)}; build it again") from error
    _require_sound_graph(index)
    _search_widely(index)
    return Vectors(index, there)


def compared(rows: "Floats", queries: "Floats", k: int, among: "Mask", *, far_is_large: bool) -> Nearest:
    """The k best of some vectors for each query, found without an index: `rows` are all vectors as they were given."""
    import numpy as np

    positions = np.flatnonzero(among)
    some = rows[positions]
    scores = -((some[None] - queries[:, None]) ** 2).sum(axis=2) if far_is_large else queries @ some.T
    order = np.lexsort((np.broadcast_to(positions, scores.shape), -scores), axis=1)[:, :k]
    return Nearest(np.take_along_axis(scores, order, 1), positions[order])


def rescored(
    take: Callable[["Ids"], "Floats"], queries: "Floats", found: Nearest, k: int, *, far_is_large: bool
) -> Nearest:
    """The k best of those found for each query, by their exact scores; `take` gives the vectors at some positions."""
    import numpy as np

    scores = np.full(found.positions.shape, -np.inf, np.float32)
    for row, (query, positions) in enumerate(zip(queries, found.positions, strict=True)):
        there = positions >= 0
        some = take(positions[there])
        scores[row, there] = -((some - query) ** 2).sum(axis=1) if far_is_large else some @ query
    last = np.where(found.positions >= 0, found.positions, np.iinfo(np.int64).max)
    order = np.lexsort((last, -scores), axis=1)[:, :k]
    return Nearest(np.take_along_axis(scores, order, 1), np.take_along_axis(found.positions, order, 1))


def is_exact(factory: str) -> bool:
    """Whether an index of this factory string keeps its vectors as they were given."""
    return factory == "Flat"


def _add(index: Any, vectors: "Floats") -> None:
    """Add the rows; an index that maps ids gets their positions as ids."""
    import numpy as np

    if isinstance(index, _faiss().IndexIDMap):
        index.add_with_ids(vectors, np.arange(index.ntotal, index.ntotal + len(vectors)))
    else:
        index.add(vectors)


def _search_widely(index: Any) -> None:
    """FAISS looks into one cell of an inverted file by default and misses most; look into an eighth, at least eight."""
    ivf = _faiss().try_extract_index_ivf(index)
    _set_width(index, _CANDIDATES[2] if ivf is None else min(ivf.nlist, max(8, ivf.nlist // 8)))


def _set_width(index: Any, width: int) -> None:
    ivf = _faiss().try_extract_index_ivf(index)
    if ivf is not None:
        ivf.nprobe = width
    elif isinstance(index, _faiss().IndexHNSW):
        index.hnsw.efSearch = width


def _require_sound_graph(index: Any) -> None:
    """IndexCorrupt where a graph is entered below its top: FAISS reads past its tables there and does not check it."""
    faiss = _faiss()
    while isinstance(index, faiss.IndexIDMap | faiss.IndexPreTransform | faiss.IndexRefine):
        inner = index.base_index if isinstance(index, faiss.IndexRefine) else index.index
        index = faiss.downcast_index(inner)
    if not isinstance(index, faiss.IndexHNSW) or not index.ntotal:
        return
    graph = index.hnsw
    entry, count = graph.entry_point, graph.levels.size()
    if not (0 <= entry < count == index.ntotal and graph.levels.at(entry) == graph.max_level + 1):
        raise IndexCorrupt("the graph of the index is entered where it does not begin; build it again")


def _choosing(index: Any, among: "Mask") -> Any:
    """The parameters of a search among some vectors; None for a kind of index that FAISS cannot search so."""
    import numpy as np

    faiss = _faiss()
    chosen = faiss.IDSelectorBitmap(np.packbits(among, bitorder="little"))

    def parameters(index: Any) -> Any:
        if isinstance(index, faiss.IndexPreTransform):
            inner = parameters(faiss.downcast_index(index.index))
            return inner and faiss.SearchParametersPreTransform(index_params=inner)
        if isinstance(index, faiss.IndexIDMap):
            return parameters(faiss.downcast_index(index.index))
        if isinstance(index, faiss.IndexRefine):
            inner = parameters(faiss.downcast_index(index.base_index))
            return inner and faiss.IndexRefineSearchParameters(base_index_params=inner, k_factor=index.k_factor)
        if isinstance(index, faiss.IndexIVF):
            return faiss.SearchParametersIVF(sel=chosen, nprobe=index.nlist)
        if isinstance(index, faiss.IndexHNSW):
            return faiss.SearchParametersHNSW(sel=chosen, efSearch=index.hnsw.efSearch)
        if isinstance(index, faiss.IndexFlat | faiss.IndexScalarQuantizer):
            return faiss.SearchParameters(sel=chosen)
        return None

    return parameters(faiss.downcast_index(index))


def _reason(error: BaseException) -> str:
    """What FAISS says, without the function and the file in which it says it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^Error in .* at \S+:\d+: (?:Error: )?", "", lines[-1].strip())


def _checked(scores: "Floats", positions: "Ids", count: int) -> Nearest:
    import numpy as np

    if positions.min() < -1 or positions.max() >= count:
        raise IndexCorrupt(f"FAISS answered with a passage that is not among the {count} of the index; build it again")
    found = positions >= 0
    if not np.isfinite(scores[found]).all():
        raise IndexCorrupt("FAISS answered with a score that is not a number; build the index again")
    scores = np.where(found, scores, -np.inf).astype(np.float32)
    order = np.lexsort((np.where(found, positions, count), -scores), axis=1)
    return Nearest(np.take_along_axis(scores, order, 1), np.take_along_axis(positions, order, 1))


@cache
def _faiss() -> Any:
    quiet_native_threads()
    import faiss

    # A child that was forked after a search hangs in its first search, unless it stays on one thread.
    os.register_at_fork(after_in_child=lambda: faiss.omp_set_num_threads(1))
    return faiss
