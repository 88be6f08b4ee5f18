"""How long a build will take here: each part of it timed on a few passages of the corpus, and counted for all.

A build reads n passages, encodes them and, for the lexical side, counts their words: so many times what one took. FAISS
compares vectors: an inverted file each of up to 65,536 with its cells in ten rounds of training, then each of all; a
product quantiser each of up to 65,536 with 256 rows in 25 rounds, then each of all; the measuring of recall 128 queries
with all, three times. What a comparison takes is timed too, and what it takes to hang a vector into a graph.
"""

import json
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from dsp.index import lexical, vectors
from dsp.index.encoder import Encoder
from dsp.index.indexed import encoded_text, lexical_text
from dsp.index.protocol import passage_json
from dsp.index.recall import QUERIES
from dsp.index.size import Corpus
from dsp.index.vectors import is_exact
from dsp.types import JSON, Passage

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[numpy.float32]

_ENCODED, _BATCH, _WARM = 128, 64, 4
_SHORTEST = 0.1
_COMPARED, _HUNG = 4096, 1024
_TRAINED, _ROUNDS, _CODE, _CODE_ROUNDS = 65_536, 10, 256, 25


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """Seconds, measured: for a passage to read, to encode and to count the words of (0 without a lexical side),
    for a comparison of two vectors, and to hang a vector into a graph of 1,024.
    """

    reading: float
    encoding: float
    words: float
    comparison: float
    hanging: float
    encoded: int

    def json(self) -> dict[str, JSON]:
        """As `--json` prints them."""
        return {f"{name}_seconds" if name != "encoded" else name: value for name, value in asdict(self).items()}


class Sampled(NamedTuple):
    """What the sample itself comes to: numbers of a vector, bytes stored, terms, different terms."""

    dimension: int
    stored: int
    terms: int
    vocabulary: int


def speeds_of(
    sample: Sequence[Passage], encoder: Encoder, *, reading: float, with_words: bool
) -> tuple[Speeds, Sampled]:
    """Time each part of a build on the sample."""
    texts = sorted(map(encoded_text, sample[:: max(len(sample) // _ENCODED, 1)]), key=len)
    encoder.encode_passages(texts[:_WARM])  # what it takes to load the model is no part of the speed
    batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
    encoding = _timed(lambda: [encoder.encode_passages(batch) for batch in batches])
    rows = encoder.encode_passages(batches[-1])
    comparison, hanging = _faiss_speeds(rows)
    words, terms, vocabulary = 0.0, 0, 0
    if with_words:
        side = lexical.build(map(lexical_text, sample))
        terms, vocabulary = len(side.arrays["indices"]), len(side.vocabulary)
        words = _timed(lambda: lexical.build(map(lexical_text, sample))) / len(sample)
    stored = sum(len(json.dumps(passage_json(p), ensure_ascii=False).encode("utf-8", "replace")) + 1 for p in sample)
    speeds = Speeds(
        reading=reading,
        encoding=encoding / len(texts),
        words=words,
        comparison=comparison,
        hanging=hanging,
        encoded=len(texts),
    )
    return speeds, Sampled(rows.shape[1], stored, terms, vocabulary)


def seconds_of(corpus: Corpus, factory: str, speeds: Speeds) -> float:
    """Seconds of the whole build of an index of that FAISS factory."""
    n = corpus.passages
    each = speeds.reading + speeds.encoding + speeds.words
    grown = n * speeds.hanging * math.log2(max(n, 2)) / math.log2(_HUNG) if "HNSW" in factory else 0.0
    return n * each + comparisons(factory, n) * speeds.comparison + grown


def comparisons(factory: str, count: int) -> int:
    """How many vectors of full length FAISS compares while it builds, and we while we measure what it finds."""
    if is_exact(factory):
        return 0
    trained = min(count, _TRAINED)
    cells = re.search(r"IVF(\d+)", factory)
    made = int(cells[1]) * (_ROUNDS * trained + count) if cells else 0
    made += _CODE * (_CODE_ROUNDS * trained + count) if "PQ" in factory else 0
    return made + 3 * QUERIES * count


def _faiss_speeds(rows: "Floats") -> tuple[float, float]:
    """Seconds for a comparison, and to hang a vector into a graph, with vectors that lie about some of the corpus."""
    import numpy as np

    chance = np.random.default_rng(0)
    many = rows[chance.integers(len(rows), size=_COMPARED)]
    many = np.asarray(many + chance.normal(scale=0.5 * many.std(), size=many.shape), np.float32)
    flat = vectors.build(many, "Flat", "inner_product")
    compared = _timed(lambda: flat.nearest(many[:QUERIES], 1)) / (QUERIES * len(many))
    return compared, _timed(lambda: vectors.build(many[:_HUNG], "HNSW32", "inner_product")) / _HUNG


def _timed(do: Callable[[], object]) -> float:
    """Seconds that it takes, by the mean of as many times as fill a tenth of a second."""
    times, started = 0, time.perf_counter()
    while times == 0 or time.perf_counter() - started < _SHORTEST:
        do()
        times += 1
    return (time.perf_counter() - started) / times
